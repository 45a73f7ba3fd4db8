using PersonalVpn.Linux;
using PersonalVpn.Packets;

namespace PersonalVpn.Daemon.Tunnels;

/// <summary>
/// Connections that cannot outlive a change, aborted by SOCK_DESTROY, so that applications reconnect at once instead of hanging:
/// those that the owner made before the tunnel was there, to destinations that it now carries (their source is not the inner
/// address), and those from an inner address that goes.
/// </summary>
internal static class OldConnections
{
    /// <summary>
    /// Aborts every connection from these inner addresses, orphans too, whose unsent data the kernel would retransmit for minutes.
    /// Must be called while the destinations are still blocked: once the rules are gone, what an IPv6 connection sends again would
    /// go by the ordinary route, in clear (IPv6 does not ask whether a source address is still there).
    /// </summary>
    public static void AbortFrom(IReadOnlyCollection<IpAddr> addresses)
    {
        if (addresses.Count == 0) return;
        using var diag = new SockDiag();
        foreach (byte protocol in new byte[] { 6, 17 })
            foreach (bool v6 in KernelState.HasIpv6 ? new[] { false, true } : [false])
                foreach (SocketEntry socket in diag.Dump(protocol, v6))
                    if (socket.RemotePort != 0 && addresses.Contains(socket.Local.Unmap())) diag.Destroy(socket);
    }

    /// <summary>Aborts the owner's, and only the owner's; returns how many.</summary>
    public static int Abort(TunnelState tunnel)
    {
        using var diag = new SockDiag();
        int aborted = 0;
        foreach (byte protocol in new byte[] { 6, 17 })
            foreach (bool v6 in KernelState.HasIpv6 ? new[] { false, true } : [false])
                foreach (SocketEntry socket in diag.Dump(protocol, v6))
                {
                    if (!socket.Owner.HasUid || socket.Owner.Uid != tunnel.Uid || socket.RemotePort == 0) continue;
                    var remote = socket.Remote.Unmap();
                    if (!KernelPlan.Claimed(tunnel.Routes).Any(r => r.Contains(remote)) || socket.Local.Unmap() == tunnel.Address(remote.IsV6)) continue;
                    if (remote.IsLoopback) continue;
                    // The tunnels' own transport sockets are the owner's too, and under a default route their peer is a destination.
                    if ((socket.Mark & Marks.Mask) == Marks.Transport) continue;
                    if (diag.Destroy(socket)) aborted++;
                }
        return aborted;
    }
}
