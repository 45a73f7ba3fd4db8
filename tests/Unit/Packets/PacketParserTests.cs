using PersonalVpn.Packets;
using Xunit;

namespace PersonalVpn.Unit.Packets;

/// <summary>Every refusal has its own reason, and what is near it passes.</summary>
public class PacketParserTests
{
    private static readonly byte[] Data = new byte[32];

    private static PacketError Error(byte[] packet) => PacketParser.TryParse(packet, out _);

    [Fact]
    public void Every_error_has_its_sentence()
    {
        HashSet<string> seen = [];
        foreach (PacketError error in Enum.GetValues<PacketError>())
        {
            Assert.NotEqual("unknown error", error.Describe());
            Assert.True(seen.Add(error.Describe()));
        }
    }

    [Fact]
    public void Ip_headers_that_cannot_be()
    {
        byte[] good = Build.Ipv4(17, Build.Udp(Data));
        Assert.Equal(PacketError.None, Error(good));
        Assert.Equal(PacketError.Empty, Error([]));
        Assert.Equal(PacketError.TooShort, Error(good[..19]));
        Assert.Equal(PacketError.TooShort, Error(Build.Ipv6(17, Build.Udp(Data))[..39]));
        Assert.Equal(PacketError.UnknownVersion, Error([0x50, .. good[1..]]));
        Assert.Equal(PacketError.BadHeaderLength, Error([0x44, .. good[1..]]));
        Assert.Equal(PacketError.BadHeaderLength, Error([0x4f, .. good[1..30]]));
        Assert.Equal(PacketError.BadTotalLength, Error([.. good, 0]));
        Assert.Equal(PacketError.BadTotalLength, Error(good[..^1]));
        byte[] six = Build.Ipv6(17, Build.Udp(Data));
        Assert.Equal(PacketError.None, Error(six));
        Assert.Equal(PacketError.BadTotalLength, Error([.. six, 0]));
        Assert.Equal(PacketError.BadTotalLength, Error(six[..^1]));
    }

    [Fact]
    public void Ipv4_options()
    {
        byte[] udp = Build.Udp(Data);
        PacketInfo info = Build.Parse(Build.Ipv4(17, udp, [1, 0x94, 4, 0, 0, 1, 1, 1]));
        Assert.Equal((28, 5353, 53), (info.TransportOffset, info.SourcePort, info.DestinationPort));
        Assert.Equal(PacketError.None, Error(Build.Ipv4(17, udp, [0, 131, 3, 4])));         // after the end-of-list nothing counts
        Assert.Equal(PacketError.SourceRoute, Error(Build.Ipv4(17, udp, [131, 7, 4, 10, 0, 0, 1, 0])));
        Assert.Equal(PacketError.SourceRoute, Error(Build.Ipv4(17, udp, [1, 137, 7, 4, 10, 0, 0, 1])));
        Assert.Equal(PacketError.BadOption, Error(Build.Ipv4(17, udp, [7, 1, 0, 0])));
        Assert.Equal(PacketError.BadOption, Error(Build.Ipv4(17, udp, [7, 5, 0, 0])));
        Assert.Equal(PacketError.BadOption, Error(Build.Ipv4(17, udp, [1, 1, 1, 7])));
    }

    [Fact]
    public void Ipv6_extension_headers_are_walked_to_the_transport()
    {
        byte[] packet = Build.Ipv6(
            IpProtocol.HopByHop,
            Build.OptionsHeader(IpProtocol.DestinationOptions),
            Build.OptionsHeader(IpProtocol.Routing, 2),
            Build.RoutingHeader(IpProtocol.Fragment, 4, 0),
            Build.FragmentHeader(IpProtocol.Authentication, 0, false),
            Build.AuthenticationHeader(IpProtocol.DestinationOptions),
            Build.OptionsHeader(IpProtocol.Tcp),
            Build.Tcp(TcpFlags.Syn, []));
        PacketInfo info = Build.Parse(packet);
        Assert.Equal((IpProtocol.Tcp, 40 + 8 + 16 + 8 + 8 + 16 + 8), (info.Protocol, info.TransportOffset));
        Assert.Equal((40000, 443, TcpFlags.Syn), (info.SourcePort, info.DestinationPort, info.TcpFlags));
        Assert.False(info.IsFragment); // an atomic fragment is a whole packet
    }

