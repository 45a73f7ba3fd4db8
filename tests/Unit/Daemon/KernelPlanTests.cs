using PersonalVpn.Daemon.Tunnels;
using PersonalVpn.Linux;
using PersonalVpn.Packets;
using Xunit;
using static PersonalVpn.Unit.DaemonTests.Gates;

namespace PersonalVpn.Unit.DaemonTests;

/// <summary>What the kernel is told to hold, without a kernel.</summary>
public sealed class KernelPlanTests
{
    [Theory]
    [InlineData("0.0.0.0/0", true, false)]
    [InlineData("::/0", false, true)]
    [InlineData("0.0.0.0/1 128.0.0.0/1", true, false)]
    [InlineData("128.0.0.0/1 0.0.0.0/1", true, false)]
    [InlineData("0.0.0.0/2 64.0.0.0/2 128.0.0.0/2 192.0.0.0/3 224.0.0.0/3", true, false)]
    [InlineData("0.0.0.0/1 10.0.0.0/8 128.0.0.0/1", true, false)]
    [InlineData("0.0.0.0/1", false, false)]
    [InlineData("128.0.0.0/1", false, false)]
    [InlineData("0.0.0.0/1 128.0.0.0/2", false, false)]
    [InlineData("0.0.0.0/1 128.0.0.0/2 192.0.0.1/32", false, false)]
    [InlineData("10.0.0.0/8", false, false)]
    [InlineData("::/1 8000::/1", false, true)]
    [InlineData("::/1 8000::/2", false, false)]
    [InlineData("0.0.0.0/1 8000::/1", false, false)] // halves of different families
    [InlineData("0.0.0.0/0 ::/0", true, true)]
    public void A_family_carried_whole(string routes, bool v4, bool v6)
    {
        IpPrefix[] prefixes = Prefixes(routes);
        Assert.Equal((v4, v6), (KernelPlan.CoversFamily(prefixes, false), KernelPlan.CoversFamily(prefixes, true)));
    }

    [Theory]
    [InlineData("10.0.0.0/8", "10.0.0.0/8")]
    [InlineData("0.0.0.0/0", "0.0.0.0/0 ::/0")]
    [InlineData("0.0.0.0/1 128.0.0.0/1", "0.0.0.0/1 128.0.0.0/1 ::/0")]
    [InlineData("0.0.0.0/0 fd00::/8", "0.0.0.0/0 fd00::/8 ::/0")]
    [InlineData("::/0", "::/0 0.0.0.0/0")]
    [InlineData("0.0.0.0/0 ::/0", "0.0.0.0/0 ::/0")]
    public void The_other_family_is_claimed_too(string routes, string claimed) => Assert.Equal(Prefixes(claimed), KernelPlan.Claimed(Prefixes(routes)));

    [Fact]
    public void A_tunnel_that_is_up()
    {
        using var up = new Up(NewTunnel("10.1.0.0/16", "fd01::/16"));
        KernelPlan plan = KernelPlan.For([up.Tunnel]);
        Assert.Equal([new PlannedDevice("pvpn0", 1500)], plan.Devices);
        Assert.Equal(["10.77.0.2", "fd77::2"], plan.Addresses.Select(a => a.Address.ToString()));
        Assert.Equal(
        [
            "10.1.0.0/16 dev pvpn0 src 10.77.0.2 metric 10", "10.1.0.0/16 unreachable metric 4000000",
            "fd01::/16 dev pvpn0 src fd77::2 metric 10", "fd01::/16 unreachable metric 4000000",
        ], plan.Routes.Select(Text).Order(StringComparer.Ordinal));
        Assert.All(plan.Routes, r => Assert.Equal((7_570_000, Marks.RouteProtocol), (r.Table, r.Protocol)));
    }

    [Fact]
    public void A_blocked_tunnel_has_only_unreachable_routes()
    {
        KernelPlan plan = KernelPlan.For([NewTunnel("10.1.0.0/16", "fd01::/16", "0.0.0.0/0")]);
        Assert.NotEmpty(plan.Routes);
        Assert.All(plan.Routes, r => Assert.Equal((RouteType.Unreachable, null), (r.Type, r.Device)));
        Assert.Contains(plan.Routes, r => r.Destination == IpPrefix.AllV6);
    }

