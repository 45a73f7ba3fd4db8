using System.Buffers.Binary;

namespace PersonalVpn.Packets;

/// <content>Filling and verifying the checksums of whole headers.</content>
public static partial class InternetChecksum
{
    /// <summary>
    /// Computes the transport checksum from scratch and writes it (TCP, UDP, UDP-Lite, ICMP, ICMPv6). Leaves alone what has
    /// none here to fill: fragments and opaque protocols. IPv4 UDP gets one even if it had none (0).
    /// </summary>
    public static void FillTransport(Span<byte> packet, in PacketInfo info)
    {
        int field = HeaderLayout.ChecksumOffset(info);
        if (field < 0 || info.IsFragment) return;
        Span<byte> target = packet.Slice(info.TransportOffset + field, 2);
        target.Clear();
        ushort checksum = FoldComplement(TransportSum(packet, info));
        // RFC 768 and RFC 3828 3.1: a computed 0 is sent as all ones.
        if (checksum == 0 && field == HeaderLayout.UdpChecksum) checksum = 0xffff;
        BinaryPrimitives.WriteUInt16BigEndian(target, checksum);
    }

    /// <summary>
    /// True unless the transport checksum is wrong. Fragments and opaque protocols have none that could be checked: true.
    /// UDP without checksum (0) is right in IPv4 and wrong in IPv6 (RFC 8200 8.1). A partial checksum is wrong: complete it first.
    /// </summary>
    public static bool VerifyTransport(ReadOnlySpan<byte> packet, in PacketInfo info)
    {
        int field = HeaderLayout.ChecksumOffset(info);
        if (field < 0 || info.IsFragment) return true;
        bool zero = BinaryPrimitives.ReadUInt16BigEndian(packet[(info.TransportOffset + field)..]) == 0;
        if (zero && field == HeaderLayout.UdpChecksum)
            return info.Version == 4 && info.IsUdp;
        return Fold(TransportSum(packet, info)) == 0xffff;
    }

    /// <summary>Computes the IPv4 header checksum (RFC 791 3.1) from scratch and writes it; the header length is taken from the IHL.</summary>
    public static void FillIpv4Header(Span<byte> packet)
    {
        Span<byte> header = packet[..((packet[0] & 0xf) * 4)];
        Span<byte> field = header.Slice(HeaderLayout.Ipv4Checksum, 2);
        field.Clear();
        BinaryPrimitives.WriteUInt16BigEndian(field, FoldComplement(Sum(header)));
    }

    /// <summary>True when the packet has a whole IPv4 header and its checksum is right.</summary>
    public static bool VerifyIpv4Header(ReadOnlySpan<byte> packet)
    {
        if (packet.Length < HeaderLayout.Ipv4Minimum) return false;
        int length = (packet[0] & 0xf) * 4;
        return length >= HeaderLayout.Ipv4Minimum && length <= packet.Length && Fold(Sum(packet[..length])) == 0xffff;
    }

    // Pseudo-header and everything that the checksum covers, its own field included.
    private static uint TransportSum(ReadOnlySpan<byte> packet, in PacketInfo info)
    {
        ReadOnlySpan<byte> transport = packet[info.TransportOffset..info.TotalLength];
        switch (info.Protocol)
        {
            case IpProtocol.Icmp: // RFC 792: no pseudo-header
                return Sum(transport);
            case IpProtocol.Udp: // a surplus behind the UDP length is not covered
                transport = transport[..(HeaderLayout.Udp + info.PayloadLength)];
                return Sum(transport, PseudoHeader(info, transport.Length));
            case IpProtocol.UdpLite: // RFC 3828 3.2: the pseudo-header has the full length, the sum the covered part
                int coverage = BinaryPrimitives.ReadUInt16BigEndian(transport[4..]);
                return Sum(coverage == 0 ? transport : transport[..coverage], PseudoHeader(info, transport.Length));
            default:
                return Sum(transport, PseudoHeader(info, transport.Length));
        }
    }
}
