using PersonalVpn.Tunnel.Diagnostics;

namespace PersonalVpn.Daemon.Tunnels;

/// <summary>A tunnel's counters: out is to the server, in is from it.</summary>
internal sealed class TunnelCounters() : PacketCounters(Enum.GetNames<DropReason>())
{
    public void Drop(DropReason reason) => CountDrop((int)reason);

    public long Dropped(DropReason reason) => DropsOf((int)reason);
}
