using System.Buffers.Binary;
using PersonalVpn.Daemon.Flows;
using PersonalVpn.Daemon.Inbound;
using PersonalVpn.Daemon.Tunnels;
using PersonalVpn.Packets;
using PersonalVpn.Unit.Support;
using PersonalVpn.UserAuth;
using Xunit;
using static PersonalVpn.Unit.DaemonTests.Gates;

namespace PersonalVpn.Unit.DaemonTests;

/// <summary>What a server, or the user's own process turned malicious, can make the host see: answers to her flows.</summary>
public sealed class InboundGateTests
{
    private OwnerLookupMode _mode = OwnerLookupMode.Kernel;
    private readonly SocketsOfHost _sockets = new();
    private readonly TunnelState _tunnel = NewTunnel();
    private long _now = 1_000_000;

    [Theory]
    [InlineData("10.77.0.3")]
    [InlineData("127.0.0.1")]
    [InlineData("192.168.1.5")]
    [InlineData("255.255.255.255")]
    public void Only_to_the_inner_address(string destination)
    {
        Opened(17, 40000, 53);
        Assert.Equal(DropReason.WrongDestination, Decide(Packet.Udp(Host, 53, destination, 40000)));
    }

    [Theory]
    [InlineData(Inner)] // from itself
    [InlineData("127.0.0.1")]
    [InlineData("224.0.0.1")]
    [InlineData("0.0.0.0")]
    public void Only_from_another_host(string source) => Assert.Equal(DropReason.Malformed, Decide(Packet.Udp(source, 53, Inner, 40000)));

    [Theory]
    [InlineData("::1")]
    [InlineData("::")]
    [InlineData("ff02::1")]
    [InlineData("::ffff:10.1.2.3")]
    public void Only_from_another_host_v6(string source) => Assert.Equal(DropReason.Malformed, Decide(Packet.Udp(source, 53, Inner6, 40000)));

    // ---- TCP ----

    [Fact]
    public void A_syn_never_comes_in()
    {
        Opened(6, 40000, 80);
        Assert.Equal(DropReason.Unsolicited, Decide(Packet.Tcp(Host, 80, Inner, 40000, Syn)));
        _sockets.Open(Socket(6, 22, 999), Alice);
        Assert.Equal(DropReason.Unsolicited, Decide(Packet.Tcp(Host, 999, Inner, 22, Syn)));
        Assert.Equal(DropReason.Unsolicited, Decide(Packet.Tcp(Host, 999, Inner, 22, TcpFlags.Syn | TcpFlags.Fin)));
    }

    [Fact]
    public void A_syn_ack_is_for_the_owners_socket_alone()
    {
        Packet synAck = Packet.Tcp(Host, 80, Inner, 40000, SynAck);
        Assert.Equal(DropReason.Unsolicited, Decide(synAck));
        SocketTuple socket = Opened(6, 40000, 80);
        Assert.Equal(DropReason.None, Decide(synAck));
        // The port changed hands while the SYN was on its way.
        _sockets.Open(socket, Bob);
        Assert.Equal(DropReason.ReceiverNotOwner, Decide(synAck));
        _sockets.Share(socket);
        Assert.Equal(DropReason.ReceiverNotOwner, Decide(synAck));
        _sockets.Close(socket);
        Assert.Equal(DropReason.OwnerUnknown, Decide(synAck));
    }

    [Theory]
    [InlineData(Ack)]
    [InlineData(Rst)]
    [InlineData(Fin)]
    public void Anything_else_needs_a_flow_or_her_socket(byte flags)
    {
        Packet packet = Packet.Tcp(Host, 80, Inner, 40000, flags, 10);
        Assert.Equal(DropReason.Unsolicited, Decide(packet));
        _sockets.Open(Socket(6, 40000, 80), Bob);
        Assert.Equal(DropReason.ReceiverNotOwner, Decide(packet));
        // Her connection outlived the table's memory of it.
        _sockets.Open(Socket(6, 40000, 80), Alice);
        Assert.Equal(DropReason.None, Decide(packet, out Flow? flow));
        Assert.NotNull(flow);
        int asked = _sockets.Asked;
        Assert.Equal(DropReason.None, Decide(packet));
        Assert.Equal(asked, _sockets.Asked);
    }

