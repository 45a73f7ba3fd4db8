using PersonalVpn.Linux;

namespace PersonalVpn.Cli.Session;

/// <summary>
/// The packet channel to pvpnd, which proves every packet's owner in both directions. When it is not read, it fills, pvpnd holds
/// packets, and the kernel slows the sending sockets. Sending waits for pvpnd, which never waits for us.
/// </summary>
internal sealed class ChannelPort(LinuxSocket channel) : IPacketPort
{
    public int Fd => channel.Fd;

    public int Receive(Span<byte> frame)
    {
        int n = channel.Receive(frame, SocketFlags.MSG_DONTWAIT);
        if (n > 0) return n;
        return n == -Errno.EAGAIN ? 0 : -1;
    }

    public bool Send(Span<byte> frame) => channel.Send(frame) == frame.Length;
}
