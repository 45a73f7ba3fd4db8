using Microsoft.Extensions.Logging;
using PersonalVpn.Linux;
using PersonalVpn.Packets;

namespace PersonalVpn.Daemon.Tunnels;

/// <summary>
/// Makes the kernel hold a <see cref="KernelPlan"/>, by the difference to what it holds. Order is safety: what blocks is there before
/// what opens, rules come last and go first, and nothing is removed before its replacement stands. One failure of an undo spares
/// the rest. Control thread only.
/// </summary>
internal sealed partial class KernelState : IDisposable
{
    private readonly ILogger _log;
    private readonly RouteNetlink _netlink = new();
    private readonly FirewallWatch _watch = new();
    private readonly RuleTree[] _userRules, _sourceRules;
    private KernelPlan _applied = new();
    private bool? _canGuardDevices;

    public KernelState(ILogger log)
    {
        _log = log;
        _userRules = [.. Families.Select(v6 => Tree(v6, Marks.UserRulePriority, Marks.InnerSourceRulePriority - 1))];
        _sourceRules = [.. Families.Select(v6 => Tree(v6, Marks.InnerSourceRulePriority, Marks.LastRulePriority))];
    }

    /// <summary>False on a host without IPv6; v6 parts of a plan are then left out (such a host has nothing to leak).</summary>
    public static bool HasIpv6 { get; } = File.Exists("/proc/net/if_inet6");

    public RouteNetlink Netlink => _netlink;

    /// <summary>A device may have a reader: this host can guard it (asked once).</summary>
    public bool CanGuardDevices => _canGuardDevices ??= FindGuard();

    private static bool[] Families => HasIpv6 ? [false, true] : [false];

    /// <summary>Goes from what was applied before to this plan.</summary>
    /// <exception cref="IOException">The kernel refused an addition; what is there may be undone by applying the former plan.</exception>
    public void Apply(KernelPlan plan)
    {
        KernelPlan before = _applied;
        // From here on both count as applied: after a failure, applying the former plan removes the additions.
        _applied = Union(before, plan);

        foreach (PlannedDevice device in plan.Devices.Except(before.Devices)) CreateDevice(device);
        foreach (PlannedAddress a in plan.Addresses.Except(before.Addresses).Where(a => Supported(a.Address.IsV6)))
            _netlink.AddAddress(a.Device, a.Address, a.Address.Bits, noPrefixRoute: true);
        foreach (RouteSpec r in plan.Routes.Except(before.Routes).Where(r => Supported(r.Destination.IsV6)).OrderBy(r => r.Device is not null)) _netlink.AddRoute(r);
        SetSourceRules(_applied);
        SetUserRules(_applied);
        if (!_applied.Firewall.SameAs(before.Firewall)) _watch.Change(() => Firewall.Set(before.Firewall, _applied.Firewall));

        Undo(() => SetUserRules(plan));
        Undo(() => SetSourceRules(plan));
        foreach (RouteSpec r in before.Routes.Except(plan.Routes).Where(r => Supported(r.Destination.IsV6)).OrderBy(r => r.Device is null)) Undo(() => _netlink.DeleteRoute(r));
        foreach (PlannedAddress a in before.Addresses.Except(plan.Addresses).Where(a => Supported(a.Address.IsV6) && (a.Device == Marks.AddressDeviceV6 || plan.Devices.Any(d => d.Name == a.Device))))
            Undo(() => _netlink.DeleteAddress(a.Device, IpPrefix.Host(a.Address)));
        foreach (string name in before.Devices.Select(d => d.Name).Except(plan.Devices.Select(d => d.Name))) Undo(() => DeleteDevice(name));
        if (!plan.Firewall.SameAs(_applied.Firewall)) Undo(() => _watch.Change(() => Firewall.Set(_applied.Firewall, plan.Firewall)));
        _applied = plan;
    }

