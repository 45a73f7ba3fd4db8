using PersonalVpn.Linux;
using PersonalVpn.Packets;

namespace PersonalVpn.Daemon.Tunnels;

/// <summary>
/// A tunnel's device: an anchor for routing without a reader, so that what slips past the gate goes nowhere; or one whose reader is
/// the owner's process, for these inner addresses.
/// </summary>
internal sealed record PlannedDevice(string Name, int Mtu, IpAddr? ReaderV4 = null, IpAddr? ReaderV6 = null)
{
    /// <summary>Inner addresses of a device with a reader; none without.</summary>
    public IEnumerable<IpAddr> Readers => new[] { ReaderV4, ReaderV6 }.OfType<IpAddr>();
}

/// <summary>An inner address and the device it is on: IPv4 the tunnel's own, IPv6 <see cref="Marks.AddressDeviceV6"/>.</summary>
internal sealed record PlannedAddress(string Device, IpAddr Address);

/// <summary>
/// What the kernel should hold for a set of tunnels: pure, so that it can be tested without a kernel, and so that opening, blocking,
/// taking over and cleaning up are all the same operation: make it so.
/// <list type="bullet">
/// <item>Every destination has an <c>unreachable</c> route beneath the tunnel's; a blocked tunnel keeps only that, so nothing of the
/// owner's goes out in clear while it is down, when its device disappears, or through a socket bound to another device.</item>
/// <item>A tunnel that carries the whole of one address family closes the other.</item>
/// </list>
/// </summary>
internal sealed class KernelPlan
{
    public HashSet<PlannedDevice> Devices { get; } = [];
    public HashSet<PlannedAddress> Addresses { get; } = [];
    public HashSet<RouteSpec> Routes { get; } = [];
    public HashSet<RuleSpec> Rules { get; } = [];
    public FirewallRules Firewall { get; } = new();

    /// <summary>The plan for these tunnels.</summary>
    public static KernelPlan For(IEnumerable<TunnelState> tunnels)
    {
        var plan = new KernelPlan();
        foreach (TunnelState t in tunnels) plan.Add(t);
        return plan;
    }

    /// <summary>Destinations, plus the other family when one is carried whole.</summary>
    public static IEnumerable<IpPrefix> Claimed(IReadOnlyList<IpPrefix> routes)
    {
        foreach (IpPrefix p in routes) yield return p;
        bool allV4 = CoversFamily(routes, false), allV6 = CoversFamily(routes, true);
        if (allV4 && !allV6) yield return IpPrefix.AllV6;
        if (allV6 && !allV4) yield return IpPrefix.AllV4;
    }

    /// <summary>True when the routes together cover a whole address family (0.0.0.0/0, or 0.0.0.0/1 and 128.0.0.0/1, ...).</summary>
    public static bool CoversFamily(IReadOnlyList<IpPrefix> routes, bool v6)
    {
        var next = UInt128.Zero;
        UInt128 last = v6 ? UInt128.MaxValue : uint.MaxValue;
        foreach (IpPrefix p in routes.Where(p => p.IsV6 == v6).OrderBy(p => p.Address).ThenBy(p => p.Length))
        {
            if (p.Address.Value > next) return false;
            int host = p.Address.Bits - p.Length;
            UInt128 end = host == 128 ? UInt128.MaxValue : p.Address.Value + ((UInt128.One << host) - 1);
            if (end >= last) return true;
            if (end >= next) next = end + 1;
        }
        return false;
    }

    private void Add(TunnelState t)
    {
        Devices.Add(t.FastPath ? new PlannedDevice(t.Device, t.Mtu, t.AddressV4, t.AddressV6) : new PlannedDevice(t.Device, t.Mtu));
        foreach (IpAddr address in t.Addresses)
        {
            Addresses.Add(new PlannedAddress(address.IsV6 ? Marks.AddressDeviceV6 : t.Device, address));
            Firewall.Guarded.Add(address);
            if (t.IsUp && t.FastPath) Firewall.Fast.Add(new FastPath(t.Device, address, t.Uid));
            AddInnerSource(t, address);
        }
        foreach (IpPrefix destination in Claimed(t.Routes))
        {
            AddBlock(t, destination);
            if (t.IsUp && t.Address(destination.IsV6) is { } source && t.Routes.Contains(destination))
                Routes.Add(new RouteSpec { Destination = destination, Table = t.Table, Device = t.Device, PreferredSource = source, Metric = Marks.TunnelMetric });
        }
    }

    // The owner's unmarked packets look into the owner's table, where the destination is unreachable unless the tunnel is up.
    private void AddBlock(TunnelState t, IpPrefix destination)
    {
        Routes.Add(new RouteSpec { Destination = destination, Table = t.Table, Type = RouteType.Unreachable, Metric = Marks.BlockMetric });
        Firewall.Blocked.Add((t.Uid, destination));
        Rules.Add(new RuleSpec
        {
            V6 = destination.IsV6,
            Priority = Marks.UserRulePriority,
            UidStart = t.Uid,
            UidEnd = t.Uid,
            FwMark = 0,
            FwMask = Marks.Mask,
            Table = t.Table,
        });
    }

    // Packets from an inner address look there too, whoever sends them (a closed connection's last ACK has no user any more, and a
    // stranger may have bound the address: the gate decides); what the table does not route goes nowhere.
    private void AddInnerSource(TunnelState t, IpAddr address)
    {
        var source = IpPrefix.Host(address);
        Rules.Add(new RuleSpec { V6 = address.IsV6, Priority = Marks.InnerSourceRulePriority, From = source, Table = t.Table });
        Rules.Add(new RuleSpec { V6 = address.IsV6, Priority = Marks.InnerSourceGuardPriority, From = source, Action = RuleAction.Prohibit });
    }
}
