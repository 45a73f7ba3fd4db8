using Microsoft.Extensions.Logging;
using PersonalVpn.Daemon.Control;
using PersonalVpn.Linux;
using PersonalVpn.Packets;
using PersonalVpn.Tunnel.Local;

namespace PersonalVpn.Daemon.Tunnels;

/// <summary>
/// Opens, blocks and removes tunnels. Control thread only. A tunnel is in one of two states: up (its process holds the connection)
/// or blocked (the process is gone; the destinations are unreachable for the owner until the owner says otherwise).
/// </summary>
internal sealed partial class TunnelManager(TunnelTable table, KernelState kernel, StateFile state, Func<ForwarderConfig> config, ILogger log)
{
    // Room for sixty superpackets a direction: enough to keep both sides busy, little enough to stay short of a second's wait.
    private const int ChannelBytes = 4 << 20;

    private static readonly TunOptions DeviceForReader =
        new() { VnetHeader = true, Offloads = TunOffloads.Tcp | TunOffloads.TsoEcn, Persistent = true, NonBlocking = false };

    private readonly TunnelRequest _requests = new(table, kernel, config);

    /// <summary>A tunnel is open: start reading its channel.</summary>
    public event Action<TunnelState>? Opened;

    /// <summary>A tunnel's channel is about to close, because it is blocked or removed.</summary>
    public event Action<TunnelState>? Closing;

    /// <summary>A tunnel is about to be removed.</summary>
    public event Action<TunnelState>? Removing;

    /// <summary>What this user may see: their own tunnels; root all.</summary>
    public IEnumerable<TunnelState> VisibleTo(uint uid) => table.All.Where(t => uid == 0 || t.Uid == uid);

    /// <summary>
    /// At the start: reads what a former run left, puts the firewall chains in place with its addresses guarded, and brings its
    /// tunnels back blocked.
    /// </summary>
    public void Install(ushort queue)
    {
        IReadOnlyList<TunnelState> former = state.Read(out string? problem);
        // Whose destinations were blocked is not known then; what the crash left in the kernel blocks them on, so it is not touched.
        if (problem is not null)
            throw new InvalidOperationException($"the record of a former run cannot be read ({problem}); its tunnels stay blocked. Remove the file to let them go, then start again");
        foreach (TunnelState t in former) table.Add(t);
        ReinstallFirewall(queue);
        kernel.Adopt(KernelPlan.For(table.All));
        FindInterfaces();
        state.Write(table.All);
    }

    /// <summary>True while nobody has touched our firewall chains.</summary>
    public bool IsFirewallInPlace() => kernel.IsFirewallInPlace();

    /// <summary>Puts the firewall chains (back) in place.</summary>
    public void ReinstallFirewall(ushort queue) =>
        Firewall.Install(queue, KernelPlan.For(table.All).Firewall);

    /// <summary>A tunnel as its owner sees it now.</summary>
    public TunnelStatus StatusOf(TunnelState t) =>
        t.ToStatus(t.FastPath && t.InterfaceIndex > 0 ? kernel.Netlink.TryGetLinkCounters(t.InterfaceIndex) : null);

    /// <summary>Builds a tunnel for this user. What the user's process needs of it goes to that process.</summary>
    public (TunnelState Tunnel, UserEnd UserEnd) Open(uint uid, ForwarderRequest request)
    {
        (TunnelState tunnel, TunnelState? replaced) = _requests.Check(uid, request);
        (LinuxSocket ours, LinuxSocket theirs) = LinuxSocket.SeqPacketPair(ChannelBytes);
        TunDevice? device = null;
        try
        {
            ours.SetNonBlocking(true);
            tunnel.Channel = ours;
            IEnumerable<TunnelState> next = table.All.Where(t => t != replaced).Append(tunnel);
            state.Write(next);
            if (replaced is not null) AbortConnectionsFrom([.. replaced.Addresses.Except(tunnel.Addresses)]);
            kernel.Apply(KernelPlan.For(next));
            // Attached before anybody may use it: what the kernel sends meanwhile waits in the device's queue.
            if (tunnel.FastPath) device = TunDevice.Open(tunnel.Device, DeviceForReader);
        }
        catch
        {
            ours.Dispose();
            theirs.Dispose();
            device?.Dispose();
            kernel.Apply(KernelPlan.For(table.All));
            state.Write(table.All);
            throw;
        }
        if (replaced is not null) table.Remove(replaced);
        table.Add(tunnel);
        FindInterfaces();
        Opened?.Invoke(tunnel);
        int aborted = 0;
        try { aborted = Connections.AbortOlder(tunnel); }
        catch (LinuxException e) { LogAbortFailed(e); }
        LogOpened(uid, tunnel.Gateway, tunnel.Device, aborted);
        return (tunnel, new UserEnd(theirs, device));
    }