    [Fact]
    public void The_exact_five_tuple()
    {
        Opened(6, 40000, 80);
        Assert.Equal(DropReason.Unsolicited, Decide(Packet.Tcp(Host, 80, Inner, 40001, Ack)));
        Assert.Equal(DropReason.Unsolicited, Decide(Packet.Tcp(Host, 81, Inner, 40000, Ack)));
        Assert.Equal(DropReason.Unsolicited, Decide(Packet.Tcp("10.1.2.4", 80, Inner, 40000, Ack)));
        Assert.Equal(DropReason.Unsolicited, Decide(Packet.Udp(Host, 80, Inner, 40000)));
    }

    // ---- UDP ----

    [Fact]
    public void A_datagram_answers_a_flow()
    {
        Packet reply = Packet.Udp(Host, 53, Inner, 40000);
        _sockets.Open(Socket(17, 40000, 53), Alice);
        Assert.Equal(DropReason.Unsolicited, Decide(reply));
        Opened(17, 40000, 53);
        Assert.Equal(DropReason.None, Decide(reply));
    }

    [Fact]
    public void Every_datagram_needs_her_socket()
    {
        Packet reply = Packet.Udp(Host, 53, Inner, 40000);
        SocketTuple socket = Opened(17, 40000, 53);
        Assert.Equal(DropReason.None, Decide(reply));
        Assert.Equal(DropReason.None, Decide(reply));
        Assert.Equal(2, _sockets.Asked);
        // closed, and in the same millisecond somebody else's
        _sockets.Close(socket);
        Assert.Equal(DropReason.OwnerUnknown, Decide(reply));
        _sockets.Open(socket, Bob);
        Assert.Equal(DropReason.ReceiverNotOwner, Decide(reply));
    }

    [Fact]
    public void In_procfs_mode_an_answer_about_the_port_stands_for_a_moment()
    {
        _mode = OwnerLookupMode.Procfs;
        Packet reply = Packet.Udp(Host, 53, Inner, 40000);
        SocketTuple socket = Opened(17, 40000, 53);
        // That she sent from the port says nothing about who has it now.
        _sockets.Open(socket, Bob);
        Assert.Equal(DropReason.ReceiverNotOwner, Decide(reply));
        _sockets.Open(socket, Alice);
        Assert.Equal(DropReason.None, Decide(reply));
        _now += InboundGate.ReproveAfter;
        Assert.Equal(DropReason.None, Decide(reply));
        Assert.Equal(2, _sockets.Asked);
        _now += 1;
        _sockets.Open(socket, Bob);
        Assert.Equal(DropReason.ReceiverNotOwner, Decide(reply));
        _sockets.Open(socket, Alice);
        Assert.Equal(DropReason.None, Decide(reply));
        Assert.Equal(4, _sockets.Asked);
    }

    // ---- ICMP ----

    [Fact]
    public void An_echo_reply_answers_her_echo()
    {
        Packet reply = Packet.Icmp(Host, Inner, 0, id: 77);
        Assert.Equal(DropReason.Unsolicited, Decide(reply));
        Opened(1, 77, 77);
        Assert.Equal(DropReason.None, Decide(reply));
        Assert.Equal(DropReason.Unsolicited, Decide(Packet.Icmp(Host, Inner, 0, id: 78)));
        Assert.Equal(DropReason.Unsolicited, Decide(Packet.Icmp("10.1.2.4", Inner, 0, id: 77)));
        Packet reply6 = Packet.Icmp(Host6, Inner6, 129, id: 77);
        Assert.Equal(DropReason.Unsolicited, Decide(reply6));
        Opened(58, 77, 77, Inner6, Host6);
        Assert.Equal(DropReason.None, Decide(reply6));
    }

