using System.Buffers.Binary;

namespace PersonalVpn.Packets;

/// <content>The packet quoted inside an ICMP error (RFC 792 "Internet Header + 64 bits", RFC 4443 2.4(c)).</content>
public static partial class PacketParser
{
    /// <summary>
    /// Finds the flow an ICMP error is about. The quoted packet may be cut off behind its first 8 transport bytes, so its length
    /// fields are not checked and whatever follows (RFC 4884 extensions) is not read.
    /// </summary>
    /// <param name="packet">The ICMP error, as parsed.</param>
    /// <param name="info">What <see cref="TryParse"/> said of it.</param>
    /// <param name="embedded">The flow in the direction of the quoted packet, that is away from the host that receives the error.</param>
    /// <param name="embeddedOffset">Where the quoted IP header begins in <paramref name="packet"/>.</param>
    public static PacketError TryParseEmbedded(
        ReadOnlySpan<byte> packet, in PacketInfo info, out FlowKey embedded, out int embeddedOffset)
    {
        embedded = default;
        embeddedOffset = 0;
        if (!info.IsIcmpError) return PacketError.NotIcmpError;
        ReadOnlySpan<byte> quoted = packet[info.PayloadOffset..];
        if (quoted.IsEmpty) return PacketError.Empty;
        if (quoted[0] >> 4 != info.Version) return PacketError.UnknownVersion;
        PacketError error = TryParseStart(quoted, out embedded);
        if (error == PacketError.None) embeddedOffset = info.PayloadOffset;
        return error;
    }

    /// <summary>
    /// Finds the flow of a packet of which only the beginning is there: quoted in an ICMP error, or logged by NFLOG. Length fields are
    /// not checked.
    /// </summary>
    /// <param name="start">IP header first, at least 8 bytes of the transport header.</param>
    /// <param name="flow">The flow in the packet's own direction.</param>
    public static PacketError TryParseStart(ReadOnlySpan<byte> start, out FlowKey flow)
    {
        flow = default;
        if (start.IsEmpty) return PacketError.Empty;
        byte version = (byte)(start[0] >> 4);
        if (version is not (4 or 6)) return PacketError.UnknownVersion;
        PacketError error = version == 4
            ? QuotedIpv4(start, out byte protocol, out int transport)
            : QuotedIpv6(start, out protocol, out transport);
        if (error != PacketError.None) return error;
        error = QuotedPorts(start[transport..], version, protocol, out ushort sourcePort, out ushort destinationPort);
        if (error != PacketError.None) return error;
        int size = version == 4 ? 4 : 16;
        int addresses = version == 4 ? 12 : 8;
        flow = new FlowKey(
            protocol, IpAddr.Read(start.Slice(addresses, size)), sourcePort, IpAddr.Read(start.Slice(addresses + size, size)), destinationPort);
        return PacketError.None;
    }

    private static PacketError QuotedIpv4(ReadOnlySpan<byte> quoted, out byte protocol, out int transport)
    {
        protocol = 0;
        transport = 0;
        if (quoted.Length < HeaderLayout.Ipv4Minimum) return PacketError.TooShort;
        transport = (quoted[0] & 0xf) * 4;
        if (transport < HeaderLayout.Ipv4Minimum || transport > quoted.Length) return PacketError.BadHeaderLength;
        protocol = quoted[9];
        bool later = (BinaryPrimitives.ReadUInt16BigEndian(quoted[6..]) & 0x1fff) != 0;
        return later ? PacketError.QuotedLaterFragment : PacketError.None;
    }

    private static PacketError QuotedIpv6(ReadOnlySpan<byte> quoted, out byte protocol, out int transport)
    {
        protocol = 0;
        transport = 0;
        if (quoted.Length < HeaderLayout.Ipv6) return PacketError.TooShort;
        PacketError error = Ipv6HeaderChain.TryWalk(quoted, out Ipv6HeaderChain chain);
        if (error != PacketError.None) return error;
        protocol = chain.Protocol;
        transport = chain.End;
        return chain.FragmentOffset > 0 ? PacketError.QuotedLaterFragment : PacketError.None;
    }

    private static PacketError QuotedPorts(
        ReadOnlySpan<byte> transport, byte version, byte protocol, out ushort source, out ushort destination)
    {
        source = destination = 0;
        bool icmp = protocol == (version == 4 ? IpProtocol.Icmp : IpProtocol.IcmpV6);
        if (!icmp && protocol is not (IpProtocol.Tcp or IpProtocol.Udp or IpProtocol.UdpLite)) return PacketError.None;
        if (transport.Length < 8) return PacketError.TruncatedTransport;
        if (!icmp)
        {
            source = BinaryPrimitives.ReadUInt16BigEndian(transport);
            destination = BinaryPrimitives.ReadUInt16BigEndian(transport[2..]);
            return PacketError.None;
        }

        if (PacketInfo.IsErrorType(version, transport[0])) return PacketError.QuotedIcmpError;
        if (PacketInfo.IsEchoType(version, transport[0]))
            source = destination = BinaryPrimitives.ReadUInt16BigEndian(transport[4..]);
        return PacketError.None;
    }
}
