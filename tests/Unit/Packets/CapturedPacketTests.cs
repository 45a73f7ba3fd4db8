using PersonalVpn.Packets;
using Xunit;
using static PersonalVpn.Unit.Packets.CapturedPackets;

namespace PersonalVpn.Unit.Packets;

/// <summary>What a real kernel made is understood, and what we make is byte for byte what it would have made.</summary>
public class CapturedPacketTests
{
    [Fact]
    public void Fields_of_real_packets()
    {
        PacketInfo syn = Build.Parse(SynV4);
        Assert.Equal(new FlowKey(6, IpAddr.Parse("192.0.2.1"), 47220, IpAddr.Parse("198.51.100.1"), 80), syn.Flow);
        Assert.Equal(TcpFlags.Syn, syn.TcpFlags);
        Assert.True(syn.IsTcpOpen && syn.DontFragment && !syn.IsFragment);
        Assert.Equal((20, 40, 60, 0, 64), (syn.TransportOffset, syn.TransportHeaderLength, syn.PayloadOffset, syn.PayloadLength, syn.HopLimit));
        Assert.Equal(20, TcpOptions.OptionsLength(syn));

        PacketInfo echo = Build.Parse(EchoRequestV6);
        Assert.Equal(new FlowKey(58, IpAddr.Parse("2001:db8:1::1"), 0x2014, IpAddr.Parse("2001:db8:2::1"), 0x2014), echo.Flow);
        Assert.True(echo.IsIcmpEcho && !echo.IsIcmpError);
        Assert.Equal(0x2013, Build.Parse(EchoRequestV4).SourcePort);

        PacketInfo report = Build.Parse(MldReportV6);
        Assert.Equal((58, 48, 143, 0), (report.Protocol, report.TransportOffset, report.IcmpType, report.SourcePort));

        PacketInfo udp = Build.Parse(UdpV4);
        Assert.Equal((35574, 9, 4), (udp.SourcePort, udp.DestinationPort, udp.PayloadLength));
    }

    [Fact]
    public void Checksums_of_real_packets_are_right_until_a_bit_changes()
    {
        byte[][] packets =
        [
            MldReportV6, EchoRequestV4, EchoRequestV6, FragmentationNeededV4, PacketTooBigV6, SynV4, SynAckV6, UdpV4, PortUnreachableV4,
            UdpV6, PortUnreachableV6, PartialV4Sent, SuperV4Segment0, SuperV6Segment2,
        ];
        foreach (byte[] packet in packets)
        {
            PacketInfo info = Build.Parse(packet);
            Assert.True(InternetChecksum.VerifyTransport(packet, info));
            Assert.True(info.IsV6 || InternetChecksum.VerifyIpv4Header(packet));
            byte[] copy = [.. packet];
            InternetChecksum.FillTransport(copy, info);
            if (!info.IsV6) InternetChecksum.FillIpv4Header(copy);
            Assert.Equal(packet, copy);
            copy[^1] ^= 0x10;
            Assert.False(InternetChecksum.VerifyTransport(copy, info));
            copy[8] ^= 1;
            Assert.True(info.IsV6 || !InternetChecksum.VerifyIpv4Header(copy));
        }
    }

    [Fact]
    public void Quoted_flows_of_real_errors()
    {
        (byte[] Error, byte[] Offender)[] pairs = [(PortUnreachableV4, UdpV4), (PortUnreachableV6, UdpV6)];
        foreach ((byte[] error, byte[] offender) in pairs)
        {
            PacketInfo info = Build.Parse(error);
            Assert.True(info.IsIcmpError);
            Assert.Equal(PacketError.None, PacketParser.TryParseEmbedded(error, info, out FlowKey flow, out int offset));
            Assert.Equal(Build.Parse(offender).Flow, flow);
            byte[] arrived = [.. offender];
            OneHopFurther(arrived);
            Assert.Equal(arrived, error[offset..]);
        }
    }

    [Fact]
    public void Mtu_and_flow_of_real_too_big_messages()
    {
        (byte[] Packet, ushort Id)[] cases = [(FragmentationNeededV4, 0x2015), (PacketTooBigV6, 0x2016)];
        foreach ((byte[] packet, ushort id) in cases)
        {
            PacketInfo info = Build.Parse(packet);
            Assert.True(PacketTooBig.TryGetMtu(packet, info, out int mtu));
            Assert.Equal(1300, mtu);
            Assert.Equal(PacketError.None, PacketParser.TryParseEmbedded(packet, info, out FlowKey flow, out _));
            Assert.Equal((id, id), (flow.SourcePort, flow.DestinationPort));
        }
    }

