using PersonalVpn.Packets;
using Xunit;

namespace PersonalVpn.Unit.Packets;

public class IpFragmenterTests
{
    [Fact]
    public void Fragments_join_to_the_packet()
    {
        Random random = new(7);
        int split = 0;
        for (int i = 0; i < 20_000; i++)
        {
            byte[] packet = Build.Any(random, 3000);
            if (PacketParser.TryParse(packet, out PacketInfo info) != PacketError.None || info.IsFragment || info.DontFragment) continue;
            int mtu = random.Next(200, 1500);
            List<byte[]> fragments = Split(packet, mtu, 0xcafe);
            if (fragments.Count == 1)
            {
                Assert.Equal(packet, fragments[0]);
                continue;
            }

            split++;
            Assert.All(fragments, f => Assert.True(f.Length <= mtu));
            Assert.Equal(info.Flow, Build.Parse(fragments[0]).Flow);
            byte[] joined = Reassembly.Join(fragments);
            // An atomic fragment's header is used, not doubled, so it is gone after reassembly.
            Assert.Equal(info.IsV6 && IsAtomic(packet) ? Reassembly.Join([packet]) : packet, joined);
        }

        Assert.True(split > 2000);
    }

    [Fact]
    public void A_fragment_is_split_further_under_its_own_identification()
    {
        Random random = new(8);
        byte[][] wholes =
        [
            Build.WithChecksum(Build.Ipv4(17, Build.Udp(Build.Bytes(random, 4000)), [0x94, 4, 0, 0])),
            Build.WithChecksum(Build.Ipv6(0, Build.OptionsHeader(60), Build.OptionsHeader(17), Build.Udp(Build.Bytes(random, 4000)))),
        ];
        foreach (byte[] packet in wholes)
        {
            List<byte[]> finer = [.. Split(packet, 1500, 77).SelectMany(f => Split(f, 600, 88))];
            Assert.True(finer.Count >= 8);
            Assert.Single(finer.Select(f => Build.Parse(f).FragmentId).Distinct());
            Assert.Equal([.. Enumerable.Repeat(true, finer.Count - 1), false], finer.Select(f => Build.Parse(f).MoreFragments));
            Assert.Equal(packet, Reassembly.Join(finer));
        }
    }

    [Fact]
    public void Ipv4_options_follow_their_copied_flag()
    {
        // No-op, record route (not copied), router alert (copied), timestamp (not copied).
        byte[] options = [1, 7, 7, 4, 0, 0, 0, 0, 0x94, 4, 0, 0, 68, 8, 5, 0, 0, 0, 0, 0];
        byte[] packet = Build.Ipv4(17, Build.Udp(new byte[1000]), options);
        List<byte[]> fragments = Split(packet, 500, 0);
        Assert.Equal(3, fragments.Count);
        Assert.Equal(options, fragments[0][20..40]);
        Assert.Equal([0x94, 4, 0, 0], fragments[1][20..24]);
        Assert.Equal(24, Build.Parse(fragments[2]).TransportOffset);
    }

    [Fact]
    public void Hop_by_hop_and_routing_headers_repeat_and_destination_options_do_not()
    {
        byte[] packet = Build.Ipv6(
            0, Build.OptionsHeader(60), Build.OptionsHeader(43), Build.RoutingHeader(60, 4, 0), Build.OptionsHeader(17), Build.Udp(new byte[2000]));
        List<byte[]> fragments = Split(packet, 1280, 5);
        Assert.Equal(2, fragments.Count);
        Assert.All(fragments, f => Assert.Equal((44, 60), ((int)f[56], (int)f[64])));
        Assert.Equal((72, 80), (Build.Parse(fragments[1]).TransportOffset, Build.Parse(fragments[0]).TransportOffset));
    }

    [Fact]
    public void What_cannot_be_split_is_named()
    {
        Assert.Equal(PacketError.DontFragment, Refused(Build.Ipv4(17, Build.Udp(new byte[1000]), null, 0x4000), 600, 600));
        Assert.Equal(PacketError.MtuTooSmall, Refused(Build.Ipv4(17, Build.Udp(new byte[1000])), 27, 600));
        Assert.Equal(PacketError.MtuTooSmall, Refused(Build.Ipv4(17, Build.Udp(new byte[1000])), -5, 600));
        Assert.Equal(PacketError.MtuTooSmall, Refused(Build.Ipv4(6, Build.Tcp(16, new byte[1000])), 43, 600));
        Assert.Equal(PacketError.MtuTooSmall, Refused(Build.Ipv6(60, Build.OptionsHeader(17, 100), Build.Udp(new byte[1000])), 700, 700));
        Assert.Equal(PacketError.DestinationTooSmall, Refused(Build.Ipv4(17, Build.Udp(new byte[1000])), 600, 599));
        Assert.Equal(PacketError.DestinationTooSmall, Refused(Build.Ipv4(17, Build.Udp(new byte[100])), 600, 127));
    }

    private static PacketError Refused(byte[] packet, int mtu, int room)
    {
        IpFragmenter fragmenter = new(packet, Build.Parse(packet), mtu, 1);
        Assert.False(fragmenter.TryNext(new byte[room], out int written));
        Assert.Equal(0, written);
        return fragmenter.Error;
    }

    private static List<byte[]> Split(byte[] packet, int mtu, uint id)
    {
        List<byte[]> fragments = [];
        IpFragmenter fragmenter = new(packet, Build.Parse(packet), mtu, id);
        byte[] buffer = new byte[Math.Min(mtu, packet.Length)];
        while (fragmenter.TryNext(buffer, out int written)) fragments.Add(buffer[..written]);
        Assert.Equal(PacketError.None, fragmenter.Error);
        return fragments;
    }

    private static bool IsAtomic(byte[] packet)
    {
        int namedAt = 6;
        int offset = 40;
        while (packet[namedAt] is 0 or 43 or 60)
        {
            namedAt = offset;
            offset += (packet[offset + 1] + 1) * 8;
        }

        return packet[namedAt] == IpProtocol.Fragment;
    }
}
