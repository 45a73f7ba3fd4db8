using PersonalVpn.Kernel.Support;
using PersonalVpn.Linux;
using PersonalVpn.Packets;

namespace PersonalVpn.Kernel.Linux;

public sealed class RouteNetlinkTests : IDisposable
{
    private const uint Alice = 51001;
    private readonly NetworkNamespace _ns = NetworkNamespace.Create("route");
    private readonly RouteNetlink _route;

    public RouteNetlinkTests()
    {
        _route = _ns.Run(() => new RouteNetlink());
        _ns.Run(() => TunDevice.SetPersistent("pvpn0", true));
    }

    public void Dispose()
    {
        _route.Dispose();
        _ns.Dispose();
    }

    [Fact]
    public void Links_are_found_changed_and_deleted()
    {
        _route.SetLink("pvpn0", up: true, mtu: 1380, txQueueLength: 5000, group: 7);
        LinkEntry link = Assert.Single(_route.ListLinks(), l => l.Name == "pvpn0");
        Assert.True(link.Up);
        Assert.Equal(1380, link.Mtu);
        Assert.Equal(5000, link.TxQueueLength);
        Assert.Equal(7u, link.Group);
        Assert.Equal("tun", link.Kind);
        Assert.Equal(link.Index, _route.GetLinkIndex("pvpn0"));
        _route.SetLink("pvpn0", up: false);
        Assert.False(_route.TryGetLink("pvpn0")!.Up);
        Assert.True(_route.DeleteLink("pvpn0"));
        Assert.False(_route.DeleteLink("pvpn0"));
        LinuxException gone = Assert.Throws<LinuxException>(() => _route.GetLinkIndex("pvpn0"));
        Assert.Equal("interface pvpn0: No such device", gone.Message);
    }

    [Theory]
    [InlineData("10.77.0.2", 32)]
    [InlineData("10.77.0.2", 24)]
    [InlineData("fd77::2", 128)]
    [InlineData("fd77::2", 64)]
    public void Addresses_come_and_go_and_both_may_be_repeated(string text, int length)
    {
        IpAddr address = IpAddr.Parse(text);
        _route.SetLink("pvpn0", up: true);
        for (int i = 0; i < 2; i++) _route.AddAddress("pvpn0", address, length, noPrefixRoute: true);
        AddressEntry entry = Assert.Single(_route.ListAddresses("pvpn0"), a => a.Address == address);
        Assert.Equal(length, entry.PrefixLength);
        Assert.True(entry.NoPrefixRoute);
        Assert.False(entry.Tentative);
        Assert.True(_route.DeleteAddress("pvpn0", address, length));
        Assert.False(_route.DeleteAddress("pvpn0", address, length));
        Assert.DoesNotContain(_route.ListAddresses("pvpn0"), a => a.Address == address);
    }

    [Theory]
    [InlineData("10.77.0.2", "192.0.2.0/24", "0.0.0.0/0")]
    [InlineData("fd77::2", "2001:db8::/32", "::/0")]
    public void Routes_come_and_go_and_both_may_be_repeated(string source, string destination, string all)
    {
        IpAddr address = IpAddr.Parse(source);
        _route.SetLink("pvpn0", up: true);
        _route.AddAddress("pvpn0", IpPrefix.Host(address), noPrefixRoute: true);
        RouteSpec tunnelled = new()
        {
            Destination = IpPrefix.Parse(destination), Table = 7570, Device = "pvpn0", PreferredSource = address, Metric = 50,
            Mtu = 1300, AdvMss = 1240,
        };
        RouteSpec closed = new() { Destination = IpPrefix.Parse(all), Table = 7570, Type = RouteType.Unreachable, Metric = 4000 };
        for (int i = 0; i < 2; i++)
        {
            _route.AddRoute(tunnelled);
            _route.AddRoute(closed);
        }

        Assert.Equal([tunnelled, closed], _route.ListRoutes(7570).OrderBy(r => r.Metric));
        Assert.True(_route.DeleteRoute(tunnelled));
        Assert.False(_route.DeleteRoute(tunnelled));
        _route.AddRoute(tunnelled);
        Assert.Equal(2, _route.FlushTable(7570));
        Assert.Empty(_route.ListRoutes(7570));
        Assert.Equal(0, _route.FlushTable(7570));
        Assert.Empty(_route.ListRoutes(123456));
    }

