using System.Buffers.Binary;
using PersonalVpn.Packets;
using Xunit;

namespace PersonalVpn.Unit.Packets;

/// <summary>
/// Which datagrams may share a superpacket, and that the kernel's cutting (done here by hand, after net/ipv4/udp_offload.c) gives the
/// originals again.
/// </summary>
public sealed class UdpSuperpacketTests
{
    private const int Mtu = 1500;
    private const int Headroom = OffloadMetadata.VirtioSize;

    private readonly UdpSuperpacket _super = new(Mtu, Headroom);

    [Theory]
    [InlineData(false, 1200, 1200)]
    [InlineData(true, 1200, 1200)]
    [InlineData(false, 1200, 7)]
    [InlineData(true, 1201, 1)]
    [InlineData(false, 1, 1)]
    public void Datagrams_come_out_as_they_went_in(bool v6, int length, int last)
    {
        byte[][] originals = [.. Enumerable.Range(0, 20).Select(i => Datagram(v6, i == 19 ? last : length, (byte)i, id: (ushort)(65530 + i)))];
        foreach (byte[] d in originals) Assert.True(Append(d));
        Assert.Equal(originals.Length, _super.Count);
        Assert.Equal(originals.Sum(d => d.Length), _super.DatagramBytes);
        byte[][] pieces = Cut(_super);
        Assert.Equal(originals.Length, pieces.Length);
        for (int i = 0; i < pieces.Length; i++) Assert.Equal(Complete(originals[i]), pieces[i]);
        Assert.Equal(0, _super.Count);
    }

    [Fact]
    public void One_datagram_alone_stays_what_it_is()
    {
        byte[] datagram = Datagram(false, 100);
        Assert.True(Append(datagram));
        Span<byte> whole = _super.Finish(out PacketInfo info, out OffloadMetadata offload);
        Assert.Equal(datagram, whole[Headroom..].ToArray());
        Assert.Equal(OffloadMetadata.ForPartial(Build.Parse(datagram)), offload);
        Assert.Equal(datagram.Length, info.TotalLength);
        Assert.False(offload.IsGso);
    }

    public static TheoryData<string, bool> Differences()
    {
        var data = new TheoryData<string, bool>();
        foreach (string what in new[] { "source", "destination", "sourcePort", "destinationPort", "hopLimit", "trafficClass" })
        {
            data.Add(what, false);
            data.Add(what, true);
        }
        foreach (string what in new[] { "id", "dontFragment", "reservedFlag" }) data.Add(what, false);
        data.Add("flowLabel", true);
        return data;
    }

    [Theory]
    [MemberData(nameof(Differences))]
    public void Another_flow_or_another_header_does_not_follow(string difference, bool v6)
    {
        Assert.True(Append(Datagram(v6, 100, id: 5)));
        Assert.False(TryAppend(Datagram(v6, 100, id: 6, difference: difference)));
        Assert.Equal(1, _super.Count);
        Assert.True(TryAppend(Datagram(v6, 100, id: 6)));
    }

    [Fact]
    public void Where_nobody_may_fragment_the_identification_has_no_meaning()
    {
        Assert.True(Append(Datagram(false, 100, id: 5, fragment: 0x4000)));
        Assert.True(TryAppend(Datagram(false, 100, id: 0, fragment: 0x4000)));
        Assert.True(TryAppend(Datagram(false, 100, id: 77, fragment: 0x4000)));
    }

