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
        PacketError error = info.Version == 4
            ? QuotedIpv4(quoted, out byte protocol, out int transport)
            : QuotedIpv6(quoted, out protocol, out transport);
        if (error != PacketError.None) return error;
        error = QuotedPorts(quoted[transport..], info.Version, protocol, out ushort sourcePort, out ushort destinationPort);
        if (error != PacketError.None) return error;
        int size = info.Version == 4 ? 4 : 16;
        int addresses = info.Version == 4 ? 12 : 8;
        embedded = new FlowKey(
            protocol, IpAddr.Read(quoted.Slice(addresses, size)), sourcePort, IpAddr.Read(quoted.Slice(addresses + size, size)), destinationPort);
        embeddedOffset = info.PayloadOffset;
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
