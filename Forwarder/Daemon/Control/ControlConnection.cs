using PersonalVpn.Daemon.Tunnels;
using PersonalVpn.Linux;

namespace PersonalVpn.Daemon.Control;

/// <summary>
/// One local process that talks to the daemon. A tunnel lives as long as the connection that opened it: when the process ends
/// without a Close, the tunnel's destinations stay blocked.
/// </summary>
internal sealed class ControlConnection(LinuxSocket socket, PeerCredentials peer)
{
    public LinuxSocket Socket { get; } = socket;
    public PeerCredentials Peer { get; } = peer;
    public TunnelState? Tunnel { get; set; }
}