    [Fact]
    public void Ipv6_extension_headers_that_cannot_be()
    {
        byte[] tcp = Build.Tcp(TcpFlags.Ack, Data);
        Assert.Equal(PacketError.BadExtensionHeader, Error(Build.Ipv6(60, Build.OptionsHeader(0), Build.OptionsHeader(6), tcp)));
        Assert.Equal(PacketError.BadExtensionHeader, Error(Build.Ipv6(0, [6, 0, 1, 4, 0])));
        Assert.Equal(PacketError.BadExtensionHeader, Error(Build.Ipv6(0, [6, 9, 1, 4, 0, 0, 0, 0])));
        Assert.Equal(PacketError.BadExtensionHeader, Error(Build.Ipv6(0, [6, 0, 1, 9, 0, 0, 0, 0], tcp)));
        Assert.Equal(PacketError.BadExtensionHeader, Error(Build.Ipv6(60, [6, 0, 0, 0, 0, 0, 0, 1], tcp)));
        Assert.Equal(PacketError.BadExtensionHeader, Error(Build.Ipv6(51, [6, 0, 0, 0, 1, 1, 1, 1], tcp)));
        Assert.Equal(PacketError.BadExtensionHeader, Error(Build.Ipv6(44, Build.FragmentHeader(44, 0, false), Build.FragmentHeader(6, 0, false), tcp)));
        Assert.Equal(PacketError.Jumbogram, Error(Build.Ipv6(0, [6, 0, 0xc2, 4, 0, 1, 0, 0], tcp)));
        byte[] jumbo = Build.Ipv6(0, [6, 0, 0xc2, 4, 0, 1, 0, 0], tcp);
        jumbo[4] = jumbo[5] = 0;
        Assert.Equal(PacketError.Jumbogram, Error(jumbo));
        Assert.Equal(PacketError.HomeAddress, Error(Build.Ipv6(60, [6, 2, 0xc9, 16, .. new byte[16], 1, 2, 0, 0], tcp)));
        Assert.Equal(PacketError.RoutingHeader, Error(Build.Ipv6(43, Build.RoutingHeader(6, 0, 0), tcp)));
        Assert.Equal(PacketError.RoutingHeader, Error(Build.Ipv6(43, Build.RoutingHeader(6, 4, 1), tcp)));
        byte[][] eight = [.. Enumerable.Range(0, 7).Select(_ => Build.OptionsHeader(60)), Build.OptionsHeader(6), tcp];
        Assert.Equal(PacketError.None, Error(Build.Ipv6(60, eight)));
        Assert.Equal(PacketError.TooManyExtensionHeaders, Error(Build.Ipv6(60, [Build.OptionsHeader(60), .. eight])));
    }

    [Fact]
    public void Opaque_protocols_have_no_ports()
    {
        foreach (byte protocol in new byte[] { IpProtocol.Esp, IpProtocol.NoNextHeader, 47, 132, IpProtocol.Icmp })
        {
            PacketInfo info = Build.Parse(Build.Ipv6(protocol, Data));
            Assert.Equal((protocol, 0, 0, 40, 32), (info.Protocol, info.SourcePort, info.TransportHeaderLength, info.PayloadOffset, info.PayloadLength));
            Assert.False(info.IsIcmp);
        }

        Assert.False(Build.Parse(Build.Ipv4(58, Data)).IsIcmp);
        Assert.Equal(0, Build.Parse(Build.Ipv4(50, [])).PayloadLength);
    }

