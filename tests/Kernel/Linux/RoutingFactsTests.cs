using PersonalVpn.Kernel.Support;
using PersonalVpn.Linux;
using PersonalVpn.Packets;
using Xunit.Abstractions;

namespace PersonalVpn.Kernel.Linux;

/// <summary>
/// Measures what of fail-closed routing holds against a socket that its owner bound to the physical interface (SO_BINDTODEVICE needs no
/// privilege). The daemon's rules rest on these facts; a kernel that changes them is noticed here.
/// </summary>
public sealed class RoutingFactsTests : IDisposable
{
    private const uint Alice = 51001;
    private readonly ITestOutputHelper _output;
    private readonly NetworkNamespace _ns = NetworkNamespace.Create("facts");
    private readonly RouteNetlink _route;

    public RoutingFactsTests(ITestOutputHelper output)
    {
        _output = output;
        _route = _ns.Run(() => new RouteNetlink());
        _ns.Exec("ip link add eth0 type veth peer name wire");
        _ns.Exec("ip link set wire up");
        _ns.Exec("ip link set eth0 up");
        _route.AddAddress("eth0", IpAddr.Parse("198.51.100.2"), 24, false);
        _route.AddAddress("eth0", IpAddr.Parse("2001:db8:100::2"), 64, false);
        _ns.Exec("ip route add default via 198.51.100.1 dev eth0");
        _ns.Exec("ip -6 route add default via 2001:db8:100::1 dev eth0");
    }

    public void Dispose()
    {
        _route.Dispose();
        _ns.Dispose();
    }

    public static TheoryData<string, string, string> Cases()
    {
        TheoryData<string, string, string> cases = [];
        foreach (string what in (string[])["none", "unreachable route", "prohibit route", "blackhole route", "prohibit rule", "prohibit rule to prefix"])
            foreach (string to in (string[])["192.0.2.1", "2001:db8:2::1"])
                foreach (string device in (string[])["", "eth0"])
                    cases.Add(what, to, device);
        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void What_stops_a_socket(string what, string destination, string device)
    {
        IpAddr to = IpAddr.Parse(destination);
        IpPrefix all = to.IsV6 ? IpPrefix.AllV6 : IpPrefix.AllV4;
        RuleSpec rule = new() { V6 = to.IsV6, Priority = 5000, Table = 7570, UidStart = Alice };
        switch (what)
        {
            case "unreachable route": _route.AddRoute(new() { Destination = all, Table = 7570, Type = RouteType.Unreachable }); break;
            case "prohibit route": _route.AddRoute(new() { Destination = all, Table = 7570, Type = RouteType.Prohibit }); break;
            case "blackhole route": _route.AddRoute(new() { Destination = all, Table = 7570, Type = RouteType.Blackhole }); break;
            case "prohibit rule": rule = rule with { Action = RuleAction.Prohibit, Table = 0 }; break;
            case "prohibit rule to prefix":
                rule = rule with { Action = RuleAction.Prohibit, Table = 0, To = new IpPrefix(to, to.IsV6 ? 48 : 24) };
                break;
        }

        if (what != "none") _route.AddRule(rule);
        string result = SendAsAlice(destination, device);
        bool sent = result == "sent";
        _output.WriteLine($"{what} | {(to.IsV6 ? "IPv6" : "IPv4")} | bound to '{device}': {result}");

        // IPv4: no rule and no route stops a bound socket: when the lookup fails and an output interface is given, the kernel
        // assumes that the destination is on that link (ip_route_output_key_hash_rcu, "Apparently, routing tables are wrong") and
        // asks for it by ARP. IPv6: a route that refuses is on lo, so a lookup for eth0 passes it by and goes on to the main table;
        // a rule that refuses holds. What must hold for bound sockets needs a firewall rule.
        bool bound = device.Length > 0;
        bool expected = what == "none" || (bound && (!to.IsV6 || what.EndsWith("route", StringComparison.Ordinal)));
        Assert.True(expected == sent, $"{what}, {destination}, device '{device}': {result}");
    }

    /// <summary>A real socket of hers: created by her process, UDP, one datagram.</summary>
    private string SendAsAlice(string destination, string device)
    {
        string family = destination.Contains(':', StringComparison.Ordinal) ? "AF_INET6" : "AF_INET";
        string code = $"""
            import socket
            s = socket.socket(socket.{family}, socket.SOCK_DGRAM)
            if '{device}': s.setsockopt(socket.SOL_SOCKET, 25, b'{device}')
            try:
                s.sendto(b'x', ('{destination}', 9)); print('sent')
            except OSError as e: print(e.strerror)
            """;
        using System.Diagnostics.Process process = _ns.StartAs(Alice, "/usr/bin/python3", "-c", code);
        string output = process.StandardOutput.ReadToEnd() + process.StandardError.ReadToEnd();
        process.WaitForExit();
        return output.Trim();
    }
}
