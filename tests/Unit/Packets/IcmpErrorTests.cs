using PersonalVpn.Packets;
using Xunit;

namespace PersonalVpn.Unit.Packets;

public class IcmpErrorTests
{
    private static readonly IpAddr Gateway4 = IpAddr.Parse("192.0.2.254");
    private static readonly IpAddr Gateway6 = IpAddr.Parse("2001:db8::fe");

    [Theory]
    [InlineData(IcmpErrorKind.AdminProhibited, 3, 13, 1, 1)]
    [InlineData(IcmpErrorKind.NoRoute, 3, 0, 1, 0)]
    [InlineData(IcmpErrorKind.PacketTooBig, 3, 4, 2, 0)]
    public void Errors_say_what_they_should_and_name_the_flow(IcmpErrorKind kind, byte type4, byte code4, byte type6, byte code6)
    {
        foreach (int size in new[] { 0, 100, 3000 })
        {
            byte[][] offenders = [Build.Ipv4(6, Build.Tcp(16, new byte[size])), Build.Ipv6(17, Build.Udp(new byte[size]))];
            foreach (byte[] offender in offenders)
            {
                PacketInfo about = Build.Parse(offender);
                IpAddr source = about.IsV6 ? Gateway6 : Gateway4;
                byte[] buffer = new byte[IcmpError.MaxLength];
                buffer.AsSpan().Fill(0xaa);
                Assert.True(IcmpError.TryBuild(offender, about, kind, source, 1380, buffer, out int written));
                byte[] error = buffer[..written];
                PacketInfo info = Build.Parse(error);
                Assert.Equal(about.IsV6 ? (type6, code6) : (type4, code4), (info.IcmpType, info.IcmpCode));
                Assert.Equal((source, about.Source), (info.Source, info.Destination));
                Assert.True(InternetChecksum.VerifyTransport(error, info));
                Assert.True(info.IsV6 || InternetChecksum.VerifyIpv4Header(error));
                Assert.Equal(PacketError.None, PacketParser.TryParseEmbedded(error, info, out FlowKey flow, out int offset));
                Assert.Equal(about.Flow, flow);
                Assert.Equal(Math.Min(offset + offender.Length, info.IsV6 ? 1280 : 576), written);
                Assert.Equal(offender[..(written - offset)], error[offset..]);
                Assert.Equal(kind == IcmpErrorKind.PacketTooBig, PacketTooBig.TryGetMtu(error, info, out int mtu));
                Assert.Equal(kind == IcmpErrorKind.PacketTooBig ? 1380 : 0, mtu);
            }
        }
    }

    [Fact]
    public void Silence_where_silence_is_due()
    {
        byte[] udp4 = Build.Ipv4(17, Build.Udp(new byte[16]));
        byte[] udp6 = Build.Ipv6(17, Build.Udp(new byte[16]));
        Assert.True(Answers(udp4));
        Assert.True(Answers(udp6));
        Assert.True(Answers(Build.Ipv4(17, Build.Udp(new byte[16]), null, 0x2000)));
        Assert.True(Answers(Build.Ipv4(1, Build.Icmp(8, 0, 1, []))));
        Assert.False(Answers(Build.Ipv4(17, new byte[16], null, 4)));
        Assert.False(Answers(Build.Ipv6(44, Build.FragmentHeader(17, 64, false), new byte[16])));
        Assert.False(Answers(Build.Ipv4(1, Build.Icmp(3, 1, 0, udp4))));
        Assert.False(Answers(Build.Ipv4(1, Build.Icmp(5, 1, 0, udp4))));
        Assert.False(Answers(Build.Ipv6(58, Build.Icmp(4, 1, 0, udp6))));
        Assert.False(Answers(Build.Ipv6(58, Build.Icmp(137, 0, 0, udp6))));
        foreach (string address in new[] { "224.0.0.1", "255.255.255.255" }) Assert.False(Answers(With(udp4, 16, address)));
        foreach (string address in new[] { "0.0.0.0", "0.1.2.3", "127.0.0.1", "239.1.1.1", "255.255.255.255" }) Assert.False(Answers(With(udp4, 12, address)));
        Assert.False(Answers(With(udp6, 24, "ff02::1")));
        foreach (string address in new[] { "::", "::1", "ff02::2" }) Assert.False(Answers(With(udp6, 8, address)));
    }

    [Fact]
    public void Wrong_family_or_too_little_room_builds_nothing()
    {
        byte[] udp = Build.Ipv4(17, Build.Udp(new byte[16]));
        PacketInfo info = Build.Parse(udp);
        Assert.False(IcmpError.TryBuild(udp, info, IcmpErrorKind.NoRoute, Gateway6, 0, new byte[1280], out int written));
        Assert.False(IcmpError.TryBuild(udp, info, IcmpErrorKind.NoRoute, Gateway4, 0, new byte[71], out written));
        Assert.Equal(0, written);
        Assert.True(IcmpError.TryBuild(udp, info, IcmpErrorKind.NoRoute, Gateway4, 0, new byte[72], out written));
    }

    [Theory]
    [InlineData(4, 0u, false)] // routers older than RFC 1191
    [InlineData(4, 67u, false)]
    [InlineData(4, 68u, true)]
    [InlineData(4, 1500u, true)]
    [InlineData(6, 1279u, false)]
    [InlineData(6, 1280u, true)]
    [InlineData(6, 65575u, true)]
    [InlineData(6, 65576u, false)]
    [InlineData(6, uint.MaxValue, false)]
    public void Announced_mtu_is_believed_within_reason(int version, uint mtu, bool believed)
    {
        byte[] packet = version == 4
            ? Build.Ipv4(1, Build.Icmp(3, 4, mtu, Build.Ipv4(17, Build.Udp([]))))
            : Build.Ipv6(58, Build.Icmp(2, 0, mtu, Build.Ipv6(17, Build.Udp([]))));
        Assert.Equal(believed, PacketTooBig.TryGetMtu(packet, Build.Parse(packet), out int got));
        if (believed) Assert.Equal((int)mtu, got);
    }

    [Fact]
    public void Other_packets_announce_no_mtu()
    {
        byte[] unreachable = Build.Ipv4(1, Build.Icmp(3, 1, 1500, []));
        Assert.False(PacketTooBig.TryGetMtu(unreachable, Build.Parse(unreachable), out _));
        byte[] udp = Build.Ipv6(17, Build.Udp([2, 0]));
        Assert.False(PacketTooBig.TryGetMtu(udp, Build.Parse(udp), out _));
        byte[] exceeded = Build.Ipv6(58, Build.Icmp(3, 0, 1500, []));
        Assert.False(PacketTooBig.TryGetMtu(exceeded, Build.Parse(exceeded), out _));
    }

    private static bool Answers(byte[] packet)
    {
        PacketInfo info = Build.Parse(packet);
        bool built = IcmpError.TryBuild(
            packet, info, IcmpErrorKind.AdminProhibited, info.IsV6 ? Gateway6 : Gateway4, 0, new byte[1280], out int written);
        Assert.Equal(built, written > 0);
        return built;
    }

    private static byte[] With(byte[] packet, int offset, string address)
    {
        byte[] copy = [.. packet];
        IpAddr.Parse(address).Write(copy.AsSpan(offset));
        return copy;
    }
}