    [Fact]
    public void Transport_headers_that_cannot_be()
    {
        Assert.Equal(PacketError.TruncatedTransport, Error(Build.Ipv4(6, new byte[19])));
        Assert.Equal(PacketError.TruncatedTransport, Error(Build.Ipv6(17, new byte[7])));
        Assert.Equal(PacketError.TruncatedTransport, Error(Build.Ipv6(58, new byte[7])));
        Assert.Equal(PacketError.TruncatedTransport, Error(Build.Ipv4(1, [])));
        byte[] tcp = Build.Tcp(TcpFlags.Ack, []);
        tcp[12] = 0x40;
        Assert.Equal(PacketError.BadTcpDataOffset, Error(Build.Ipv4(6, tcp)));
        tcp[12] = 0x60;
        Assert.Equal(PacketError.BadTcpDataOffset, Error(Build.Ipv6(6, tcp)));
        Assert.Equal(PacketError.BadUdpLength, Error(Build.Ipv4(17, Build.Udp(Data, 7))));
        Assert.Equal(PacketError.BadUdpLength, Error(Build.Ipv6(17, Build.Udp(Data, 41))));
        Assert.Equal(PacketError.BadUdpLength, Error(Build.Ipv6(17, Build.Udp(Data, 0))));
        Assert.Equal(PacketError.BadUdpLength, Error(Build.Ipv4(136, Build.Udp(Data, 7))));
        Assert.Equal(PacketError.BadUdpLength, Error(Build.Ipv4(136, Build.Udp(Data, 41))));
        Assert.Equal(PacketError.None, Error(Build.Ipv4(136, Build.Udp(Data, 0))));
        Assert.Equal(12, Build.Parse(Build.Ipv4(17, Build.Udp(Data, 20))).PayloadLength); // RFC 9868 surplus
    }

    [Fact]
    public void Fragments()
    {
        byte[] tcp = Build.Tcp(TcpFlags.Ack, Data, [1, 1, 1, 1]);
        PacketInfo first = Build.Parse(Build.Ipv4(6, tcp[..48], null, 0x2000));
        Assert.True(first is { IsFragment: true, IsFirstFragment: true, MoreFragments: true, SourcePort: 40000, FragmentId: 0x1234 });
        PacketInfo later = Build.Parse(Build.Ipv4(6, tcp[48..], null, 6));
        Assert.True(later is { IsFragment: true, IsFirstFragment: false, FragmentOffset: 48, SourcePort: 0, TcpFlags: 0, Protocol: 6 });
        Assert.False(later.HasTransportHeader);
        PacketInfo six = Build.Parse(Build.Ipv6(44, Build.FragmentHeader(17, 1232, true), Data));
        Assert.True(six is { FragmentId: 0xdeadbeef, FragmentOffset: 1232, Protocol: 17, TransportOffset: 48, PayloadLength: 32 });

        // Impossible ones.
        Assert.Equal(PacketError.BadFragment, Error(Build.Ipv4(17, [], null, 6)));
        Assert.Equal(PacketError.BadFragment, Error(Build.Ipv4(17, new byte[9], null, 0x2000)));
        Assert.Equal(PacketError.BadFragment, Error(Build.Ipv4(17, Data, null, 0x1fff)));
        Assert.Equal(PacketError.BadFragment, Error(Build.Ipv6(44, Build.FragmentHeader(17, 0xfff8, false), new byte[8])));
        Assert.Equal(PacketError.None, Error(Build.Ipv6(44, Build.FragmentHeader(17, 0xfff8, false), new byte[7])));
        Assert.Equal(PacketError.BadFragment, Error(Build.Ipv6(44, Build.FragmentHeader(17, 8, false))));

        // The repeated headers count into the 65,535 bytes after reassembly, too.
        Assert.Equal(PacketError.None, Error(Build.Ipv4(17, new byte[3], null, 65512 / 8)));
        Assert.Equal(PacketError.BadFragment, Error(Build.Ipv4(17, new byte[4], null, 65512 / 8)));
        Assert.Equal(PacketError.BadFragment, Error(Build.Ipv6(0, Build.OptionsHeader(44), Build.FragmentHeader(17, 0xfff8, false), new byte[7])));

        // Tiny ones (RFC 1858, RFC 7112).
        Assert.Equal(PacketError.TinyFragment, Error(Build.Ipv4(6, tcp[..16], null, 0x2000)));
        tcp[12] = 0xf0;
        Assert.Equal(PacketError.TinyFragment, Error(Build.Ipv4(6, tcp[..56], null, 0x2000)));
        Assert.Equal(PacketError.TinyFragment, Error(Build.Ipv4(6, Data, null, 0x2001)));
        Assert.Equal(PacketError.TinyFragment, Error(Build.Ipv6(44, Build.FragmentHeader(6, 16, false), Data)));
        Assert.Equal(PacketError.None, Error(Build.Ipv6(44, Build.FragmentHeader(6, 24, false), Data)));
        Assert.Equal(PacketError.TinyFragment, Error(Build.Ipv6(44, Build.FragmentHeader(60, 0, true), [6, 4, 1, 4, 0, 0, 0, 0])));
        Assert.Equal(PacketError.TinyFragment, Error(Build.Ipv6(44, Build.FragmentHeader(60, 0, true), Build.OptionsHeader(17))));
    }

