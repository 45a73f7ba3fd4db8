using PersonalVpn.Packets;
using Xunit;

namespace PersonalVpn.Unit.Packets;

public class OffloadMetadataTests
{
    private static readonly byte[] Tcp4 = Build.Ipv4(6, Build.Tcp(TcpFlags.Ack, new byte[3000]));
    private static readonly byte[] Tcp6 = Build.Ipv6(6, Build.Tcp(TcpFlags.Ack | TcpFlags.Cwr, new byte[3000]));

    [Fact]
    public void Bytes_in_the_tunnel_and_on_a_tun_device()
    {
        OffloadMetadata offload = OffloadMetadata.ForPartial(Build.Parse(Tcp6), 1400);
        byte[] wire = new byte[OffloadMetadata.Size];
        offload.Write(wire);
        Assert.Equal("0184057800280010", Convert.ToHexString(wire));
        Assert.Equal(offload, OffloadMetadata.Read(wire));
        byte[] virtio = new byte[OffloadMetadata.VirtioSize];
        offload.WriteVirtio(virtio, Build.Parse(Tcp6));
        Assert.Equal("01843C00780528001000", Convert.ToHexString(virtio));
        Assert.Equal(offload, OffloadMetadata.ReadVirtio(virtio));
        Assert.True(offload.IsGso && offload.NeedsChecksum);
    }

    [Fact]
    public void Data_valid_flag_of_a_tun_device_is_dropped() =>
        Assert.Equal(default, OffloadMetadata.ReadVirtio([2, 0, 0, 0, 0, 0, 0, 0, 0, 0]));

    [Fact]
    public void Too_few_bytes_are_an_error_not_an_exception()
    {
        Assert.Equal(PacketError.OffloadTruncated, OffloadMetadata.TryRead(new byte[7], out _));
        Assert.Equal(PacketError.None, OffloadMetadata.TryRead(new byte[8], out _));
    }

    [Fact]
    public void True_metadata_is_accepted()
    {
        Assert.Equal(PacketError.None, default(OffloadMetadata).Validate(Build.Parse(Tcp4)));
        Assert.Equal(PacketError.None, OffloadMetadata.ForPartial(Build.Parse(Tcp4)).Validate(Build.Parse(Tcp4)));
        Assert.Equal(PacketError.None, OffloadMetadata.ForPartial(Build.Parse(Tcp4), 1460).Validate(Build.Parse(Tcp4)));
        Assert.Equal(PacketError.None, OffloadMetadata.ForPartial(Build.Parse(Tcp6), 1440).Validate(Build.Parse(Tcp6)));
        byte[] udp = Build.Ipv6(17, Build.Udp([1]));
        OffloadMetadata partial = OffloadMetadata.ForPartial(Build.Parse(udp));
        Assert.Equal((40, 6), (partial.ChecksumStart, partial.ChecksumOffset));
        Assert.Equal(PacketError.None, partial.Validate(Build.Parse(udp)));
        byte[] ping = Build.Ipv6(58, Build.Icmp(128, 0, 1, []));
        Assert.Equal(PacketError.None, OffloadMetadata.ForPartial(Build.Parse(ping)).Validate(Build.Parse(ping)));
    }

    [Fact]
    public void What_has_no_partial_form_gets_none()
    {
        Assert.Equal(default, OffloadMetadata.ForPartial(Build.Parse(Build.Ipv4(1, Build.Icmp(8, 0, 1, [])))));
        Assert.Equal(default, OffloadMetadata.ForPartial(Build.Parse(Build.Ipv4(50, new byte[20]))));
        Assert.Equal(default, OffloadMetadata.ForPartial(Build.Parse(Build.Ipv4(17, Build.Udp(new byte[8]), null, 0x2000))));
        Assert.False(OffloadMetadata.ForPartial(Build.Parse(Tcp4), 3000).IsGso);
    }

