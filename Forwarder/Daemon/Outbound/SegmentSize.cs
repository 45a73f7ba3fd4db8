using PersonalVpn.Packets;

namespace PersonalVpn.Daemon.Outbound;

/// <summary>
/// The segment size of a TCP superpacket, which NFQUEUE does not deliver. The sender's kernel cuts at
/// min(peer's MSS, device MTU - headers) - options on every segment (RFC 6691); so do we. Too small costs little; too large
/// makes segments that the inner path drops.
/// </summary>
internal static class SegmentSize
{
    /// <summary>When nothing is known: what every IPv6 path carries (RFC 8200 section 5), and nearly every IPv4 path.</summary>
    public const int Fallback = 1220;

    /// <summary>Payload bytes per segment.</summary>
    /// <param name="mtu">The tunnel device's MTU.</param>
    /// <param name="peerMss">The peer's MSS option, 0 when unknown.</param>
    /// <param name="packet">The superpacket.</param>
    public static int For(int mtu, int peerMss, in PacketInfo packet)
    {
        int network = packet.TransportOffset;
        int options = packet.TransportHeaderLength - 20;
        int mss = Math.Min(mtu - network - 20, peerMss == 0 ? Fallback : peerMss);
        return Math.Max(mss - options, 8);
    }
}