    [Fact]
    public void Quoted_packets_that_cannot_be()
    {
        byte[] udp = Build.Ipv4(17, Build.Udp(Data));
        PacketError Quote(byte[] quoted, byte type = 3)
        {
            byte[] packet = Build.Ipv4(1, Build.Icmp(type, 1, 0, quoted));
            return PacketParser.TryParseEmbedded(packet, Build.Parse(packet), out _, out _);
        }

        Assert.Equal(PacketError.None, Quote(udp[..28]));
        Assert.Equal(PacketError.NotIcmpError, Quote(udp, 8));
        Assert.Equal(PacketError.Empty, Quote([]));
        Assert.Equal(PacketError.TooShort, Quote(udp[..19]));
        Assert.Equal(PacketError.TruncatedTransport, Quote(udp[..27]));
        Assert.Equal(PacketError.UnknownVersion, Quote(Build.Ipv6(17, Build.Udp([]))));
        Assert.Equal(PacketError.BadHeaderLength, Quote([0x44, .. udp[1..]]));
        Assert.Equal(PacketError.QuotedLaterFragment, Quote(Build.Ipv4(17, Data, null, 5)));
        Assert.Equal(PacketError.QuotedIcmpError, Quote(Build.Ipv4(1, Build.Icmp(11, 0, 0, udp))));
    }

    [Fact]
    public void Quoted_ipv6_packet_behind_extension_headers()
    {
        byte[] offender = Build.Ipv6(0, Build.OptionsHeader(44), Build.FragmentHeader(6, 0, true), Build.Tcp(TcpFlags.Ack, Data)[..48]);
        byte[] error = Build.Ipv6(58, Build.Icmp(2, 0, 1280, offender[..64]));
        Assert.Equal(PacketError.None, PacketParser.TryParseEmbedded(error, Build.Parse(error), out FlowKey flow, out int offset));
        Assert.Equal((48, Build.Parse(offender).Flow), (offset, flow));
        byte[] later = Build.Ipv6(58, Build.Icmp(2, 0, 1280, Build.Ipv6(44, Build.FragmentHeader(17, 8, false), Data)));
        Assert.Equal(PacketError.QuotedLaterFragment, PacketParser.TryParseEmbedded(later, Build.Parse(later), out _, out _));
        byte[] cut = Build.Ipv6(58, Build.Icmp(2, 0, 1280, offender[..44]));
        Assert.Equal(PacketError.BadExtensionHeader, PacketParser.TryParseEmbedded(cut, Build.Parse(cut), out _, out _));
    }
}
