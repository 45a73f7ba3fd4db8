using PersonalVpn.Daemon.Flows;
using PersonalVpn.Daemon.Inbound;
using PersonalVpn.Daemon.Outbound;
using PersonalVpn.Daemon.Tunnels;
using PersonalVpn.Packets;
using PersonalVpn.Server;
using PersonalVpn.Server.Configuration;
using PersonalVpn.Unit.Support;
using PersonalVpn.UserAuth;
using Xunit;
using static PersonalVpn.Unit.DaemonTests.Gates;

namespace PersonalVpn.Unit.Fuzz;

/// <summary>
/// Packets with metadata, as a hostile server or client frames them, by the way a packet takes: parsed, metadata judged, gate,
/// checksum, segments. What passes is what the rules say, whatever the bytes were.
/// </summary>
public sealed class PacketFuzzTests
{
    private static readonly byte[] Mss = [2, 4, 5, 0xb4];

    [Fact]
    public void Frames_of_a_hostile_server()
    {
        var sockets = new SocketsOfHost();
        TunnelState tunnel = NewTunnel();
        foreach ((byte protocol, ushort local, ushort remote) in new (byte, ushort, ushort)[] { (6, 40000, 80), (17, 40000, 53), (1, 77, 77) })
        {
            sockets.Open(Socket(protocol, local, remote), Alice);
            tunnel.Flows.Add(new FlowKey(protocol, IpAddr.Parse(Inner), local, IpAddr.Parse(Host), remote), 0);
        }
        sockets.Open(Socket(6, 40001, 80), Bob);
        var gate = new InboundGate(new OwnerLookup(OwnerLookupMode.Kernel, sockets, sockets), OwnerLookupMode.Kernel);

        Packet hers = Packet.Tcp(Inner, 40000, Host, 80, Ack, 20);
        byte[][] corpus = [.. new[]
        {
            Packet.Tcp(Host, 80, Inner, 40000, SynAck, options: Mss), Packet.Tcp(Host, 80, Inner, 40000, Ack, 3000), Packet.Tcp(Host, 80, Inner, 40001, SynAck),
            Packet.Udp(Host, 53, Inner, 40000, 100), Packet.Icmp(Host, Inner, 0, id: 77), Packet.TooBig("10.9.9.9", Inner, hers, 1400),
            Packet.Icmp(Host, Inner, 3, 3, body: hers.Bytes), Packet.UdpFragment(Host, 53, Inner, 40000, 7, first: true), Packet.UdpFragment(Host, 53, Inner, 40000, 7, first: false),
            Packet.Icmp(Host6, Inner6, 134, body: new byte[24]),
        }.Select(p => Framed(p, p.Info.PayloadLength > 1448 ? 1448 : 0))];
        var mutator = new Mutator(4, corpus);
        byte[] segment = new byte[70_000];
        int passed = 0, cut = 0;
        for (int i = 0, rounds = Mutator.Rounds(200_000); i < rounds; i++)
        {
            byte[] frame = mutator.Next();
            if (OffloadMetadata.TryRead(frame, out OffloadMetadata offload) != PacketError.None) continue;
            Span<byte> packet = frame.AsSpan(OffloadMetadata.Size);
            if (PacketParser.TryParse(packet, out PacketInfo info) != PacketError.None || offload.Validate(info) != PacketError.None) continue;
            if (gate.Decide(tunnel, info, packet, i / 50, out Flow? flow) != DropReason.None) continue;
            passed++;
            Assert.True(info.Destination == IpAddr.Parse(Inner) || info.Destination == IpAddr.Parse(Inner6));
            if (flow is not null) Assert.Equal(flow.Key, info.Flow.Reverse());
            Assert.False(flow?.Key.SourcePort == 40001, "another user's socket was reached");
            if (info.IsTcp && !info.IsFragment) Assert.NotEqual(Syn, (byte)(info.TcpFlags & (Syn | Ack)));
            if (offload.NeedsChecksum) InternetChecksum.CompletePartial(packet, offload);
            TcpOptions.TryGetMss(packet, info, out _);
            if (!offload.IsGso) continue;
            var segmenter = new TcpSegmenter(packet, info, offload.GsoSize);
            for (; segmenter.TryNext(segment, out int written); cut++) Assert.Equal(PacketError.None, PacketParser.TryParse(segment.AsSpan(0, written), out _));
        }
        Assert.True(passed > 500 && cut > 100, $"only {passed} packets passed, {cut} segments: the mutations are too wild");
    }