    [Theory]
    [InlineData(3, 1, 1000, 20, 16, PacketError.OffloadFlags)]
    [InlineData(1, 0, 0, 21, 16, PacketError.OffloadChecksumStart)]
    [InlineData(1, 0, 0, 0xffff, 16, PacketError.OffloadChecksumStart)]
    [InlineData(1, 0, 0, 20, 6, PacketError.OffloadChecksumOffset)]
    [InlineData(1, 0, 0, 20, 0xffff, PacketError.OffloadChecksumOffset)]
    [InlineData(1, 4, 1000, 20, 16, PacketError.OffloadGsoType)]
    [InlineData(1, 3, 1000, 20, 16, PacketError.OffloadGsoType)]
    [InlineData(1, 5, 1000, 20, 16, PacketError.OffloadGsoType)]
    [InlineData(1, 0x80, 1000, 20, 16, PacketError.OffloadGsoType)]
    [InlineData(0, 1, 1000, 20, 16, PacketError.OffloadGsoWithoutChecksum)]
    [InlineData(1, 1, 7, 20, 16, PacketError.OffloadGsoSize)]
    [InlineData(1, 1, 0, 20, 16, PacketError.OffloadGsoSize)]
    [InlineData(1, 1, 8, 20, 16, PacketError.None)]
    [InlineData(1, 1, 65535, 20, 16, PacketError.None)]
    public void Lies_are_named(byte flags, byte type, ushort size, ushort start, ushort offset, PacketError expected)
    {
        OffloadMetadata offload = new() { Flags = flags, GsoType = type, GsoSize = size, ChecksumStart = start, ChecksumOffset = offset };
        Assert.Equal(expected, offload.Validate(Build.Parse(Tcp4)));
    }

    [Fact]
    public void Segmentation_of_what_is_no_tcp_data()
    {
        OffloadMetadata gso = OffloadMetadata.ForPartial(Build.Parse(Tcp4), 1000);
        Assert.Equal(PacketError.OffloadGsoNotData, gso.Validate(Build.Parse(Build.Ipv4(6, Build.Tcp(TcpFlags.Ack, [])))));
        Assert.Equal(PacketError.OffloadGsoNotData, gso.Validate(Build.Parse(Build.Ipv4(6, Build.Tcp(TcpFlags.Syn, new byte[99])))));
        Assert.Equal(PacketError.OffloadGsoNotData, gso.Validate(Build.Parse(Build.Ipv4(6, Build.Tcp(TcpFlags.Rst, new byte[99])))));
        Assert.Equal(PacketError.OffloadOnFragment, gso.Validate(Build.Parse(Build.Ipv4(6, Tcp4[20..1044], null, 0x2000))));
        OffloadMetadata bare = new() { GsoType = 1, GsoSize = 1000 };
        Assert.Equal(PacketError.OffloadOnFragment, bare.Validate(Build.Parse(Build.Ipv4(6, Tcp4[20..1044], null, 0x2000))));
        Assert.Equal(PacketError.OffloadGsoType, bare.Validate(Build.Parse(Build.Ipv4(17, Build.Udp(new byte[99])))));
    }

    [Fact]
    public void Partial_checksum_where_there_can_be_none()
    {
        OffloadMetadata icmp = new() { Flags = 1, ChecksumStart = 20, ChecksumOffset = 2 };
        Assert.Equal(PacketError.OffloadChecksumOffset, icmp.Validate(Build.Parse(Build.Ipv4(1, Build.Icmp(8, 0, 1, [])))));
        OffloadMetadata opaque = new() { Flags = 1, ChecksumStart = 20, ChecksumOffset = 0xffff };
        Assert.Equal(PacketError.OffloadChecksumOffset, opaque.Validate(Build.Parse(Build.Ipv4(50, new byte[20]))));
        OffloadMetadata udp = new() { Flags = 1, ChecksumStart = 20, ChecksumOffset = 6 };
        Assert.Equal(PacketError.BadUdpLength, udp.Validate(Build.Parse(Build.Ipv4(17, Build.Udp(new byte[20], 20)))));
    }
}
