using System.Buffers.Binary;
using PersonalVpn.Packets;
using Xunit;

namespace PersonalVpn.Unit.Packets;

/// <summary>Seeded random and mutated packets: everything stays within bounds, nothing throws, nothing allocates.</summary>
public class HostilePacketTests
{
    private readonly byte[] _out = new byte[70_000];

    [Fact]
    public void A_million_random_and_mutated_packets_never_throw()
    {
        Random random = new(20020401);
        byte[][] corpus = [.. Enumerable.Range(0, 2000).Select(_ => Build.Any(random)), CapturedPackets.MldReportV6, CapturedPackets.PacketTooBigV6];
        byte[] buffer = new byte[1500];
        int accepted = 0;
        for (int i = 0; i < 1_000_000; i++)
        {
            int length = i % 10 == 0 ? Noise(random, buffer) : Mutate(random, corpus[random.Next(corpus.Length)], buffer);
            if (Exercise(buffer.AsSpan(0, length), random)) accepted++;
        }

        Assert.InRange(accepted, 100_000, 990_000);
    }

    [Fact]
    public void The_packet_path_does_not_allocate()
    {
        Random random = new(9);
        byte[][] corpus = [.. Enumerable.Range(0, 500).Select(_ => Build.Any(random, 1000)), CapturedPackets.SuperV4, CapturedPackets.SuperV6];
        foreach (byte[] packet in corpus) Exercise(packet, random); // whatever is made once is made now
        long before = GC.GetAllocatedBytesForCurrentThread();
        foreach (byte[] packet in corpus) Exercise(packet, random);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    // Headers plausible enough to get beyond the first check.
    private static int Noise(Random random, byte[] buffer)
    {
        int length = random.Next(0, 200);
        random.NextBytes(buffer.AsSpan(0, length));
        if (length < 40) return length;
        bool v6 = random.Next(2) == 0;
        buffer[0] = v6 ? (byte)0x60 : (byte)(0x45 + random.Next(3));
        BinaryPrimitives.WriteUInt16BigEndian(buffer.AsSpan(v6 ? 4 : 2), (ushort)(v6 ? length - 40 : length));
        if (v6) buffer[6] = random.Next(8) switch { 0 => 0, 1 => 43, 2 => 44, 3 => 51, 4 => 60, 5 => 6, 6 => 58, _ => buffer[6] };
        return length;
    }

    private static int Mutate(Random random, byte[] packet, byte[] buffer)
    {
        packet.CopyTo(buffer, 0);
        int length = packet.Length;
        for (int n = random.Next(1, 4); n > 0; n--)
        {
            int at = random.Next(Math.Min(length, 96));
            buffer[at] = random.Next(3) switch { 0 => (byte)random.Next(256), 1 => (byte)(buffer[at] ^ (1 << random.Next(8))), _ => random.Next(2) == 0 ? (byte)0 : (byte)255 };
        }

        if (random.Next(4) > 0) return length;
        length = random.Next(length + 1);
        if (length < 40 || random.Next(3) == 0) return length;
        bool v6 = buffer[0] >> 4 == 6; // cut off, with a length field that agrees
        BinaryPrimitives.WriteUInt16BigEndian(buffer.AsSpan(v6 ? 4 : 2), (ushort)(v6 ? length - 40 : length));
        return length;
    }

    private bool Exercise(Span<byte> packet, Random random)
    {
        if (PacketParser.TryParse(packet, out PacketInfo info) != PacketError.None) return false;
        bool sane = info.TotalLength == packet.Length && info.TransportOffset >= (info.IsV6 ? 40 : 20)
            && info.PayloadOffset == info.TransportOffset + info.TransportHeaderLength && info.PayloadLength >= 0
            && info.PayloadOffset + info.PayloadLength <= packet.Length && (!info.IsFirstFragment || info.IsFragment)
            && (info.HasTransportHeader || info.Flow.SourcePort == 0);
        if (!sane) Assert.Fail(Convert.ToHexString(packet));
        if (PacketParser.TryParseEmbedded(packet, info, out _, out int embedded) == PacketError.None && embedded + 20 > packet.Length)
            Assert.Fail(Convert.ToHexString(packet));
        InternetChecksum.VerifyTransport(packet, info);
        if (!info.IsV6) InternetChecksum.VerifyIpv4Header(packet);
        PacketTooBig.TryGetMtu(packet, info, out _);
        IpAddr source = new(info.IsV6 ? 1u : 0x0a000001u, info.IsV6);
        IcmpError.TryBuild(packet, info, (IcmpErrorKind)random.Next(3), source, 1400, _out, out _);
        TcpOptions.ClampMss(packet, info, 1000, random.Next(2) == 0);
        TcpSegmenter segmenter = new(packet, info, random.Next(8, 300));
        while (segmenter.TryNext(_out, out int written)) Reparse(written);
        IpFragmenter fragmenter = new(packet, info, random.Next(28, 300), 1);
        while (fragmenter.TryNext(_out, out int written)) Reparse(written);
        InternetChecksum.FillTransport(packet, info);
        if (!InternetChecksum.VerifyTransport(packet, info)) Assert.Fail(Convert.ToHexString(packet));
        Offload(packet, info, random);
        return true;
    }

    // What we cut, others and we ourselves accept.
    private void Reparse(int written)
    {
        PacketError error = PacketParser.TryParse(_out.AsSpan(0, written), out _);
        if (error != PacketError.None) Assert.Fail(error + " " + Convert.ToHexString(_out.AsSpan(0, written)));
    }

    private static void Offload(Span<byte> packet, in PacketInfo info, Random random)
    {
        Span<byte> bytes = stackalloc byte[OffloadMetadata.VirtioSize];
        if (random.Next(2) == 0)
        {
            random.NextBytes(bytes);
        }
        else
        {
            OffloadMetadata.ForPartial(info, random.Next(2000)).Write(bytes);
            if (random.Next(2) == 0) bytes[random.Next(8)] ^= (byte)(1 << random.Next(8));
        }

        OffloadMetadata offload = OffloadMetadata.Read(bytes);
        if (offload.Validate(info) != PacketError.None) return;
        offload.WriteVirtio(bytes, info);
        InternetChecksum.CompletePartial(packet, offload);
    }
}
