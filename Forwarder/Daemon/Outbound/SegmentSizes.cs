using PersonalVpn.Daemon.Flows;
using PersonalVpn.Daemon.Tunnels;
using PersonalVpn.Linux;
using PersonalVpn.Packets;

namespace PersonalVpn.Daemon.Outbound;

/// <summary>
/// Finds the segment size of a flow's superpackets: from the peer's MSS, seen in its SYN-ACK, or, where the handshake was not seen
/// (the daemon was restarted since), once from the kernel's own figure (tcpi_snd_mss).
/// </summary>
internal sealed class SegmentSizes(SockDiag diag)
{
    public int For(TunnelState tunnel, Flow flow, in PacketInfo packet)
    {
        if (packet.PayloadLength <= 536) return SegmentSize.Fallback;
        int mss;
        lock (tunnel.Flows.Gate) mss = flow.PeerMss;
        if (mss == 0 && diag.TryGetTcpInfo(flow.Key, out uint sending, out _) && sending is >= 48 and < ushort.MaxValue)
        {
            // The kernel's figure is without options; ours is with them, as on the wire.
            mss = (int)sending + packet.TransportHeaderLength - 20;
            lock (tunnel.Flows.Gate) flow.PeerMss = (ushort)Math.Min(mss, ushort.MaxValue);
        }
        return SegmentSize.For(tunnel.Mtu, mss, packet);
    }
}
