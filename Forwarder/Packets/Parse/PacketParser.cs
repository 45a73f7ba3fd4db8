using System.Buffers.Binary;

namespace PersonalVpn.Packets;

/// <summary>
/// Reads the headers of one IP packet. Pure, allocation-free, and total: any byte sequence gives a <see cref="PacketInfo"/> or a
/// <see cref="PacketError"/>.
/// <para>In this order: IP header and length; IPv4 options or IPv6 extension headers; fragment fields; transport header.
/// Checksums are not looked at (a packet on its way out of a host has partial ones): see <see cref="InternetChecksum"/>.
/// Whether the addresses are acceptable is the caller's policy.</para>
/// </summary>
public static partial class PacketParser
{
    /// <summary>More IPv6 extension headers than this are refused.</summary>
    public const int MaxExtensionHeaders = 8;

    private const byte LooseSourceRoute = 131;
    private const byte StrictSourceRoute = 137;

    /// <summary>Parses a packet whose span holds it exactly, without trailing bytes.</summary>
    /// <param name="packet">The packet, from its IP header.</param>
    /// <param name="info">The result; meaningless unless <see cref="PacketError.None"/> is returned.</param>
    public static PacketError TryParse(ReadOnlySpan<byte> packet, out PacketInfo info)
    {
        info = default;
        if (packet.IsEmpty) return PacketError.Empty;
        PacketError error = (packet[0] >> 4) switch
        {
            4 => ParseIpv4(packet, ref info),
            6 => ParseIpv6(packet, ref info),
            _ => PacketError.UnknownVersion,
        };
        if (error != PacketError.None) return error;
        info.PayloadOffset = info.TransportOffset;
        info.PayloadLength = info.TransportLength;
        return info.HasTransportHeader ? ParseTransport(packet[info.TransportOffset..], ref info) : PacketError.None;
    }

    //  0               1               2               3                RFC 791 3.1
    // +-------+-------+---------------+-------------------------------+
    // |Version|  IHL  |Type of Service|          Total Length         |
    // +-------+-------+---------------+-----+-------------------------+
    // |         Identification        |0 D M|      Fragment Offset    |
    // +---------------+---------------+-----+-------------------------+
    // |  Time to Live |    Protocol   |         Header Checksum       |
    // +---------------+---------------+-------------------------------+
    // |                         Source Address                        |
    // |                       Destination Address                     |
    // |                    Options, padded to a word                  |
    // +---------------------------------------------------------------+
    private static PacketError ParseIpv4(ReadOnlySpan<byte> packet, ref PacketInfo info)
    {
        if (packet.Length < HeaderLayout.Ipv4Minimum) return PacketError.TooShort;
        int headerLength = (packet[0] & 0xf) * 4;
        if (headerLength < HeaderLayout.Ipv4Minimum || headerLength > packet.Length) return PacketError.BadHeaderLength;
        if (BinaryPrimitives.ReadUInt16BigEndian(packet[2..]) != packet.Length) return PacketError.BadTotalLength;
        if (headerLength > HeaderLayout.Ipv4Minimum)
        {
            PacketError error = CheckIpv4Options(packet[HeaderLayout.Ipv4Minimum..headerLength]);
            if (error != PacketError.None) return error;
        }

        ushort fragment = BinaryPrimitives.ReadUInt16BigEndian(packet[6..]);
        info.Version = 4;
        info.Protocol = packet[9];
        info.HopLimit = packet[8];
        info.Source = IpAddr.FromV4(BinaryPrimitives.ReadUInt32BigEndian(packet[12..]));
        info.Destination = IpAddr.FromV4(BinaryPrimitives.ReadUInt32BigEndian(packet[16..]));
        info.TransportOffset = headerLength;
        info.TotalLength = packet.Length;
        info.DontFragment = (fragment & 0x4000) != 0;
        info.FragmentId = BinaryPrimitives.ReadUInt16BigEndian(packet[4..]);
        return TakeFragment((fragment & 0x1fff) * 8, (fragment & 0x2000) != 0, headerLength, ref info);
    }

    //  0               1               2               3                RFC 8200 3
    // +-------+---------------+---------------------------------------+
    // |Version| Traffic Class |              Flow Label               |
    // +-------+---------------+-------+---------------+---------------+
    // |         Payload Length        |  Next Header  |   Hop Limit   |
    // +-------------------------------+---------------+---------------+
    // |                  Source Address (16 bytes)                    |
    // |               Destination Address (16 bytes)                  |
    // +---------------------------------------------------------------+
    private static PacketError ParseIpv6(ReadOnlySpan<byte> packet, ref PacketInfo info)
    {
        if (packet.Length < HeaderLayout.Ipv6) return PacketError.TooShort;
        int payload = BinaryPrimitives.ReadUInt16BigEndian(packet[4..]);
        if (HeaderLayout.Ipv6 + payload != packet.Length)
            return payload == 0 && packet[6] == IpProtocol.HopByHop ? PacketError.Jumbogram : PacketError.BadTotalLength;
        PacketError error = Ipv6HeaderChain.TryWalk(packet, out Ipv6HeaderChain chain);
        if (error != PacketError.None) return error;
        info.Version = 6;
        info.Protocol = chain.Protocol;
        info.HopLimit = packet[7];
        info.Source = new IpAddr(BinaryPrimitives.ReadUInt128BigEndian(packet[8..]), true);
        info.Destination = new IpAddr(BinaryPrimitives.ReadUInt128BigEndian(packet[24..]), true);
        info.TransportOffset = chain.End;
        info.TotalLength = packet.Length;
        info.FragmentId = chain.FragmentId;
        if (chain.FragmentHeader == 0) return PacketError.None;
        return TakeFragment(chain.FragmentOffset, chain.MoreFragments, chain.FragmentHeader - HeaderLayout.Ipv6, ref info);
    }