    /// <summary>The tunnel's process is gone without a word: nothing of the owner's to these destinations leaves until the owner says so.</summary>
    public void Block(TunnelState tunnel)
    {
        CloseChannel(tunnel);
        kernel.Apply(KernelPlan.For(table.All));
        LogBlocked(tunnel.Uid, tunnel.Gateway, string.Join(' ', tunnel.Routes));
    }

    /// <summary>Removes tunnels and everything of theirs.</summary>
    public void Remove(IReadOnlyList<TunnelState> tunnels)
    {
        foreach (TunnelState t in tunnels)
        {
            // While the channel is open: the resets that go with it still reach the other ends.
            AbortConnectionsFrom([.. t.Addresses]);
            // Its process hears why before it sees its channel close.
            Removing?.Invoke(t);
            CloseChannel(t);
        }
        // Blocked first, then their connections are aborted, and only then the way is open again.
        kernel.Apply(KernelPlan.For(table.All));
        AbortConnectionsFrom([.. tunnels.SelectMany(t => t.Addresses)]);
        foreach (TunnelState t in tunnels) table.Remove(t);
        kernel.Apply(KernelPlan.For(table.All));
        state.Write(table.All);
        foreach (TunnelState t in tunnels) LogRemoved(t.Uid, t.Gateway);
    }

    /// <summary>Where would this user's packets to an address go? The kernel's own answer, by the rules in force.</summary>
    public ForwarderReply Check(uint uid, string? destination)
    {
        if (!IpAddr.TryParse(destination, out IpAddr address)) throw new RequestException(ForwarderError.BadRequest, $"'{destination}' is not an IP address");
        TunnelState? owned = table.All.FirstOrDefault(t => t.Uid == uid && KernelPlan.Claimed(t.Routes).Any(r => r.Contains(address)));
        RouteAnswer route = kernel.Netlink.GetRoute(address, uid);
        TunnelState? carrier = table.All.FirstOrDefault(t => t.Uid == uid && t.Device == route.OutInterface);
        if (route.Error == 0 && carrier is not null) return new ForwarderReply { Verdict = carrier is { IsUp: true, Reconnecting: false } ? CheckVerdict.Protected : CheckVerdict.Blocked, Gateway = carrier.Gateway };
        return route.Error != 0 && owned is not null
            ? new ForwarderReply { Verdict = CheckVerdict.Blocked, Gateway = owned.Gateway }
            : new ForwarderReply { Verdict = CheckVerdict.Direct };
    }

    /// <summary>Clean end of the daemon: everything goes.</summary>
    public void RemoveAll()
    {
        Remove([.. table.All]);
        state.Delete();
    }

    private void AbortConnectionsFrom(IReadOnlyCollection<IpAddr> addresses)
    {
        try { Connections.AbortInner(addresses); }
        catch (LinuxException e) { LogAbortFailed(e); }
    }

    private void CloseChannel(TunnelState tunnel)
    {
        if (tunnel.Channel is not { } channel) return;
        // The packet threads take the channel from the tunnel: it goes from there first, each of them then passes a point where it
        // holds none, and only after that is it closed.
        tunnel.Channel = null;
        Closing?.Invoke(tunnel);
        channel.Dispose();
    }

    private void FindInterfaces()
    {
        foreach (TunnelState t in table.All.Where(t => t.InterfaceIndex == 0)) t.InterfaceIndex = kernel.Netlink.GetLinkIndex(t.Device);
        table.Publish();
    }

    [LoggerMessage(300, LogLevel.Information, "uid {Uid}: tunnel to {Gateway} is up on {Device}; {Aborted} older connections of the user's to its destinations aborted")]
    private partial void LogOpened(uint uid, string gateway, string device, int aborted);

    [LoggerMessage(301, LogLevel.Warning, "uid {Uid}: the process of the tunnel to {Gateway} is gone; {Routes} stay blocked for this user until 'pvpn down' or a new pvpn")]
    private partial void LogBlocked(uint uid, string gateway, string routes);

    [LoggerMessage(302, LogLevel.Information, "uid {Uid}: tunnel to {Gateway} removed")]
    private partial void LogRemoved(uint uid, string gateway);


    [LoggerMessage(304, LogLevel.Error, "connections from an inner address that goes could not be aborted; what they send again may go by the ordinary route")]
    private partial void LogAbortFailed(Exception e);
}