    [Fact]
    public void Blocking_takes_away_routes_into_the_device_and_nothing_else()
    {
        TunnelState tunnel = NewTunnel("0.0.0.0/0");
        KernelPlan blocked = KernelPlan.For([tunnel]), open;
        using (var up = new Up(tunnel)) open = KernelPlan.For([up.Tunnel]);
        Assert.Equal(["0.0.0.0/0 dev pvpn0 src 10.77.0.2 metric 10"], open.Routes.Except(blocked.Routes).Select(Text));
        Assert.Empty(blocked.Routes.Except(open.Routes));
        Assert.True(open.Rules.SetEquals(blocked.Rules) && open.Devices.SetEquals(blocked.Devices) && open.Addresses.SetEquals(blocked.Addresses));
        Assert.True(open.Firewall.SameAs(blocked.Firewall));
    }

    [Fact]
    public void Default_in_one_family_closes_the_other()
    {
        using var up = new Up(NewTunnel("0.0.0.0/0"));
        KernelPlan plan = KernelPlan.For([up.Tunnel]);
        Assert.Equal(["::/0 unreachable metric 4000000"], plan.Routes.Where(r => r.Destination.IsV6).Select(Text));
        Assert.Contains(plan.Rules, r => r.V6 && r.Priority == Marks.UserRulePriority && r.UidStart == Alice);
        Assert.Contains((Alice, IpPrefix.AllV6), plan.Firewall.Blocked);
    }

    [Fact]
    public void Rules_of_one_user()
    {
        KernelPlan plan = KernelPlan.For([NewTunnel("10.1.0.0/16")]);
        RuleSpec user = Assert.Single(plan.Rules, r => r.Priority == Marks.UserRulePriority);
        Assert.Equal((false, (uint?)Alice, (uint?)Alice, (uint?)0, (uint?)Marks.Mask, 7_570_000), (user.V6, user.UidStart, user.UidEnd, user.FwMark, user.FwMask, user.Table));
        foreach (IpPrefix inner in Prefixes("10.77.0.2/32 fd77::2/128"))
        {
            RuleSpec look = Assert.Single(plan.Rules, r => r.Priority == Marks.InnerSourceRulePriority && r.From == inner);
            Assert.Equal((inner.IsV6, RuleAction.ToTable, 7_570_000, (uint?)null), (look.V6, look.Action, look.Table, look.UidStart));
            RuleSpec guard = Assert.Single(plan.Rules, r => r.Priority == Marks.InnerSourceGuardPriority && r.From == inner);
            Assert.Equal((inner.IsV6, RuleAction.Prohibit), (guard.V6, guard.Action));
        }
        Assert.Equal(5, plan.Rules.Count);
        Assert.All(plan.Rules, r => Assert.Equal(Marks.RouteProtocol, r.Protocol));
        Assert.True(Marks.InnerSourceRulePriority < Marks.InnerSourceGuardPriority);
        Assert.True(plan.Firewall.Guarded.SetEquals([IpAddr.Parse(Inner), IpAddr.Parse(Inner6)]));
        Assert.True(plan.Firewall.Blocked.SetEquals([(Alice, IpPrefix.Parse("10.1.0.0/16"))]));
    }

    [Fact]
    public void No_tunnels_no_plan()
    {
        KernelPlan plan = KernelPlan.For([]);
        Assert.Equal(0, plan.Devices.Count + plan.Addresses.Count + plan.Routes.Count + plan.Rules.Count);
        Assert.Equal(0, plan.Firewall.Guarded.Count + plan.Firewall.Blocked.Count);
    }

    private static IpPrefix[] Prefixes(string texts) => [.. texts.Split(' ').Select(IpPrefix.Parse)];

    private static string Text(RouteSpec r) =>
        $"{r.Destination} {(r.Device is null ? "unreachable" : $"dev {r.Device} src {r.PreferredSource}")} metric {r.Metric}";

    // A tunnel is up while it has a channel.
    private sealed class Up : IDisposable
    {
        private readonly LinuxSocket _other;

        public Up(TunnelState tunnel)
        {
            Tunnel = tunnel;
            (tunnel.Channel, _other) = LinuxSocket.SeqPacketPair(1 << 16);
        }

        public TunnelState Tunnel { get; }

        public void Dispose()
        {
            Tunnel.Channel!.Dispose();
            Tunnel.Channel = null;
            _other.Dispose();
        }
    }
}
