using System.Buffers.Binary;
using PersonalVpn.Packets;
using Xunit;

namespace PersonalVpn.Unit.Packets;

public class TcpSegmenterTests
{
    [Fact]
    public void Segments_join_to_the_superpacket()
    {
        Random random = new(5);
        for (int i = 0; i < 3000; i++)
        {
            bool v6 = random.Next(2) == 0;
            byte[]? options = random.Next(2) == 0 ? [1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8] : null;
            uint sequence = random.Next(3) == 0 ? uint.MaxValue - 100 : (uint)random.Next(); // wraps, too
            byte[] tcp = Build.Tcp((byte)random.Next(256), Build.Bytes(random, random.Next(5000)), options, sequence);
            byte[] packet = (v6, random.Next(3)) switch
            {
                (true, 0) => Build.Ipv6(60, Build.OptionsHeader(6), tcp),
                (true, _) => Build.Ipv6(6, tcp),
                (false, 0) => Build.Ipv4(6, tcp, [1, 0x94, 4, 0, 0, 0, 0, 0], 0x4000, 0xfffe),
                (false, _) => Build.Ipv4(6, tcp),
            };
            Check(packet, random.Next(1, 1500));
        }
    }

    [Fact]
    public void Largest_superpackets()
    {
        Random random = new(6);
        Check(Build.Ipv4(6, Build.Tcp(TcpFlags.Ack | TcpFlags.Psh, Build.Bytes(random, 65495))), 1460);
        Check(Build.Ipv6(6, Build.Tcp(TcpFlags.Ack | TcpFlags.Psh, Build.Bytes(random, 65515))), 8);
    }

    [Fact]
    public void What_cannot_be_cut_is_named()
    {
        byte[] buffer = new byte[100];
        byte[] udp = Build.Ipv4(17, Build.Udp(new byte[50]));
        TcpSegmenter notTcp = new(udp, Build.Parse(udp), 10);
        Assert.False(notTcp.TryNext(buffer, out int written));
        Assert.Equal((PacketError.NotTcp, 0), (notTcp.Error, written));

        byte[] tcp = Build.Ipv4(6, Build.Tcp(16, new byte[200]));
        PacketInfo info = Build.Parse(tcp);
        TcpSegmenter noSize = new(tcp, info, 0);
        Assert.False(noSize.TryNext(buffer, out _));
        Assert.Equal(PacketError.OffloadGsoSize, noSize.Error);

        TcpSegmenter noRoom = new(tcp, info, 61);
        Assert.False(noRoom.TryNext(buffer, out _));
        Assert.Equal(PacketError.DestinationTooSmall, noRoom.Error);

        TcpSegmenter otherPacket = new(tcp.AsSpan(1), info, 50);
        Assert.False(otherPacket.TryNext(buffer, out _));
        Assert.Equal(PacketError.NotTcp, otherPacket.Error);
    }

    private static void Check(byte[] packet, int size)
    {
        PacketInfo whole = Build.Parse(packet);
        uint sequence = BinaryPrimitives.ReadUInt32BigEndian(packet.AsSpan(whole.TransportOffset + 4));
        TcpSegmenter segmenter = new(packet, whole, size);
        byte[] buffer = new byte[whole.PayloadOffset + Math.Min(size, whole.PayloadLength)];
        List<byte> payload = [];
        int count = 0;
        while (segmenter.TryNext(buffer, out int written))
        {
            byte[] segment = buffer[..written];
            PacketInfo info = Build.Parse(segment);
            Assert.Equal(whole.Flow, info.Flow);
            Assert.Equal(sequence + (uint)payload.Count, BinaryPrimitives.ReadUInt32BigEndian(segment.AsSpan(info.TransportOffset + 4)));
            payload.AddRange(segment[info.PayloadOffset..]);
            bool last = payload.Count == whole.PayloadLength;
            Assert.Equal(last ? whole.PayloadLength - (count * size) : size, info.PayloadLength);
            byte expected = whole.TcpFlags;
            if (!last) expected &= 0xff ^ (TcpFlags.Fin | TcpFlags.Psh);
            if (count > 0) expected &= 0xff ^ TcpFlags.Cwr;
            Assert.Equal(expected, info.TcpFlags);
            Assert.True(InternetChecksum.VerifyTransport(segment, info));
            if (!info.IsV6)
            {
                Assert.True(InternetChecksum.VerifyIpv4Header(segment));
                Assert.Equal((ushort)(whole.FragmentId + count), info.FragmentId);
                Assert.Equal(whole.DontFragment, info.DontFragment);
            }

            count++;
        }

        Assert.Equal(PacketError.None, segmenter.Error);
        Assert.Equal(Math.Max(1, (whole.PayloadLength + size - 1) / size), count);
        Assert.Equal(packet[whole.PayloadOffset..], payload.ToArray());
    }
}
