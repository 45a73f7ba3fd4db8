using PersonalVpn.Linux;

namespace PersonalVpn.Daemon.Tunnels;

/// <summary>
/// Connections that the owner made before the tunnel was there, to destinations that it now carries: their source address is not the
/// inner one, so they could not go on. They are aborted (SOCK_DESTROY), so that applications reconnect at once instead of hanging.
/// </summary>
internal static class OldConnections
{
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