    [Fact]
    public void The_families_do_not_mix()
    {
        Assert.True(Append(Datagram(false, 100)));
        Assert.False(TryAppend(Datagram(true, 100)));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_longer_datagram_does_not_follow_and_a_shorter_one_is_the_last(bool v6)
    {
        Assert.True(Append(Datagram(v6, 100, id: 0)));
        Assert.False(TryAppend(Datagram(v6, 101, id: 1)));
        Assert.True(TryAppend(Datagram(v6, 99, id: 1)));
        Assert.False(TryAppend(Datagram(v6, 99, id: 2)));
        Assert.False(TryAppend(Datagram(v6, 100, id: 2)));
        Assert.Equal(2, _super.Count);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_empty_datagram_goes_alone(bool v6)
    {
        Assert.False(MayBegin(Datagram(v6, 0)));
        Assert.True(Append(Datagram(v6, 100, id: 0)));
        Assert.False(TryAppend(Datagram(v6, 0, id: 1)));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_finished_checksum_is_not_touched(bool v6)
    {
        byte[] finished = Complete(Datagram(v6, 100, id: 1));
        PacketInfo info = Build.Parse(finished);
        Assert.False(_super.MayBegin(finished, info, default));
        Assert.True(Append(Datagram(v6, 100, id: 0)));
        Assert.False(_super.TryAppend(finished, info, default));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_wrong_partial_checksum_is_not_repaired(bool v6)
    {
        byte[] wrong = Datagram(v6, 100, id: 1);
        wrong[(v6 ? 40 : 20) + 7] ^= 1;
        Assert.False(MayBegin(wrong));
        Assert.True(Append(Datagram(v6, 100, id: 0)));
        Assert.False(TryAppend(wrong));
    }

    [Fact]
    public void A_wrong_header_checksum_is_not_repaired()
    {
        byte[] wrong = Datagram(false, 100, id: 1);
        wrong[10] ^= 1;
        Assert.False(MayBegin(wrong));
        Assert.True(Append(Datagram(false, 100, id: 0)));
        Assert.False(TryAppend(wrong));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void What_exceeds_the_MTU_goes_alone(bool v6)
    {
        int payload = Mtu - (v6 ? 48 : 28);
        Assert.True(MayBegin(Datagram(v6, payload)));
        Assert.False(MayBegin(Datagram(v6, payload + 1)));
    }

    [Fact]
    public void Other_packets_go_alone()
    {
        byte[] payload = new byte[64];
        byte[][] others =
        [
            Build.Ipv4(IpProtocol.Tcp, Build.Tcp(TcpFlags.Ack, payload)),
            Build.Ipv4(IpProtocol.UdpLite, Build.Udp(payload)),
            Build.Ipv4(IpProtocol.Icmp, Build.Icmp(8, 0, 1, payload)),
            Build.Ipv4(IpProtocol.Udp, Build.Udp(payload), options: [1, 1, 1, 0]),
            Build.Ipv4(IpProtocol.Udp, Build.Udp(payload), fragment: 0x2000),
            Build.Ipv4(IpProtocol.Udp, Build.Udp(payload, length: 40)), // a surplus behind the UDP length (RFC 9868)
            Build.Ipv6(IpProtocol.DestinationOptions, Build.OptionsHeader(IpProtocol.Udp), Build.Udp(payload)),
            Build.Ipv6(IpProtocol.Fragment, Build.FragmentHeader(IpProtocol.Udp, 0, more: false), Build.Udp(payload)),
            Build.Ipv6(IpProtocol.Udp, Build.Udp(payload, length: 40)),
        ];
        foreach (byte[] other in others)
        {
            PacketInfo info = Build.Parse(other);
            OffloadMetadata offload = OffloadMetadata.ForPartial(info);
            if (offload.NeedsChecksum)
                BinaryPrimitives.WriteUInt16BigEndian(other.AsSpan(info.TransportOffset + offload.ChecksumOffset), InternetChecksum.Fold(InternetChecksum.PseudoHeader(info, info.TransportLength)));
            Assert.False(_super.MayBegin(other, info, offload));
        }
    }

    [Fact]
    public void Metadata_of_a_superpacket_is_not_believed_twice()
    {
        byte[] datagram = Datagram(false, 100);
        PacketInfo info = Build.Parse(datagram);
        OffloadMetadata offload = OffloadMetadata.ForPartial(info);
        offload.GsoType = OffloadMetadata.GsoUdp;
        offload.GsoSize = 50;
        Assert.False(_super.MayBegin(datagram, info, offload));
        // From the tunnel it does not come at all.
        Assert.Equal(PacketError.OffloadGsoType, offload.Validate(info));
    }

    [Fact]
    public void Nothing_is_appended_to_nothing()
    {
        Assert.False(TryAppend(Datagram(false, 100)));
        Assert.Equal(0, _super.DatagramBytes);
    }

    [Theory]
    [InlineData(false, 100, UdpSuperpacket.MaxDatagrams)]
    [InlineData(true, 100, UdpSuperpacket.MaxDatagrams)]
    [InlineData(false, 1472, (65535 - 28) / 1472)]
    [InlineData(true, 1452, (65535 - 48) / 1452)]
    public void It_is_full_in_time(bool v6, int length, int expected)
    {
        Assert.True(Append(Datagram(v6, length, id: 0)));
        int count = 1;
        while (TryAppend(Datagram(v6, length, id: (ushort)count))) count++;
        Assert.Equal(expected, count);
        Assert.Equal(expected, _super.Count);
        Assert.Equal(expected, Cut(_super).Length);
    }

    /// <summary>Any sequence, sent as the server sends it, comes out in order and whole.</summary>
    [Fact]
    public void Order_and_content_are_kept()
    {
        var random = new Random(4);
        for (int round = 0; round < 300; round++)
        {
            var sent = new List<byte[]>();
            var came = new List<byte[]>();
            ushort id = (ushort)random.Next(65536);
            for (int i = 0; i < 100; i++)
            {
                string? difference = random.Next(12) == 0 ? (random.Next(2) == 0 ? "sourcePort" : "hopLimit") : null;
                int length = random.Next(8) == 0 ? random.Next(600) : 500;
                byte[] packet = random.Next(20) == 0 ? Build.Ipv4(IpProtocol.Tcp, Build.Tcp(TcpFlags.Ack, [(byte)i])) : Datagram(round % 2 == 0, length, (byte)i, id: id++, difference: difference);
                PacketInfo info = Build.Parse(packet);
                bool partial = random.Next(20) != 0 && info.IsUdp && !info.IsFragment && IsPartial(packet, info);
                OffloadMetadata offload = partial ? OffloadMetadata.ForPartial(info) : default;
                sent.Add(partial ? Complete(packet) : packet);
                if (_super.TryAppend(packet, info, offload)) continue;
                if (_super.Count > 0) came.AddRange(Cut(_super));
                if (_super.MayBegin(packet, info, offload)) _super.Begin(packet, info);
                else came.Add(partial ? Complete(packet) : packet);
            }
            if (_super.Count > 0) came.AddRange(Cut(_super));
            Assert.Equal(sent.Count, came.Count);
            for (int i = 0; i < sent.Count; i++) Assert.Equal(sent[i], came[i]);
        }
    }

    private static bool IsPartial(byte[] packet, in PacketInfo info) =>
        BinaryPrimitives.ReadUInt16BigEndian(packet.AsSpan(info.TransportOffset + 6)) == InternetChecksum.Fold(InternetChecksum.PseudoHeader(info, info.TransportLength));

    private bool MayBegin(byte[] packet)
    {
        PacketInfo info = Build.Parse(packet);
        return _super.MayBegin(packet, info, OffloadMetadata.ForPartial(info));
    }

    private bool TryAppend(byte[] packet)
    {
        PacketInfo info = Build.Parse(packet);
        return _super.TryAppend(packet, info, OffloadMetadata.ForPartial(info));
    }

    private bool Append(byte[] packet)
    {
        if (_super.Count > 0) return TryAppend(packet);
        if (!MayBegin(packet)) return false;
        _super.Begin(packet, Build.Parse(packet));
        return true;
    }

    // A datagram as a kernel leaves it to the card: the pseudo-header's sum in the checksum field.
    private static byte[] Datagram(bool v6, int payload, byte seed = 1, ushort id = 0, ushort fragment = 0, string? difference = null)
    {
        byte[] bytes = Build.Bytes(new Random(seed), payload);
        byte[] p = v6 ? Build.Ipv6(IpProtocol.Udp, Build.Udp(bytes)) : Build.Ipv4(IpProtocol.Udp, Build.Udp(bytes), fragment: fragment, id: id);
        switch (difference)
        {
            case "source": p[v6 ? 23 : 15] ^= 1; break;
            case "destination": p[v6 ? 39 : 19] ^= 1; break;
            case "sourcePort": p[(v6 ? 40 : 20) + 1] ^= 1; break;
            case "destinationPort": p[(v6 ? 40 : 20) + 3] ^= 1; break;
            case "hopLimit": p[v6 ? 7 : 8]--; break;
            case "trafficClass": p[1] ^= (byte)(v6 ? 0x10 : 0x02); break;
            case "flowLabel": p[3] ^= 1; break;
            case "id": p[5] ^= 0x40; break;
            case "dontFragment": p[6] ^= 0x40; break;
            case "reservedFlag": p[6] ^= 0x80; break;
            case null: break;
            default: throw new ArgumentException(difference);
        }
        if (!v6) InternetChecksum.FillIpv4Header(p);
        PacketInfo info = Build.Parse(p);
        BinaryPrimitives.WriteUInt16BigEndian(p.AsSpan(info.TransportOffset + 6), InternetChecksum.Fold(InternetChecksum.PseudoHeader(info, info.TransportLength)));
        return p;
    }

    private static byte[] Complete(byte[] packet) => Build.WithChecksum([.. packet]);

    // As __udp_gso_segment does: the checksum field is corrected by the difference of the lengths, and then finished over the data.
    private static byte[][] Cut(UdpSuperpacket super)
    {
        byte[] packet = super.Finish(out PacketInfo told, out OffloadMetadata offload)[Headroom..].ToArray();
        PacketInfo info = Build.Parse(packet);
        Assert.Equal(info.PayloadOffset, told.PayloadOffset);
        Assert.Equal(info.TotalLength, told.TotalLength);
        Assert.True(info.IsV6 || InternetChecksum.VerifyIpv4Header(packet));
        Assert.True(offload.NeedsChecksum);
        Assert.Equal((info.TransportOffset, 6), (offload.ChecksumStart, offload.ChecksumOffset));
        int size = offload.IsGso ? offload.GsoSize : info.PayloadLength;
        if (offload.IsGso) Assert.Equal(OffloadMetadata.GsoUdp, offload.GsoType);
        var pieces = new List<byte[]>();
        for (int at = info.PayloadOffset; at < packet.Length; at += size)
        {
            byte[] piece = [.. packet[..info.PayloadOffset], .. packet[at..Math.Min(packet.Length, at + size)]];
            int length = piece.Length - info.TransportOffset;
            Span<byte> udp = piece.AsSpan(info.TransportOffset);
            uint sum = BinaryPrimitives.ReadUInt16BigEndian(udp[6..]);
            sum += (ushort)~BinaryPrimitives.ReadUInt16BigEndian(udp[4..]);
            BinaryPrimitives.WriteUInt16BigEndian(udp[6..], InternetChecksum.Fold(sum + (uint)length));
            BinaryPrimitives.WriteUInt16BigEndian(udp[4..], (ushort)length);
            InternetChecksum.CompletePartial(piece, offload);
            if (info.IsV6) BinaryPrimitives.WriteUInt16BigEndian(piece.AsSpan(4), (ushort)length);
            else
            {
                BinaryPrimitives.WriteUInt16BigEndian(piece.AsSpan(2), (ushort)piece.Length);
                BinaryPrimitives.WriteUInt16BigEndian(piece.AsSpan(4), (ushort)(info.FragmentId + pieces.Count));
                InternetChecksum.FillIpv4Header(piece);
            }
            pieces.Add(piece);
        }
        return [.. pieces];
    }
}
