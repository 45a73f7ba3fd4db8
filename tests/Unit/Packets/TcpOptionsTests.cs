using System.Buffers.Binary;
using PersonalVpn.Packets;
using Xunit;

namespace PersonalVpn.Unit.Packets;

public class TcpOptionsTests
{
    [Theory]
    [InlineData("020405B4")]
    [InlineData("01020405B4010100")]     // at an odd offset
    [InlineData("0101080A0000000000000000020405B4")]
    public void Mss_is_found_and_lowered_with_a_right_checksum(string options)
    {
        foreach (byte flags in new byte[] { TcpFlags.Syn, TcpFlags.Syn | TcpFlags.Ack })
        {
            byte[] packet = Build.WithChecksum(Build.Ipv6(6, Build.Tcp(flags, [1, 2, 3], Convert.FromHexString(options))));
            PacketInfo info = Build.Parse(packet);
            Assert.Equal(options.Length / 2, TcpOptions.OptionsLength(info));
            Assert.True(TcpOptions.TryGetMss(packet, info, out ushort mss));
            Assert.Equal(1460, mss);
            byte[] before = [.. packet];
            Assert.False(TcpOptions.ClampMss(packet, info, 1460));
            Assert.Equal(before, packet);
            Assert.True(TcpOptions.ClampMss(packet, info, 1313));
            Assert.True(TcpOptions.TryGetMss(packet, info, out mss));
            Assert.Equal(1313, mss);
            byte[] full = Build.WithChecksum([.. packet]);
            Assert.Equal(full, packet);
        }
    }

    [Fact]
    public void Partial_checksum_is_left_and_right_when_completed()
    {
        byte[] packet = Build.Ipv4(6, Build.Tcp(TcpFlags.Syn, [], [1, 2, 4, 5, 0xb4, 1, 1, 0]));
        PacketInfo info = Build.Parse(packet);
        ushort partial = InternetChecksum.Fold(InternetChecksum.PseudoHeader(info, info.TransportLength));
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(36), partial);
        Assert.True(TcpOptions.ClampMss(packet, info, 536, partialChecksum: true));
        Assert.Equal(partial, BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(36)));
        InternetChecksum.CompletePartial(packet, OffloadMetadata.ForPartial(info));
        Assert.True(InternetChecksum.VerifyTransport(packet, info));
    }

    [Theory]
    [InlineData(TcpFlags.Ack, "020405B4")] // no SYN
    [InlineData(TcpFlags.Syn, "01010101")]
    [InlineData(TcpFlags.Syn, "00020405B4000000")] // behind the end of the list
    [InlineData(TcpFlags.Syn, "0203050101010101")] // wrong length
    [InlineData(TcpFlags.Syn, "01010204")]         // cut off
    [InlineData(TcpFlags.Syn, "01010102")]
    [InlineData(TcpFlags.Syn, "0300020405B40000")] // length 0: would never end
    public void No_mss(byte flags, string options)
    {
        byte[] packet = Build.Ipv4(6, Build.Tcp(flags, [], Convert.FromHexString(options)));
        byte[] before = [.. packet];
        Assert.False(TcpOptions.TryGetMss(packet, Build.Parse(packet), out _));
        Assert.False(TcpOptions.ClampMss(packet, Build.Parse(packet), 100));
        Assert.Equal(before, packet);
    }
}