    /// <summary>
    /// At the start: makes this plan hold whatever a crash left, then removes everything of ours (known by routing protocol number
    /// and device name) that is not in it. Additions are idempotent, so nothing opens in between.
    /// </summary>
    public void Adopt(KernelPlan plan)
    {
        var found = new KernelPlan();
        foreach (bool v6 in Families)
            foreach (RuleSpec rule in _netlink.ListRules(v6).Where(r => r.Protocol == Marks.RouteProtocol)) found.Rules.Add(rule);
        var tables = found.Rules.Where(r => r.Action == RuleAction.ToTable).Select(r => r.Table)
            .Concat(Enumerable.Range(Marks.FirstTable, 256)).Where(t => t >= Marks.FirstTable).Distinct();
        foreach (RouteSpec route in tables.SelectMany(_netlink.ListRoutes).Where(r => r.Protocol == Marks.RouteProtocol)) found.Routes.Add(route);
        foreach (LinkEntry link in _netlink.ListLinks().Where(l => l.Kind == "tun" && IsOurs(l.Name))) found.Devices.Add(new PlannedDevice(link.Name, link.Mtu));
        int left = found.Rules.Count + found.Routes.Count + found.Devices.Count;

        // The new trees stand beside what is left of the old ones; the old entries come first and go first.
        foreach (RuleTree tree in _userRules.Concat(_sourceRules)) tree.Avoid(found.Rules.Select(r => r.Priority));
        Apply(plan);
        RuleTree[] trees = [.. _userRules, .. _sourceRules];
        foreach (RuleSpec r in found.Rules.OrderBy(r => r.Priority).Where(f => !trees.Any(t => t.IsEnd(f)))) Undo(() => _netlink.DeleteRule(r));
        foreach (RouteSpec r in found.Routes.Where(f => !plan.Routes.Any(p => Same(p, f)))) Undo(() => _netlink.DeleteRoute(r));
        foreach (IpPrefix a in found.Rules.Where(r => r.V6 && r.Action == RuleAction.ToTable).Select(r => r.From).OfType<IpPrefix>())
            if (plan.Addresses.All(p => p.Address != a.Address)) Undo(() => _netlink.DeleteAddress(Marks.AddressDeviceV6, a));
        foreach (PlannedDevice d in found.Devices.Where(f => plan.Devices.All(p => p.Name != f.Name))) Undo(() => DeleteDevice(d.Name));
        if (left > 0) LogAdopted(left, plan.Devices.Count);
    }

    /// <summary>False when somebody has removed or changed rules of ours; asked every second, it costs a look only when something changed.</summary>
    public bool IsFirewallInPlace()
    {
        if (!_watch.MayHaveChanged) return true;
        _watch.Looking();
        if (Firewall.IsInPlace(_applied.Firewall)) return true;
        _watch.Forget();
        return false;
    }

    public void Dispose()
    {
        _watch.Dispose();
        _netlink.Dispose();
    }

    private bool FindGuard()
    {
        if (DeviceGuard.Try() is not { } complaint) return true;
        LogNoGuard(complaint);
        return false;
    }

    private static bool Supported(bool v6) => !v6 || HasIpv6;

    private static bool IsOurs(string name) =>
        name.StartsWith(Marks.DevicePrefix, StringComparison.Ordinal) && name.AsSpan(Marks.DevicePrefix.Length) is { Length: > 0 } rest && !rest.ContainsAnyExceptInRange('0', '9');

    private RuleTree Tree(bool v6, uint first, uint last) => new(v6, first, last, r => _netlink.AddRule(r, twice: r.Action != RuleAction.Nop), r =>
    {
        bool done = false;
        Undo(() =>
        {
            _netlink.DeleteRule(r);
            done = true;
        });
        return done;
    });

    private void SetUserRules(KernelPlan plan)
    {
        for (int i = 0; i < _userRules.Length; i++) _userRules[i].Set(plan.Rules.Where(r => r.V6 == Families[i] && r.UidStart is not null));
    }

