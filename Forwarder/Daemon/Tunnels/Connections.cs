using PersonalVpn.Linux;
using PersonalVpn.Packets;

namespace PersonalVpn.Daemon.Tunnels;

/// <summary>
/// Connections that cannot go on because a tunnel came or went are aborted (SOCK_DESTROY), so that applications reconnect at once
/// instead of hanging.
/// </summary>
internal static class Connections
{
    /// <summary>
    /// A tunnel came: the owner's connections to its destinations that are older, and so have another source address. The owner's, and
    /// only the owner's. Returns how many.
    /// </summary>
    public static int AbortOlder(TunnelState tunnel) => Abort(socket =>
    {
        if (!socket.Owner.HasUid || socket.Owner.Uid != tunnel.Uid || socket.RemotePort == 0) return false;
        IpAddr remote = socket.Remote.Unmap();
        // The tunnels' own transport sockets are the owner's too, and under a default route their peer is a destination.
        return !remote.IsLoopback && (socket.Mark & Marks.Mask) != Marks.Transport && socket.Local.Unmap() != tunnel.Address(remote.IsV6) &&
            KernelPlan.Claimed(tunnel.Routes).Any(r => r.Contains(remote));
    });

    /// <summary>
    /// A tunnel goes: everything that is bound to its inner addresses, which go with it, orphans too, whose unsent data the kernel
    /// would retransmit for minutes. Called while the destinations are still blocked: once the rules are gone, what an IPv6 connection
    /// sends again would leave by the ordinary route, in clear (IPv6 does not ask whether a source address is still there).
    /// </summary>
    public static int AbortInner(IReadOnlyCollection<IpAddr> addresses) => Abort(socket => addresses.Contains(socket.Local.Unmap()));

    private static int Abort(Predicate<SocketEntry> condemned)
    {
        using var diag = new SockDiag();
        int aborted = 0;
        foreach (byte protocol in new[] { IpProtocol.Tcp, IpProtocol.Udp })
            foreach (bool v6 in KernelState.HasIpv6 ? new[] { false, true } : [false])
                foreach (SocketEntry socket in diag.Dump(protocol, v6))
                    if (condemned(socket) && diag.Destroy(socket)) aborted++;
        return aborted;
    }
}
