using PersonalVpn.Packets;

namespace PersonalVpn.Daemon.Tunnels;

/// <summary>A tunnel's device: an anchor for routing without a reader, so that what slips past the gate goes nowhere.</summary>
internal sealed record PlannedDevice(string Name, int Mtu);

/// <summary>An inner address on its device.</summary>
internal sealed record PlannedAddress(string Device, IpAddr Address);

/// <summary>A route in a user's table: into a device, or unreachable when <paramref name="Device"/> is null.</summary>
internal sealed record PlannedRoute(int Table, IpPrefix Destination, string? Device, IpAddr? Source);

/// <summary>What a policy rule selects.</summary>
internal enum PlannedRuleKind
{
    /// <summary>The user's unmarked packets look into the user's table.</summary>
    User,

    /// <summary>Packets from an inner address, whoever sends them, look there too.</summary>
    InnerSource,

    /// <summary>Packets from an inner address that its table does not route go nowhere.</summary>
    InnerSourceGuard,
}

/// <summary>A policy rule.</summary>
internal sealed record PlannedRule(PlannedRuleKind Kind, bool V6, uint Uid, IpAddr? Source, int Table);

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
    public HashSet<PlannedRoute> Routes { get; } = [];
    public HashSet<PlannedRule> Rules { get; } = [];

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
        Devices.Add(new PlannedDevice(t.Device, t.Mtu));
        foreach (IpAddr address in new[] { t.AddressV4, t.AddressV6 }.OfType<IpAddr>())
        {
            Addresses.Add(new PlannedAddress(t.Device, address));
            Rules.Add(new PlannedRule(PlannedRuleKind.InnerSource, address.IsV6, t.Uid, address, t.Table));
            Rules.Add(new PlannedRule(PlannedRuleKind.InnerSourceGuard, address.IsV6, t.Uid, address, t.Table));
        }
        foreach (IpPrefix destination in Claimed(t.Routes))
        {
            Routes.Add(new PlannedRoute(t.Table, destination, null, null));
            if (t.IsUp && t.Address(destination.IsV6) is { } source && t.Routes.Contains(destination))
                Routes.Add(new PlannedRoute(t.Table, destination, t.Device, source));
            Rules.Add(new PlannedRule(PlannedRuleKind.User, destination.IsV6, t.Uid, null, t.Table));
        }
    }
}
