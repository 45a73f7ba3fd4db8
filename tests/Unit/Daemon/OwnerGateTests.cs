using PersonalVpn.Daemon.Flows;
using PersonalVpn.Daemon.Outbound;
using PersonalVpn.Daemon.Tunnels;
using PersonalVpn.Packets;
using PersonalVpn.Unit.Support;
using PersonalVpn.UserAuth;
using Xunit;
using static PersonalVpn.Unit.DaemonTests.Gates;

namespace PersonalVpn.Unit.DaemonTests;

/// <summary>Whose packet is this, and may it enter the tunnel? Row by row as <see cref="OwnerGate"/> says.</summary>
public sealed class OwnerGateTests
{
    private readonly SocketsOfHost _sockets = new();
    private readonly FlowTable _flows = new();
    private OwnerLookupMode _mode = OwnerLookupMode.Kernel;
    private long _now = 1_000_000;

    // ---- row 1: well-formed, from the inner address, to one host ----

    [Theory]
    [InlineData("10.77.0.3")] // a neighbour's inner address
    [InlineData("192.168.1.5")] // the host's own: a socket older than the tunnel
    [InlineData("10.1.2.3")]
    public void Only_the_inner_address_is_a_source(string source) =>
        Assert.Equal(DropReason.WrongSource, Decide(Packet.Tcp(source, 40000, Host, 80, Syn), Alice));

    [Fact]
    public void A_family_without_an_inner_address_has_no_source() =>
        Assert.Equal(DropReason.WrongSource, Decide(Packet.Udp(Inner6, 1, Host6, 2), Alice, inner: null));

    [Theory]
    [InlineData("224.0.0.251")]
    [InlineData("255.255.255.255")]
    [InlineData("0.0.0.0")]
    [InlineData("127.0.0.1")]
    public void Only_one_host_is_a_destination(string destination) =>
        Assert.Equal(DropReason.NotUnicast, Decide(Packet.Udp(Inner, 5353, destination, 5353), Alice));

    [Theory]
    [InlineData("ff02::fb")]
    [InlineData("::1")]
    [InlineData("::")]
    public void Only_one_host_is_a_destination_v6(string destination) =>
        Assert.Equal(DropReason.NotUnicast, Decide(Packet.Udp(Inner6, 5353, destination, 5353), Alice));

    [Fact]
    public void Fragments_do_not_leave()
    {
        Assert.Equal(DropReason.Fragment, Decide(Packet.UdpFragment(Inner, 1, Host, 2, 7, first: true), Alice));
        Assert.Equal(DropReason.Fragment, Decide(Packet.UdpFragment(Inner, 1, Host, 2, 7, first: false), Alice));
    }

    // ---- row 2: the kernel contradicts ----

    [Theory]
    [InlineData(OwnerLookupMode.Kernel)]
    [InlineData(OwnerLookupMode.SockDiag)]
    [InlineData(OwnerLookupMode.Procfs)]
    public void What_the_kernel_says_is_anothers_is_dropped_whatever_else_is_known(OwnerLookupMode mode)
    {
        _mode = mode;
        _sockets.Open(Socket(6, 40000, 80), Alice);
        Assert.Equal(DropReason.None, Decide(Packet.Tcp(Inner, 40000, Host, 80, Syn), Alice));
        foreach (byte flags in new[] { Syn, Ack, Fin, Rst }) Assert.Equal(DropReason.NotOwner, Decide(Packet.Tcp(Inner, 40000, Host, 80, flags), Bob));
        Assert.Equal(DropReason.NotOwner, Decide(Packet.Tcp(Inner, 40000, Host, 80, Ack), 0));
        Assert.Equal(DropReason.NotOwner, Decide(UnreachableAbout(Packet.Tcp(Host, 80, Inner, 40000, Ack)), Bob));
    }

    // ---- row 3: the kernel says it is the owner ----

    [Fact]
    public void The_kernels_word_is_enough_and_makes_a_flow()
    {
        Assert.Equal(DropReason.None, Decide(Packet.Tcp(Inner, 40000, Host, 80, Syn), Alice, out Flow? flow));
        Assert.Equal(0, _sockets.Asked);
        Assert.NotNull(flow);
        Assert.Equal(new FlowKey(6, IpAddr.Parse(Inner), 40000, IpAddr.Parse(Host), 80), flow.Key);
        Assert.Equal(FlowPhase.Opening, flow.Phase);
        Assert.Equal(DropReason.None, Decide(Packet.Udp(Inner6, 1, Host6, 2), Alice));
        Assert.Equal(DropReason.None, Decide(Packet.Icmp(Inner, Host, 8, id: 9), Alice));
        Assert.Equal(3, _flows.Count);
    }

    [Theory]
    [InlineData(OwnerLookupMode.SockDiag)]
    [InlineData(OwnerLookupMode.Procfs)]
    public void In_other_modes_the_kernels_word_proves_nothing(OwnerLookupMode mode)
    {
        _mode = mode;
        Assert.Equal(DropReason.OwnerUnknown, Decide(Packet.Tcp(Inner, 40000, Host, 80, Syn), Alice));
        Assert.Equal(1, _sockets.Asked);
    }

