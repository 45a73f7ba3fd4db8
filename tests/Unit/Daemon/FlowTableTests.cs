using PersonalVpn.Daemon.Flows;
using PersonalVpn.Packets;
using Xunit;
using static PersonalVpn.Unit.DaemonTests.Gates;

namespace PersonalVpn.Unit.DaemonTests;

public sealed class FlowTableTests
{
    private const long Now = 1_000_000;

    [Theory]
    [InlineData(17, 180_000)]
    [InlineData(136, 180_000)]
    [InlineData(1, 30_000)]
    [InlineData(58, 30_000)]
    [InlineData(6, 130_000)] // a SYN without an answer
    public void A_flow_is_forgotten_when_it_idles(byte protocol, long limit)
    {
        var table = new FlowTable();
        Flow flow = table.Add(Key(1, protocol), Now)!;
        Assert.Same(flow, table.Find(flow.Key, Now + limit));
        Assert.Null(table.Find(flow.Key, Now + limit + 1));
        Assert.Equal(0, table.Count);
    }

    [Fact]
    public void A_connections_life()
    {
        Flow flow = new FlowTable().Add(Key(1), Now)!;
        FlowTable.Follow(flow, Syn, outbound: true, Now);
        Assert.Equal(FlowPhase.Opening, flow.Phase);
        FlowTable.Follow(flow, SynAck, outbound: false, Now);
        Assert.Equal((FlowPhase.Open, 7_500_000L), (flow.Phase, flow.IdleLimit));
        FlowTable.Follow(flow, Fin, outbound: true, Now);
        Assert.Equal(FlowPhase.Open, flow.Phase); // half closed: the other direction may last
        FlowTable.Follow(flow, Ack, outbound: false, Now);
        Assert.Equal(FlowPhase.Open, flow.Phase);
        FlowTable.Follow(flow, Fin, outbound: false, Now + 5);
        Assert.Equal((FlowPhase.Closed, 120_000L, Now + 5), (flow.Phase, flow.IdleLimit, flow.LastSeen));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_reset_closes(bool outbound)
    {
        Flow flow = new FlowTable().Add(Key(1), Now)!;
        FlowTable.Follow(flow, TcpFlags.Rst, outbound, Now);
        Assert.Equal(FlowPhase.Closed, flow.Phase);
    }

    [Fact]
    public void Adding_twice_gives_the_same_flow()
    {
        var table = new FlowTable();
        Assert.Same(table.Add(Key(1), Now), table.Add(Key(1), Now + 1));
        Assert.Equal(1, table.Count);
    }

    [Fact]
    public void A_full_table_makes_room_from_idle_flows_only()
    {
        var table = new FlowTable(capacity: 2);
        table.Add(Key(1, 17), Now);
        table.Add(Key(2, 17), Now + 100_000);
        Assert.Null(table.Add(Key(3, 17), Now + 150_000));
        Assert.NotNull(table.Add(Key(3, 17), Now + 190_000));
        Assert.Null(table.Find(Key(1, 17), Now + 190_000));
        Assert.NotNull(table.Find(Key(2, 17), Now + 190_000));
    }

    /// <summary>Whoever keeps the table full does not make each packet search it.</summary>
    [Fact]
    public void A_full_table_is_searched_once_a_second()
    {
        var table = new FlowTable(capacity: 1);
        table.Add(Key(1, 17), Now);
        Assert.Null(table.Add(Key(2, 17), Now + 179_500));
        Assert.Null(table.Add(Key(2, 17), Now + 180_400));
        Assert.NotNull(table.Add(Key(2, 17), Now + 180_500));
    }

    /// <summary>Flows that the kernel lets pass by itself: nobody tells when they end, so the newest replace the oldest.</summary>
    [Fact]
    public void Of_noted_flows_the_newest_are_remembered()
    {
        var table = new FlowTable(capacity: 8);
        for (ushort port = 1; port <= 100; port++) table.Note(Key(port), Now);
        Assert.True(table.Count <= 8);
        Assert.NotNull(table.Find(Key(100), Now));
        Assert.NotNull(table.Find(Key(97), Now));
        Assert.Null(table.Find(Key(1), Now));
    }

    [Fact]
    public void Noted_flows_leave_room_for_proven_ones()
    {
        var table = new FlowTable(capacity: 8);
        for (ushort port = 1; port <= 100; port++) table.Note(Key(port), Now);
        Assert.NotNull(table.Add(Key(200), Now));
    }

    [Fact]
    public void A_noted_flow_is_not_noted_twice_and_lives_anew()
    {
        var table = new FlowTable(capacity: 8);
        Flow flow = table.Note(Key(1, 17), Now);
        Assert.Same(flow, table.Note(Key(1, 17), Now + 170_000));
        Assert.Equal(1, table.Count);
        Assert.NotNull(table.Find(Key(1, 17), Now + 340_000));
    }

    private static FlowKey Key(ushort port, byte protocol = 6) => new(protocol, IpAddr.Parse(Inner), port, IpAddr.Parse(Host), 80);
}