    /// <summary>Options of RFC 791 3.1: End (0) and No-Op (1) are one byte, all others type, length, data.</summary>
    private static PacketError CheckIpv4Options(ReadOnlySpan<byte> options)
    {
        while (!options.IsEmpty && options[0] != 0)
        {
            if (options[0] == 1)
            {
                options = options[1..];
                continue;
            }

            if (options.Length < 2 || options[1] < 2 || options[1] > options.Length) return PacketError.BadOption;
            if (options[0] is LooseSourceRoute or StrictSourceRoute) return PacketError.SourceRoute;
            options = options[options[1]..];
        }

        return PacketError.None;
    }

    /// <summary>
    /// Notes and checks the fragment fields; <paramref name="repeated"/> is what counts into the reassembled length besides data.
    /// </summary>
    private static PacketError TakeFragment(int offset, bool more, int repeated, ref PacketInfo info)
    {
        if (offset == 0 && !more) return PacketError.None;
        info.IsFragment = true;
        info.IsFirstFragment = offset == 0;
        info.MoreFragments = more;
        info.FragmentOffset = offset;

        // In the first IPv6 fragment extension headers may stand between the fragment header and the transport: they are data here.
        int start = info.Version == 6 ? repeated + HeaderLayout.Ipv6 + HeaderLayout.Ipv6Fragment : info.TransportOffset;
        int length = info.TotalLength - start;
        if (length == 0 || (more && length % 8 != 0)) return PacketError.BadFragment;
        if (offset + length + repeated > HeaderLayout.MaxIpPayload) return PacketError.BadFragment;

        // RFC 1858 4: a fragment that begins inside the TCP header could overwrite flags that were judged in the first one.
        return info.Protocol == IpProtocol.Tcp && offset is > 0 and < HeaderLayout.TcpMinimum ? PacketError.TinyFragment : PacketError.None;
    }

    private static PacketError ParseTransport(ReadOnlySpan<byte> transport, ref PacketInfo info)
    {
        int needed = info.Protocol switch
        {
            IpProtocol.Tcp => HeaderLayout.TcpMinimum,
            IpProtocol.Udp or IpProtocol.UdpLite => HeaderLayout.Udp,
            _ when info.IsIcmp => HeaderLayout.Icmp,
            _ => 0,
        };
        if (needed == 0) return PacketError.None;
        if (transport.Length < needed) return info.IsFragment ? PacketError.TinyFragment : PacketError.TruncatedTransport;
        PacketError error = info.Protocol switch
        {
            IpProtocol.Tcp => ParseTcp(transport, ref info),
            IpProtocol.Udp => ParseUdp(transport, ref info),
            IpProtocol.UdpLite => ParseUdpLite(transport, ref info),
            _ => ParseIcmp(transport, ref info),
        };
        info.PayloadOffset = info.TransportOffset + info.TransportHeaderLength;
        return error;
    }

    private static PacketError ParseTcp(ReadOnlySpan<byte> tcp, ref PacketInfo info)
    {
        int headerLength = (tcp[12] >> 4) * 4;
        if (headerLength < HeaderLayout.TcpMinimum) return PacketError.BadTcpDataOffset;
        if (headerLength > tcp.Length) return info.IsFragment ? PacketError.TinyFragment : PacketError.BadTcpDataOffset;
        TakePorts(tcp, ref info);
        info.TcpFlags = tcp[13];
        info.TransportHeaderLength = headerLength;
        info.PayloadLength = tcp.Length - headerLength;
        return PacketError.None;
    }

    private static PacketError ParseUdp(ReadOnlySpan<byte> udp, ref PacketInfo info)
    {
        // The length may end before the packet does (RFC 9868: options in the surplus) and, in a fragment, after it.
        int length = BinaryPrimitives.ReadUInt16BigEndian(udp[4..]);
        if (length < HeaderLayout.Udp || (length > udp.Length && !info.IsFragment)) return PacketError.BadUdpLength;
        TakePorts(udp, ref info);
        info.TransportHeaderLength = HeaderLayout.Udp;
        info.PayloadLength = Math.Min(length, udp.Length) - HeaderLayout.Udp;
        return PacketError.None;
    }

    private static PacketError ParseUdpLite(ReadOnlySpan<byte> udp, ref PacketInfo info)
    {
        // RFC 3828 3.1: the field is the checksum's coverage: 0 (everything) or at least the header.
        int coverage = BinaryPrimitives.ReadUInt16BigEndian(udp[4..]);
        if (coverage is > 0 and < HeaderLayout.Udp || (coverage > udp.Length && !info.IsFragment)) return PacketError.BadUdpLength;
        TakePorts(udp, ref info);
        info.TransportHeaderLength = HeaderLayout.Udp;
        info.PayloadLength = udp.Length - HeaderLayout.Udp;
        return PacketError.None;
    }

    private static PacketError ParseIcmp(ReadOnlySpan<byte> icmp, ref PacketInfo info)
    {
        info.IcmpType = icmp[0];
        info.IcmpCode = icmp[1];
        if (PacketInfo.IsEchoType(info.Version, info.IcmpType))
            info.SourcePort = info.DestinationPort = BinaryPrimitives.ReadUInt16BigEndian(icmp[4..]);
        info.TransportHeaderLength = HeaderLayout.Icmp;
        info.PayloadLength = icmp.Length - HeaderLayout.Icmp;
        return PacketError.None;
    }

    private static void TakePorts(ReadOnlySpan<byte> transport, ref PacketInfo info)
    {
        info.SourcePort = BinaryPrimitives.ReadUInt16BigEndian(transport);
        info.DestinationPort = BinaryPrimitives.ReadUInt16BigEndian(transport[2..]);
    }
}
