using System.Diagnostics;
using Microsoft.Extensions.Logging;
using PersonalVpn.Linux;
using PersonalVpn.Packets;
using PersonalVpn.Server.Configuration;

namespace PersonalVpn.Server.Egress;

/// <summary>
/// The server's place in the network: a TUN device to which the address pools are routed (what is sent to an inner address comes out
/// there: the address names the session), forwarding switched on, and with <c>Egress masquerade</c> one chain of our own in nat.
/// The device goes with the process, whatever ends it; the rest is undone at the end, and what a crash left is replaced at the start.
/// </summary>
internal sealed partial class ServerNetwork : IDisposable
{
    private const string Chain = "PVPN-EGRESS";
    private const string DevicePrefix = "pvs";
    private const string Liberal = "/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal";
    private static readonly string[] Switches = ["/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"];

    private readonly List<TunDevice> _queues = [];
    private readonly Dictionary<string, string> _switchedOn = [];
    private readonly IReadOnlyList<IpPrefix> _pools;
    private readonly bool _masquerade;
    private readonly ILogger _log;

    /// <summary>Makes it, with a number of queues: each can be read and written by a thread of its own.</summary>
    public ServerNetwork(ServerConfig config, IReadOnlyList<(IpPrefix Pool, IpAddr Server)> pools, int queues, ILogger log)
    {
        _log = log;
        _pools = [.. pools.Select(p => p.Pool)];
        _masquerade = config.Egress == EgressMode.Masquerade;
        using var netlink = new RouteNetlink();
        var taken = netlink.ListLinks().Select(l => l.Name).ToHashSet();
        string name = Enumerable.Range(0, 1000).Select(i => DevicePrefix + i).First(n => !taken.Contains(n));
        var options = new TunOptions { VnetHeader = true, Offloads = TunOffloads.Tcp, MultiQueue = queues > 1, AskUdpSegments = true };
        _queues.Add(TunDevice.Open(name, options));
        try
        {
            while (_queues.Count < queues) _queues.Add(TunDevice.Open(name, options));
            // The largest MTU: the device is no link, so nothing needs to be cut for it; paths are measured on the real links.
            netlink.SetLink(Tun.Name, up: true, mtu: 65535, txQueueLength: 4096);
            foreach ((IpPrefix pool, IpAddr server) in pools)
            {
                RefuseClash(netlink, pool);
                netlink.AddAddress(Tun.Name, IpPrefix.Host(server), noPrefixRoute: true);
                netlink.AddRoute(new RouteSpec { Destination = pool, Device = Tun.Name });
            }
            foreach (string path in Switches.Where(s => pools.Any(p => p.Pool.IsV6) || !s.Contains("ipv6", StringComparison.Ordinal))) SwitchOn(path);
            if (_masquerade)
            {
                InstallMasquerade();
                BeLiberal();
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>
    /// The device, by queue: where replies come out, and packets may go in. The kernel remembers the queue that a flow was written
    /// to, and brings the flow's replies to the same one (drivers/net/tun.c, tun_automq_select_queue); so a session that is always
    /// written to one queue is read from one queue, and the order inside its flows is kept.
    /// </summary>
    public IReadOnlyList<TunDevice> Queues => _queues;

    private TunDevice Tun => _queues[0];

    public void Dispose()
    {
        if (_masquerade) foreach (bool v6 in new[] { false, true }) RemoveChain(v6);
        foreach ((string path, string before) in _switchedOn)
        {
            try { File.WriteAllText(path, before); }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException) { LogUndoFailed(path, e); }
        }
        foreach (TunDevice queue in _queues) queue.Dispose();
    }

    private void RefuseClash(RouteNetlink netlink, IpPrefix pool)
    {
        int own = netlink.GetLinkIndex(Tun.Name);
        if (netlink.ListAddresses().FirstOrDefault(a => a.IfIndex != own && pool.Contains(a.Address)) is { } used)
            throw new InvalidOperationException($"the address pool {pool} holds an address of this host, {used.Address}; choose another AddressPool");
        if (netlink.ListRoutes(254).FirstOrDefault(r => !r.Destination.IsDefault && r.Device != Tun.Name && r.Destination.Overlaps(pool)) is { } route)
            throw new InvalidOperationException($"this host has a route to {route.Destination}, which overlaps the address pool {pool}; choose another AddressPool");
    }

    private void SwitchOn(string path)
    {
        if (!File.Exists(path)) return;
        string before = File.ReadAllText(path).Trim();
        if (before != "0") return;
        try
        {
            File.WriteAllText(path, "1");
            _switchedOn.Add(path, before);
            LogSwitchedOn(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidOperationException($"{path} is 0 and cannot be set to 1 ({e.Message}); set it by sysctl.d and start again", e);
        }
    }

    // conntrack follows the windows of TCP and no longer rewrites what does not fit its idea of them. When this server was away it has
    // seen packets that never arrived: the user's acknowledgements would go out with the inner address, and the connection would hang.
    private void BeLiberal()
    {
        if (!File.Exists(Liberal) || File.ReadAllText(Liberal).Trim() != "0") return;
        try
        {
            File.WriteAllText(Liberal, "1");
            _switchedOn.Add(Liberal, "0");
            LogSwitchedOn(Liberal);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogNotLiberal(Liberal, e.Message);
        }
    }

    private void InstallMasquerade()
    {
        foreach (bool v6 in new[] { false, true })
        {
            RemoveChain(v6);
            if (_pools.All(p => p.IsV6 != v6)) continue;
            Tables(v6, "-N", Chain);
            foreach (IpPrefix pool in _pools.Where(p => p.IsV6 == v6))
            {
                // Between users of the pool nothing is rewritten.
                Tables(v6, "-A", Chain, "-s", pool.ToString(), "!", "-d", pool.ToString(), "!", "-o", Tun.Name, "-j", "MASQUERADE");
            }
            Tables(v6, "-A", "POSTROUTING", "-j", Chain);
        }
    }

    private static void RemoveChain(bool v6)
    {
        for (int i = 0; i < 16 && TryTables(v6, out _, "-D", "POSTROUTING", "-j", Chain); i++) { }
        TryTables(v6, out _, "-F", Chain);
        TryTables(v6, out _, "-X", Chain);
    }

    private static void Tables(bool v6, params string[] arguments)
    {
        if (!TryTables(v6, out string error, arguments))
            throw new InvalidOperationException($"{(v6 ? "ip6tables" : "iptables")} -t nat {string.Join(' ', arguments)}: {error}; install iptables, or use 'Egress routed'");
    }

    private static bool TryTables(bool v6, out string error, params string[] arguments)
    {
        var start = new ProcessStartInfo(ProgramFile.OfSystem(v6 ? "ip6tables" : "iptables"), ["-w", "5", "-t", "nat", .. arguments]) { RedirectStandardError = true, RedirectStandardOutput = true, UseShellExecute = false };
        start.Environment["PATH"] = ProgramFile.SystemPath;
        try
        {
            using Process process = Process.Start(start)!;
            error = process.StandardError.ReadToEnd().Trim().ReplaceLineEndings(" ");
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            error = e.Message;
            return false;
        }
    }

    [LoggerMessage(700, LogLevel.Information, "{Path} set to 1 (0 again at the end)")]
    private partial void LogSwitchedOn(string path);

    [LoggerMessage(702, LogLevel.Warning, "{Path} could not be set to 1 ({Problem}): users' connections may hang after this server was restarted; set it by sysctl.d")]
    private partial void LogNotLiberal(string path, string problem);

    [LoggerMessage(701, LogLevel.Warning, "{Path} cannot be set back")]
    private partial void LogUndoFailed(string path, Exception e);
}