    [Theory]
    [InlineData(4)] // source quench
    [InlineData(5)] // redirect: would rewrite the host's routes
    [InlineData(8)] // echo request
    [InlineData(9)] // router advertisement
    [InlineData(13)]
    [InlineData(17)]
    public void No_other_icmp(byte type)
    {
        Opened(17, 40000, 53);
        Packet about = Packet.Udp(Inner, 40000, Host, 53);
        Assert.Equal(DropReason.ForbiddenIcmp, Decide(Packet.Icmp(Host, Inner, type, 1, body: about.Bytes)));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    [InlineData(100)]
    [InlineData(128)] // echo request
    [InlineData(130)] // multicast listener query
    [InlineData(133)] // router solicitation
    [InlineData(134)] // router advertisement: would reconfigure the host
    [InlineData(135)] // neighbour solicitation
    [InlineData(136)] // neighbour advertisement
    [InlineData(137)] // redirect
    public void No_other_icmpv6(byte type)
    {
        Opened(17, 40000, 53, Inner6, Host6);
        Packet about = Packet.Udp(Inner6, 40000, Host6, 53);
        Assert.Equal(DropReason.ForbiddenIcmp, Decide(Packet.Icmp(Host6, Inner6, type, body: about.Bytes)));
    }

    /// <summary>IPv4 ICMP in IPv6 is an opaque protocol, and the other way round.</summary>
    [Fact]
    public void Icmp_of_the_wrong_family_is_nothing()
    {
        byte[] echoReply = new byte[8];
        Assert.NotEqual(DropReason.None, Decide(Packet.Ip(Host6, Inner6, IpProtocol.Icmp, echoReply)));
        echoReply[0] = 129;
        Assert.NotEqual(DropReason.None, Decide(Packet.Ip(Host, Inner, IpProtocol.IcmpV6, echoReply)));
    }

    [Theory]
    [InlineData(3)]
    [InlineData(11)]
    [InlineData(12)]
    public void An_error_quotes_a_packet_of_hers(byte type)
    {
        Opened(17, 40000, 53);
        Packet hers = Packet.Udp(Inner, 40000, Host, 53);
        // Errors come from any router on the way.
        Assert.Equal(DropReason.None, Decide(Packet.Icmp("10.9.9.9", Inner, type, body: hers.Bytes)));
        Assert.Equal(DropReason.Unsolicited, Decide(Packet.Icmp(Host, Inner, type, body: Packet.Udp(Inner, 40001, Host, 53).Bytes)));
    }

    [Fact]
    public void A_forged_quotation_is_refused()
    {
        Opened(6, 40000, 80);
        // About a connection of the host's own address: would break somebody else's.
        Assert.Equal(DropReason.Unsolicited, Decide(Packet.Icmp(Host, Inner, 3, 3, body: Packet.Tcp("192.168.1.5", 40000, Host, 80, Ack).Bytes)));
        Assert.Equal(DropReason.Unsolicited, Decide(Packet.Icmp(Host, Inner, 3, 3, body: Packet.Tcp(Host, 80, Inner, 40000, Ack).Bytes)));
        Assert.Equal(DropReason.Malformed, Decide(Packet.Icmp(Host, Inner, 3, 3)));
        Assert.Equal(DropReason.Malformed, Decide(Packet.Icmp(Host, Inner, 3, 3, body: [0x45, 0, 0])));
        Assert.Equal(DropReason.Malformed, Decide(Packet.Icmp(Host, Inner, 3, 3, body: Packet.Tcp(Inner6, 40000, Host6, 80, Ack).Bytes)));
        Packet inner = Packet.Icmp(Inner, Host, 3, 3, body: Packet.Tcp(Inner, 40000, Host, 80, Ack).Bytes);
        Assert.Equal(DropReason.Malformed, Decide(Packet.Icmp(Host, Inner, 3, 3, body: inner.Bytes)));
    }

    [Fact]
    public void Too_big_lowers_the_segment_size_never_raises_it()
    {
        Opened(6, 40000, 80);
        Packet data = Packet.Tcp(Inner, 40000, Host, 80, Ack, 100);
        Flow flow = _tunnel.Flows.Find(data.Info.Flow, _now)!;
        flow.PeerMss = 1460;
        Assert.Equal(DropReason.None, Decide(Packet.TooBig("10.9.9.9", Inner, data, 1400)));
        Assert.Equal(1360, flow.PeerMss);
        Decide(Packet.TooBig("10.9.9.9", Inner, data, 1450));
        Assert.Equal(1360, flow.PeerMss);
        // A lie may make it slow, not absurd.
        Decide(Packet.TooBig("10.9.9.9", Inner, data, 68));
        Assert.Equal(500, flow.PeerMss);
    }

    // ---- fragments ----

    [Fact]
    public void A_later_fragment_follows_its_first()
    {
        Packet first = Packet.UdpFragment(Host, 53, Inner, 40000, 7, first: true), later = Packet.UdpFragment(Host, 53, Inner, 40000, 7, first: false);
        Assert.Equal(DropReason.Fragment, Decide(later));
        Assert.Equal(DropReason.Unsolicited, Decide(first));
        Assert.Equal(DropReason.Fragment, Decide(later));
        Opened(17, 40000, 53);
        Assert.Equal(DropReason.None, Decide(first));
        Assert.Equal(DropReason.None, Decide(later));
        Assert.Equal(DropReason.Fragment, Decide(Packet.UdpFragment(Host, 53, Inner, 40000, 8, first: false)));
        Assert.Equal(DropReason.Fragment, Decide(Packet.UdpFragment("10.1.2.4", 53, Inner, 40000, 7, first: false)));
        _now += 30_001;
        Assert.Equal(DropReason.Fragment, Decide(later));
    }

    [Fact]
    public void A_later_fragment_needs_her_socket_too()
    {
        SocketTuple socket = Opened(17, 40000, 53);
        Assert.Equal(DropReason.None, Decide(Packet.UdpFragment(Host, 53, Inner, 40000, 7, first: true)));
        _sockets.Open(socket, Bob);
        Assert.Equal(DropReason.ReceiverNotOwner, Decide(Packet.UdpFragment(Host, 53, Inner, 40000, 7, first: false)));
        _sockets.Close(socket);
        Assert.Equal(DropReason.OwnerUnknown, Decide(Packet.UdpFragment(Host, 53, Inner, 40000, 7, first: false)));
    }

    [Fact]
    public void Fragment_memory_is_bounded()
    {
        var memory = new FragmentMemory();
        IpAddr source = IpAddr.Parse(Host);
        var flow = new FlowKey(17, IpAddr.Parse(Inner), 40000, source, 53);
        for (uint id = 0; id < 65; id++) memory.Remember(source, 17, id, flow, 1000);
        Assert.False(Known(0, 17, 1000));
        Assert.True(Known(1, 17, 1000));
        Assert.True(Known(64, 17, 31_000));
        Assert.False(Known(64, 17, 31_001));
        Assert.False(Known(64, 6, 1000));
        Assert.False(new FragmentMemory().TryFind(default, 0, 0, 1000, out _));

        bool Known(uint id, byte protocol, long now) => memory.TryFind(source, protocol, id, now, out FlowKey found) && found == flow;
    }

    [Fact]
    public void Other_protocols_answer_a_flow()
    {
        byte[] body = new byte[16];
        BinaryPrimitives.WriteUInt32BigEndian(body, 7);
        Packet reply = Packet.Ip(Host, Inner, IpProtocol.Esp, body);
        Assert.Equal(DropReason.Unsolicited, Decide(reply));
        Opened(IpProtocol.Esp, 0, 0);
        Assert.Equal(DropReason.None, Decide(reply));
    }

    // A flow that the owner opened just now, with her socket at its end.
    private SocketTuple Opened(byte protocol, ushort local, ushort remote, string inner = Inner, string host = Host)
    {
        SocketTuple socket = Socket(protocol, local, remote, inner, host);
        _sockets.Open(socket, Alice);
        Assert.NotNull(_tunnel.Flows.Add(new FlowKey(protocol, IpAddr.Parse(inner), local, IpAddr.Parse(host), remote), _now));
        return socket;
    }

    private DropReason Decide(Packet packet) => Decide(packet, out _);

    private DropReason Decide(Packet packet, out Flow? flow) =>
        new InboundGate(new OwnerLookup(_mode, _sockets, _sockets), _mode).Decide(_tunnel, packet.Info, packet.Bytes, _now, out flow);
}
