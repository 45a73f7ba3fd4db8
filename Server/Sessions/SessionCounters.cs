using PersonalVpn.Tunnel.Diagnostics;

namespace PersonalVpn.Server.Sessions;

/// <summary>Why the server dropped a session's packet.</summary>
internal enum SessionDrop
{
    /// <summary>Not dropped.</summary>
    None,

    /// <summary>Not a well-formed packet, or metadata that contradicts it.</summary>
    Malformed,

    /// <summary>The source is not the session's address.</summary>
    WrongSource,

    /// <summary>A fragment: a client sends datagrams whole.</summary>
    Fragment,

    /// <summary>The destination is not permitted.</summary>
    NotPermitted,

    /// <summary>Longer than the path takes.</summary>
    TooBig,

    /// <summary>The kernel refused it.</summary>
    InjectFailed,

    /// <summary>The client does not take what is sent to it.</summary>
    ClientTooSlow,
}

/// <summary>A session's counters: in is from the client, out is to it.</summary>
internal sealed class SessionCounters() : PacketCounters(Enum.GetNames<SessionDrop>())
{
    public void Drop(SessionDrop reason, int packets = 1) => CountDrop((int)reason, packets);
}
