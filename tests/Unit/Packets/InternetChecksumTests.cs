using System.Buffers.Binary;
using PersonalVpn.Packets;
using Xunit;

namespace PersonalVpn.Unit.Packets;

public class InternetChecksumTests
{
    [Fact]
    public void Example_of_rfc_1071_section_3()
    {
        byte[] data = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        Assert.Equal(0xddf2, InternetChecksum.Fold(InternetChecksum.Sum(data)));
        Assert.Equal(0x220d, InternetChecksum.FoldComplement(InternetChecksum.Sum(data)));
    }

    [Fact]
    public void Example_of_rfc_1624_section_4() => Assert.Equal(0x0000, InternetChecksum.Update(0xdd2f, 0x5555, 0x3285));

    [Fact]
    public void Sum_is_the_plain_one_at_every_length_and_alignment()
    {
        Random random = new(1071);
        byte[] data = Build.Bytes(random, 70_000);
        for (int length = 0; length < 300; length++)
        {
            for (int start = 0; start < 9; start++) Check(data.AsSpan(start, length));
        }

        Check(data);
        Array.Fill(data, (byte)0xff);
        Check(data);
        Check(data.AsSpan(1, 65_535));
        Array.Clear(data);
        Check(data);
        Assert.Equal(0u, InternetChecksum.Sum(data));
    }

    [Fact]
    public void Sum_in_pieces_is_the_sum_of_the_whole()
    {
        Random random = new(2);
        for (int i = 0; i < 2000; i++)
        {
            byte[] data = Build.Bytes(random, random.Next(2, 400));
            int cut = random.Next(data.Length / 2) * 2;
            uint pieces = InternetChecksum.Sum(data.AsSpan(cut), InternetChecksum.Sum(data.AsSpan(0, cut)));
            Assert.Equal(Plain(data), InternetChecksum.Fold(pieces));
        }

        Assert.Equal(0xffff, InternetChecksum.Fold(InternetChecksum.Sum([0xff, 0xff], uint.MaxValue)));
    }

    [Fact]
    public void Incremental_update_is_the_full_computation()
    {
        Random random = new(1624);
        for (int i = 0; i < 20_000; i++)
        {
            byte[] packet = Build.WithChecksum(Build.Ipv4(6, Build.Tcp(16, Build.Bytes(random, random.Next(40)))));
            PacketInfo info = Build.Parse(packet);
            int at = 20 + (random.Next(packet.Length - 20) & ~1);
            if (at is 32 or 36 || at + 2 > packet.Length) continue;
            ushort before = BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(at));
            ushort after = random.Next(4) switch { 0 => 0, 1 => 0xffff, _ => (ushort)random.Next(0x10000) };
            ushort updated = InternetChecksum.Update(BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(36)), before, after);
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(at), after);
            InternetChecksum.FillTransport(packet, info);
            Assert.Equal(BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(36)), updated);
        }
    }

    [Fact]
    public void Filled_checksums_verify_and_changed_packets_do_not()
    {
        Random random = new(3);
        int checkedPackets = 0;
        for (int i = 0; i < 20_000; i++)
        {
            byte[] packet = Build.Any(random);
            if (PacketParser.TryParse(packet, out PacketInfo info) != PacketError.None) continue;
            Assert.True(InternetChecksum.VerifyTransport(packet, info));
            bool covered = !info.IsFragment && (info.IsTcp || info.IsUdp || info.IsIcmp);
            if (!covered) continue;
            packet[info.TransportOffset] ^= 0x40;
            Assert.False(InternetChecksum.VerifyTransport(packet, info));
            checkedPackets++;
        }

        Assert.True(checkedPackets > 5000);
    }

    [Fact]
    public void Udp_checksum_zero()
    {
        byte[] four = Build.Ipv4(17, Build.Udp([1, 2, 3]));
        byte[] six = Build.Ipv6(17, Build.Udp([1, 2, 3]));
        Assert.True(InternetChecksum.VerifyTransport(four, Build.Parse(four)));  // RFC 768: none
        Assert.False(InternetChecksum.VerifyTransport(six, Build.Parse(six)));   // RFC 8200 8.1

        // A payload word that makes the sum all ones: the checksum would be 0 and must be sent as ffff.
        byte[] packet = Build.Ipv4(17, Build.Udp([0, 0]));
        PacketInfo info = Build.Parse(packet);
        InternetChecksum.FillTransport(packet, info);
        ushort word = BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(26));
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(28), word);
        InternetChecksum.FillTransport(packet, info);
        Assert.Equal(0xffff, BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(26)));
        Assert.True(InternetChecksum.VerifyTransport(packet, info));

        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(26), InternetChecksum.Fold(InternetChecksum.PseudoHeader(info, 10)));
        InternetChecksum.CompletePartial(packet, OffloadMetadata.ForPartial(info));
        Assert.Equal(0xffff, BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(26)));
    }

    [Fact]
    public void Completing_a_partial_checksum_gives_the_full_one()
    {
        Random random = new(4);
        int done = 0;
        for (int i = 0; i < 5000; i++)
        {
            byte[] full = Build.Any(random);
            if (PacketParser.TryParse(full, out PacketInfo info) != PacketError.None) continue;
            OffloadMetadata offload = OffloadMetadata.ForPartial(info);
            byte[] packet = [.. full];
            if (offload.NeedsChecksum)
            {
                ushort partial = InternetChecksum.Fold(InternetChecksum.PseudoHeader(info, info.TransportLength));
                BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(offload.ChecksumStart + offload.ChecksumOffset), partial);
                done++;
            }

            InternetChecksum.CompletePartial(packet, offload);
            Assert.Equal(full, packet);
        }

        Assert.True(done > 1000);
    }

    [Fact]
    public void Udp_lite_covers_what_its_field_says()
    {
        byte[] packet = Build.WithChecksum(Build.Ipv6(136, Build.Udp(new byte[20], 12)));
        PacketInfo info = Build.Parse(packet);
        packet[^1] ^= 1; // behind the coverage
        Assert.True(InternetChecksum.VerifyTransport(packet, info));
        packet[50] ^= 1; // within
        Assert.False(InternetChecksum.VerifyTransport(packet, info));
    }

    [Fact]
    public void Ipv4_header_verification_refuses_what_is_no_header()
    {
        Assert.False(InternetChecksum.VerifyIpv4Header([]));
        Assert.False(InternetChecksum.VerifyIpv4Header(new byte[20]));
        Assert.False(InternetChecksum.VerifyIpv4Header([0x4f, .. new byte[19]]));
    }

    private static void Check(ReadOnlySpan<byte> data) => Assert.Equal(Plain(data), InternetChecksum.Fold(InternetChecksum.Sum(data)));

    // RFC 1071 1, word by word.
    private static ushort Plain(ReadOnlySpan<byte> data)
    {
        ulong sum = 0;
        for (int i = 0; i < data.Length; i += 2) sum += (uint)(data[i] << 8) | (i + 1 < data.Length ? data[i + 1] : 0u);
        while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
        return (ushort)sum;
    }
}