    [Fact]
    public void Packets_at_the_way_out()
    {
        var sockets = new SocketsOfHost();
        var gate = new OwnerGate(new OwnerLookup(OwnerLookupMode.Kernel, sockets, sockets), OwnerLookupMode.Kernel);
        var flows = new FlowTable(64);
        IpAddr inner = IpAddr.Parse(Inner);
        FlowKey known = Packet.Udp(Inner, 40000, Host, 53).Info.Flow;
        flows.Add(known, 0);
        byte[][] corpus = [.. new[]
        {
            Packet.Tcp(Inner, 40000, Host, 80, Syn, options: Mss), Packet.Tcp(Inner, 40000, Host, 80, Fin), Packet.Udp(Inner, 40000, Host, 53),
            Packet.Icmp(Inner, Host, 8, id: 7), Packet.Icmp(Inner, Host, 3, 3, body: Packet.Udp(Host, 53, Inner, 40000).Bytes),
        }.Select(p => p.Bytes)];
        var mutator = new Mutator(5, corpus);
        int passed = 0;
        for (int i = 0, rounds = Mutator.Rounds(200_000); i < rounds; i++)
        {
            byte[] packet = mutator.Next();
            if (PacketParser.TryParse(packet, out PacketInfo info) != PacketError.None) continue;
            // Bob's never leave, nobody's on the one flow that was proven.
            Assert.NotEqual(DropReason.None, gate.Decide(flows, Alice, inner, info, packet, Bob, 0, out _));
            if (gate.Decide(flows, Alice, inner, info, packet, null, 0, out Flow? flow) != DropReason.None) continue;
            passed++;
            Assert.Equal(inner, info.Source);
            if (flow is null) Assert.True(info.IsIcmpError);
            else Assert.Equal(known, info.Flow);
        }
        Assert.True(passed > 100, $"only {passed} packets passed: the mutations are too wild");
    }

    [Fact]
    public void Packets_of_a_hostile_client()
    {
        ServerConfig config = new ServerConfigReader().Build(ConfigText.Lines("AddressPool6 fd77::/64", "Permit 10.1.0.0/16:80-443", "Permit fd01::/16"));
        UserPolicy policy = UserPolicy.For(config, "alice", AuthorizedKeyOptions.None);
        byte[][] corpus = [.. new[]
        {
            Packet.Tcp(Inner, 1, Host, 80, Syn), Packet.Udp(Inner, 1, Host, 443), Packet.Udp(Inner6, 1, Host6, 53), Packet.Icmp(Inner6, Host6, 128), Packet.Udp(Inner, 1, "10.2.0.1", 80),
        }.Select(p => p.Bytes)];
        var mutator = new Mutator(6, corpus);
        IpPrefix v4 = IpPrefix.Parse("10.1.0.0/16"), v6 = IpPrefix.Parse("fd01::/16");
        byte[] answer = new byte[IcmpError.MaxLength];
        int permitted = 0, answered = 0;
        for (int i = 0, rounds = Mutator.Rounds(200_000); i < rounds; i++)
        {
            byte[] packet = mutator.Next();
            if (PacketParser.TryParse(packet, out PacketInfo info) != PacketError.None) continue;
            if (policy.Permits(info))
            {
                permitted++;
                Assert.True(info.IsV6 ? v6.Contains(info.Destination) : v4.Contains(info.Destination) && info.DestinationPort is >= 80 and <= 443);
            }
            else if (IcmpError.TryBuild(packet, info, IcmpErrorKind.AdminProhibited, IpAddr.Parse(info.IsV6 ? "fd77::1" : "10.77.0.1"), 1500, answer, out int written))
            {
                answered++;
                Assert.Equal(PacketError.None, PacketParser.TryParse(answer.AsSpan(0, written), out _));
            }
        }
        Assert.True(permitted > 500 && answered > 500, $"only {permitted} packets permitted, {answered} answered: the mutations are too wild");
    }

    private static byte[] Framed(Packet packet, int segment)
    {
        byte[] frame = new byte[OffloadMetadata.Size + packet.Bytes.Length];
        OffloadMetadata.ForPartial(packet.Info, segment).Write(frame);
        packet.Bytes.CopyTo(frame, OffloadMetadata.Size);
        return frame;
    }
}