    private void SetSourceRules(KernelPlan plan)
    {
        for (int i = 0; i < _sourceRules.Length; i++) _sourceRules[i].Set(plan.Rules.Where(r => r.V6 == Families[i] && r.From is not null));
    }

    private static bool Same(RouteSpec a, RouteSpec b) =>
        a.Table == b.Table && a.Destination == b.Destination && a.Type == b.Type && a.Device == b.Device && a.PreferredSource == b.PreferredSource;

    private static KernelPlan Union(KernelPlan a, KernelPlan b)
    {
        var both = new KernelPlan();
        foreach (KernelPlan p in new[] { a, b })
        {
            both.Devices.UnionWith(p.Devices);
            both.Addresses.UnionWith(p.Addresses);
            both.Routes.UnionWith(p.Routes);
            both.Rules.UnionWith(p.Rules);
            both.Firewall.Guarded.UnionWith(p.Firewall.Guarded);
            both.Firewall.Blocked.UnionWith(p.Firewall.Blocked);
            both.Firewall.Fast.UnionWith(p.Firewall.Fast);
        }
        return both;
    }

    private void CreateDevice(PlannedDevice device)
    {
        try { TunDevice.Open(device.Name, new TunOptions { Persistent = true }).Dispose(); }
        catch (LinuxException e) when (e.Error == Errno.EBUSY)
        {
            // A crash left it, and the process that reads it has not let go, perhaps never will. What is blocked stays so meanwhile,
            // by the unreachable routes and the packet filter.
            DeleteDevice(device.Name);
            TunDevice.Open(device.Name, new TunOptions { Persistent = true }).Dispose();
        }
        if (device.Readers.Any() && DeviceGuard.Set(device.Name, device.Readers) is { } complaint)
            throw new InvalidOperationException($"{device.Name} cannot be guarded: tc: {complaint}");
        // No link-local address, no router solicitations: the device carries what its owner sends and nothing else.
        string conf = $"/proc/sys/net/ipv6/conf/{device.Name}/";
        if (HasIpv6 && Directory.Exists(conf))
        {
            // Where this may not be written (ProtectKernelTunables=), the kernel's solicitations are dropped at the gate, and counted.
            Undo(() => File.WriteAllText(conf + "addr_gen_mode", "1"));
            Undo(() => File.WriteAllText(conf + "accept_ra", "0"));
        }
        _netlink.SetLink(device.Name, up: true, mtu: device.Mtu, txQueueLength: 1000);
    }

    // The kernel waits with the end of a device for packets in NFQUEUE that name it. Taking it down flushes them; but one that came
    // after would be waited for, and if the daemon were killed in that moment, its last thread would wait in the kernel for a queue
    // that its own open socket keeps: for ever. A child has no such socket.
    private void DeleteDevice(string name)
    {
        if (_netlink.TryGetLink(name) is null) return;
        _netlink.SetLink(name, up: false);
        if (SystemCommand.Run("ip", null, "link", "delete", "dev", name) is { } error && _netlink.TryGetLink(name) is not null)
            throw new InvalidOperationException($"ip link delete dev {name}: {error}");
    }

    private void Undo(Action action)
    {
        try { action(); }
        catch (Exception e) when (e is IOException or InvalidOperationException or UnauthorizedAccessException) { LogUndoFailed(e); }
    }

    [LoggerMessage(200, LogLevel.Warning, "a former run left {Count} rules, routes and devices; of {Kept} tunnel(s) the destinations stay blocked until their owners take them down, the rest is removed")]
    private partial void LogAdopted(int count, int kept);

    [LoggerMessage(202, LogLevel.Warning, "no fast path: this host's tc cannot guard a device (classifier bpf): {Complaint}")]
    private partial void LogNoGuard(string complaint);

    [LoggerMessage(201, LogLevel.Error, "a kernel setting could not be changed")]
    private partial void LogUndoFailed(Exception e);
}