    [Theory]
    [InlineData(false, "192.0.2.0/24")]
    [InlineData(true, "2001:db8::/32")]
    public void Rules_come_and_go_and_both_may_be_repeated(bool v6, string to)
    {
        int before = _route.ListRules(v6).Count;
        RuleSpec[] rules =
        [
            new() { V6 = v6, Priority = 5001, Table = 7570, UidStart = Alice, UidEnd = Alice, To = IpPrefix.Parse(to) },
            new() { V6 = v6, Priority = 5002, Table = 200, FwMark = 0x10, FwMask = 0xff },
            new() { V6 = v6, Priority = 5003, Action = RuleAction.Prohibit, UidStart = Alice, UidEnd = Alice + 5 },
            new() { V6 = v6, Priority = 5004, Action = RuleAction.Unreachable, From = IpPrefix.Parse(to) },
            new() { V6 = v6, Priority = 5005, Action = RuleAction.Blackhole, InInterface = "pvpn0" },
            new() { V6 = v6, Priority = 5006, Action = RuleAction.Goto, GotoPriority = 32766, OutInterface = "lo", IpProtocol = 6 },
            new() { V6 = v6, Priority = 5007, Table = 254, SuppressPrefixLength = 0, Invert = true, FwMark = 1, FwMask = uint.MaxValue },
        ];
        for (int i = 0; i < 2; i++)
            foreach (RuleSpec rule in rules) _route.AddRule(rule);
        IReadOnlyList<RuleSpec> listed = _route.ListRules(v6);
        Assert.Equal(before + rules.Length, listed.Count);
        foreach (RuleSpec rule in rules) Assert.Equal(rule, Assert.Single(listed, r => r.Priority == rule.Priority));
        Assert.True(_route.DeleteRule(rules[0]));
        Assert.False(_route.DeleteRule(rules[0]));

        // Another maker's rule, the same in all else, stays.
        _route.AddRule(rules[0] with { Protocol = RouteProtocol.Static });
        Assert.False(_route.DeleteRule(rules[0]));
        Assert.Equal(rules.Length - 1, _route.FlushRules());
        Assert.Equal(before + 1, _route.ListRules(v6).Count);
    }

    [Theory]
    [InlineData("10.77.0.2", "192.0.2.1")]
    [InlineData("fd77::2", "2001:db8::1")]
    public void The_kernel_says_where_a_users_packet_goes(string source, string destination)
    {
        IpAddr address = IpAddr.Parse(source), to = IpAddr.Parse(destination);
        _route.SetLink("pvpn0", up: true);
        _route.AddAddress("pvpn0", IpPrefix.Host(address), noPrefixRoute: true);
        _route.AddRoute(new() { Destination = IpPrefix.Host(to), Table = 7570, Device = "pvpn0", PreferredSource = address });
        _route.AddRule(new() { V6 = to.IsV6, Priority = 5000, Table = 7570, UidStart = Alice });
        RouteAnswer hers = _route.GetRoute(to, uid: Alice);
        Assert.True(hers.Reachable);
        Assert.Equal(7570, hers.Table);
        Assert.Equal("pvpn0", hers.OutInterface);
        Assert.Equal(address, hers.PreferredSource);
        RouteAnswer others = _route.GetRoute(to, uid: Alice + 1);
        Assert.Equal(Errno.ENETUNREACH, others.Error);
        Assert.False(others.Reachable);

        // The transport's mark goes around the tunnel.
        _route.AddRule(new() { V6 = to.IsV6, Priority = 4999, Action = RuleAction.Prohibit, FwMark = 0x7570 });
        Assert.Equal(Errno.EACCES, _route.GetRoute(to, uid: Alice, mark: 0x7570).Error);
        Assert.Equal((0, RouteType.Local), (_route.GetRoute(address, uid: Alice).Error, _route.GetRoute(address, uid: Alice).Type));
    }

    [Fact]
    public void A_refusal_says_what_and_why()
    {
        LinuxException e = Assert.Throws<LinuxException>(
            () => _route.AddRoute(new() { Destination = IpPrefix.Parse("192.0.2.0/24"), Table = 7570, Device = "pvpn0" }));
        Assert.Equal("add route 192.0.2.0/24 table 7570 dev pvpn0: Network is down (Device for nexthop is not up)", e.Message);
    }
}