    // ---- row 4: a SYN is proven afresh ----

    [Theory]
    [InlineData(OwnerLookupMode.Kernel)]
    [InlineData(OwnerLookupMode.SockDiag)]
    [InlineData(OwnerLookupMode.Procfs)]
    public void A_syn_is_proven_every_time(OwnerLookupMode mode)
    {
        _mode = mode;
        SocketTuple socket = Socket(6, 40000, 80);
        Packet syn = Packet.Tcp(Inner, 40000, Host, 80, Syn);
        _sockets.Open(socket, Alice);
        Assert.Equal(DropReason.None, Decide(syn, null));
        Assert.Equal(DropReason.None, Decide(syn, null));
        Assert.Equal(2, _sockets.Asked);
        _sockets.Close(socket);
        Assert.Equal(DropReason.OwnerUnknown, Decide(syn, null));
        Assert.Equal(DropReason.None, Decide(Packet.Tcp(Inner, 40000, Host, 80, Rst), null));
    }

    [Theory]
    [InlineData(OwnerLookupMode.Kernel)]
    [InlineData(OwnerLookupMode.SockDiag)]
    [InlineData(OwnerLookupMode.Procfs)]
    public void Her_five_tuple_reused_by_another_user_after_close(OwnerLookupMode mode)
    {
        _mode = mode;
        SocketTuple socket = Socket(6, 40000, 80);
        _sockets.Open(socket, Alice);
        Assert.Equal(DropReason.None, Decide(Packet.Tcp(Inner, 40000, Host, 80, Syn), null));
        Assert.Equal(DropReason.None, Decide(Packet.Tcp(Inner, 40000, Host, 80, Fin), null));
        _sockets.Open(socket, Bob);
        _now += OwnerGate.ProofLifetime + 1;
        foreach (byte flags in new[] { Syn, Ack, Rst }) Assert.Equal(DropReason.NotOwner, Decide(Packet.Tcp(Inner, 40000, Host, 80, flags), null));
        Assert.Equal(DropReason.NotOwner, Decide(Packet.Tcp(Inner, 40000, Host, 80, Syn), Bob));
    }

    [Fact]
    public void A_new_connection_forgets_how_the_old_one_ended()
    {
        Packet syn = Packet.Tcp(Inner, 40000, Host, 80, Syn);
        Decide(syn, Alice, out Flow? flow);
        Decide(Packet.Tcp(Inner, 40000, Host, 80, Rst), Alice);
        Assert.Equal(FlowPhase.Closed, flow!.Phase);
        flow.PeerMss = 1000;
        Decide(syn, Alice, out Flow? again);
        Assert.Same(flow, again);
        Assert.Equal((FlowPhase.Opening, false, (ushort)0), (again!.Phase, again.FinOut, again.PeerMss));
    }

    // ---- row 5: everything else by exact lookup, or on a proven flow ----

    [Fact]
    public void Data_without_the_kernels_word_is_looked_up()
    {
        _sockets.Open(Socket(6, 40000, 80), Alice);
        _sockets.Open(Socket(6, 40001, 80), Bob);
        _sockets.Share(Socket(6, 40002, 80));
        Assert.Equal(DropReason.None, Decide(Packet.Tcp(Inner, 40000, Host, 80, Ack, 100), null));
        Assert.Equal(DropReason.NotOwner, Decide(Packet.Tcp(Inner, 40001, Host, 80, Ack, 100), null));
        Assert.Equal(DropReason.OwnerUnknown, Decide(Packet.Tcp(Inner, 40002, Host, 80, Ack, 100), null));
        Assert.Equal(DropReason.OwnerUnknown, Decide(Packet.Tcp(Inner, 40003, Host, 80, Ack, 100), null));
        Assert.Equal(1, _flows.Count);
    }

    [Theory]
    [InlineData(Fin)]
    [InlineData(Rst)]
    [InlineData(Ack)] // of TIME_WAIT
    public void Ownerless_packets_pass_on_a_proven_flow_alone(byte flags)
    {
        Assert.Equal(DropReason.OwnerUnknown, Decide(Packet.Tcp(Inner, 40000, Host, 80, flags), null));
        Decide(Packet.Tcp(Inner, 40000, Host, 80, Syn), Alice);
        Assert.Equal(DropReason.None, Decide(Packet.Tcp(Inner, 40000, Host, 80, flags), null, out Flow? flow));
        Assert.NotNull(flow);
        // The exact 5-tuple, nothing near it.
        Assert.Equal(DropReason.OwnerUnknown, Decide(Packet.Tcp(Inner, 40001, Host, 80, flags), null));
        Assert.Equal(DropReason.OwnerUnknown, Decide(Packet.Tcp(Inner, 40000, Host, 81, flags), null));
        Assert.Equal(DropReason.OwnerUnknown, Decide(Packet.Tcp(Inner, 40000, "10.1.2.4", 80, flags), null));
        Assert.Equal(DropReason.OwnerUnknown, Decide(Packet.Udp(Inner, 40000, Host, 80), null));
    }

