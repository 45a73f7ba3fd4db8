using PersonalVpn.Linux.Abi;

namespace PersonalVpn.Linux;

/// <summary>Flags of send and receive (sys/socket.h). MSG_NOSIGNAL is always added when sending.</summary>
[CConstants("sys/socket.h")]
public static class SocketFlags
{
    /// <summary>Look without taking.</summary>
    public const int MSG_PEEK = 0x2;

    /// <summary>Answer EAGAIN instead of waiting.</summary>
    public const int MSG_DONTWAIT = 0x40;

    /// <summary>Wait until the whole buffer is full.</summary>
    public const int MSG_WAITALL = 0x100;

    /// <summary>More follows: hold an incomplete segment back.</summary>
    public const int MSG_MORE = 0x8000;
}