    [Fact]
    public void Our_errors_quote_what_the_kernels_quote()
    {
        // All but the headers' TOS and identification is the same, as the kernel quotes as much as we do.
        (byte[] Error, IcmpErrorKind Kind)[] cases =
            [(FragmentationNeededV4, IcmpErrorKind.PacketTooBig), (PacketTooBigV6, IcmpErrorKind.PacketTooBig)];
        foreach ((byte[] kernel, IcmpErrorKind kind) in cases)
        {
            PacketInfo info = Build.Parse(kernel);
            byte[] offender = new byte[info.IsV6 ? 1448 : 1428];
            kernel.AsSpan(info.PayloadOffset).CopyTo(offender);
            Assert.Equal(PacketError.None, PacketParser.TryParse(offender, out PacketInfo about));
            byte[] buffer = new byte[IcmpError.MaxLength];
            Assert.True(IcmpError.TryBuild(offender, about, kind, info.Source, 1300, buffer, out int written));
            Assert.Equal(kernel[info.TransportOffset..], buffer[info.TransportOffset..written]);
        }
    }

    [Fact]
    public void Mss_of_real_handshakes()
    {
        Assert.True(TcpOptions.TryGetMss(SynV4, Build.Parse(SynV4), out ushort v4));
        Assert.True(TcpOptions.TryGetMss(SynAckV6, Build.Parse(SynAckV6), out ushort v6));
        Assert.Equal((1260, 1240), (v4, v6));
        Assert.False(TcpOptions.TryGetMss(SuperV4, Build.Parse(SuperV4), out _));
    }

    [Fact]
    public void Partial_checksum_is_finished_as_the_kernel_finishes_it()
    {
        byte[] packet = [.. PartialV4];
        PacketInfo info = Build.Parse(packet);
        OffloadMetadata offload = OffloadMetadata.ForPartial(info);
        Assert.Equal(PacketError.None, offload.Validate(info));
        Assert.Equal(InternetChecksum.Fold(InternetChecksum.PseudoHeader(info, info.TransportLength)), (packet[36] << 8) | packet[37]);
        InternetChecksum.CompletePartial(packet, offload);
        OneHopFurther(packet);
        Assert.Equal(PartialV4Sent, packet);
    }

    [Fact]
    public void Segments_are_those_the_kernel_cuts()
    {
        (byte[] Super, byte[][] Segments)[] cases =
        [
            (SuperV4, [SuperV4Segment0, SuperV4Segment1, SuperV4Segment2]),
            (SuperV6, [SuperV6Segment0, SuperV6Segment1, SuperV6Segment2]),
        ];
        foreach ((byte[] super, byte[][] expected) in cases)
        {
            byte[] packet = [.. super];
            OneHopFurther(packet);
            PacketInfo info = Build.Parse(packet);
            Assert.Equal(PacketError.None, OffloadMetadata.ForPartial(info, 188).Validate(info));
            TcpSegmenter segmenter = new(packet, info, 188);
            byte[] buffer = new byte[1500];
            foreach (byte[] segment in expected)
            {
                Assert.True(segmenter.TryNext(buffer, out int written));
                Assert.Equal(segment, buffer[..written]);
            }

            Assert.False(segmenter.TryNext(buffer, out _));
            Assert.Equal(PacketError.None, segmenter.Error);
        }
    }

    [Fact]
    public void Fragments_are_those_the_kernel_cuts()
    {
        (byte[] First, byte[] Second, int Mtu)[] cases = [(Fragment0V4, Fragment1V4, 1500), (Fragment0V6, Fragment1V6, 1300)];
        foreach ((byte[] first, byte[] second, int mtu) in cases)
        {
            PacketInfo a = Build.Parse(first);
            PacketInfo b = Build.Parse(second);
            Assert.True(a is { IsFragment: true, IsFirstFragment: true, MoreFragments: true, IcmpType: 8 or 128 });
            Assert.True(b is { IsFragment: true, IsFirstFragment: false, MoreFragments: false, SourcePort: 0 });
            Assert.Equal(a.FragmentId, b.FragmentId);
            byte[] whole = Reassembly.Join([first, second]);
            PacketInfo info = Build.Parse(whole);
            Assert.True(InternetChecksum.VerifyTransport(whole, info));
            IpFragmenter fragmenter = new(whole, info, mtu, a.FragmentId);
            byte[] buffer = new byte[mtu];
            Assert.True(fragmenter.TryNext(buffer, out int written));
            Assert.Equal(first, buffer[..written]);
            Assert.True(fragmenter.TryNext(buffer, out written));
            Assert.Equal(second, buffer[..written]);
            Assert.False(fragmenter.TryNext(buffer, out _));
            Assert.Equal(PacketError.None, fragmenter.Error);
        }
    }

    private static void OneHopFurther(byte[] packet)
    {
        if (packet[0] >> 4 == 6)
        {
            packet[7]--;
            return;
        }

        packet[8]--;
        InternetChecksum.FillIpv4Header(packet);
    }
}