    [Fact]
    public void A_flow_that_idled_out_carries_no_ownerless_packet()
    {
        Decide(Packet.Udp(Inner, 40000, Host, 53), Alice);
        _now += 180_001;
        Assert.Equal(DropReason.OwnerUnknown, Decide(Packet.Udp(Inner, 40000, Host, 53), null));
    }

    // ---- procfs: a proof stands for a second ----

    [Fact]
    public void In_procfs_mode_a_proof_stands_for_a_while()
    {
        _mode = OwnerLookupMode.Procfs;
        SocketTuple socket = Socket(6, 40000, 80);
        _sockets.Open(socket, Alice);
        Packet data = Packet.Tcp(Inner, 40000, Host, 80, Ack, 10);
        Decide(Packet.Tcp(Inner, 40000, Host, 80, Syn), Alice);
        for (int i = 0; i < 10; i++, _now += 100) Assert.Equal(DropReason.None, Decide(data, Alice));
        Assert.Equal(1, _sockets.Asked);
        _now += 1;
        Assert.Equal(DropReason.None, Decide(data, Alice));
        Assert.Equal(2, _sockets.Asked);
        // Using a cached proof does not prolong it.
        _sockets.Open(socket, Bob);
        _now += OwnerGate.ProofLifetime;
        Assert.Equal(DropReason.None, Decide(data, null));
        _now += 1;
        Assert.Equal(DropReason.NotOwner, Decide(data, null));
    }

    [Fact]
    public void In_procfs_mode_the_kernels_contradiction_beats_the_cache()
    {
        _mode = OwnerLookupMode.Procfs;
        _sockets.Open(Socket(6, 40000, 80), Alice);
        Decide(Packet.Tcp(Inner, 40000, Host, 80, Syn), null);
        Assert.Equal(DropReason.NotOwner, Decide(Packet.Tcp(Inner, 40000, Host, 80, Ack), Bob));
    }

    // ---- ICMP errors made by the kernel ----

    [Fact]
    public void An_icmp_error_leaves_when_it_is_about_a_flow_of_hers()
    {
        Packet error = UnreachableAbout(Packet.Udp(Host, 53, Inner, 40000));
        Assert.Equal(DropReason.OwnerUnknown, Decide(error, null));
        Decide(Packet.Udp(Inner, 40000, Host, 53), Alice);
        Assert.Equal(DropReason.None, Decide(error, null, out Flow? flow));
        Assert.Null(flow);
        Assert.Equal(DropReason.OwnerUnknown, Decide(UnreachableAbout(Packet.Udp(Host, 53, Inner, 40001)), null));
        // It quotes a packet that came to somebody else.
        Assert.Equal(DropReason.OwnerUnknown, Decide(UnreachableAbout(Packet.Udp(Host, 53, "10.77.0.3", 40000)), null));
        Assert.Equal(DropReason.Malformed, Decide(Packet.Icmp(Inner, Host, 3, 3), null));
    }

    [Fact]
    public void The_table_of_flows_is_bounded()
    {
        var flows = new FlowTable(2);
        var gate = new OwnerGate(new OwnerLookup(_mode, _sockets, _sockets), _mode);
        for (ushort port = 1; port <= 3; port++)
        {
            Packet p = Packet.Udp(Inner, port, Host, 53);
            DropReason reason = gate.Decide(flows, Alice, p.Info.Source, p.Info, p.Bytes, Alice, _now, out _);
            Assert.Equal(port <= 2 ? DropReason.None : DropReason.FlowTableFull, reason);
        }
    }

    [Fact]
    public void Deciding_about_a_known_flow_allocates_nothing()
    {
        var gate = new OwnerGate(new OwnerLookup(_mode, _sockets, _sockets), _mode);
        Packet p = Packet.Tcp(Inner, 40000, Host, 80, Ack, 100);
        IpAddr inner = p.Info.Source;
        long allocated = 0;
        for (int round = 0; round < 2; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 1000; i++) gate.Decide(_flows, Alice, inner, p.Info, p.Bytes, Alice, _now, out _);
            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        }
        Assert.Equal(0, allocated);
    }

    private static Packet UnreachableAbout(Packet about) => Packet.Icmp(Inner, Host, 3, 3, body: about.Bytes);

    private DropReason Decide(Packet packet, uint? kernelUid, string? inner = "own") => Decide(packet, kernelUid, out _, inner);

    private DropReason Decide(Packet packet, uint? kernelUid, out Flow? flow, string? inner = "own")
    {
        IpAddr? address = inner is null ? null : IpAddr.Parse(packet.Info.IsV6 ? Inner6 : Inner);
        var gate = new OwnerGate(new OwnerLookup(_mode, _sockets, _sockets), _mode);
        return gate.Decide(_flows, Alice, address, packet.Info, packet.Bytes, kernelUid, _now, out flow);
    }
}
