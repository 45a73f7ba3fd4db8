using System.Globalization;
using PersonalVpn.Linux.Abi;
using PersonalVpn.Packets;

namespace PersonalVpn.Linux;

/// <content>Routes.</content>
public sealed partial class RouteNetlink
{
    /// <summary>Adds a route; one with the same destination, table and metric is replaced. Idempotent.</summary>
    /// <exception cref="LinuxException">ENODEV, ENETUNREACH (gateway not on a link), EINVAL (preferred source not ours)...</exception>
    public void AddRoute(RouteSpec route)
    {
        ArgumentNullException.ThrowIfNull(route);
        Span<byte> buffer = stackalloc byte[RequestBytes];
        NetlinkWriter writer = new(
            buffer, RtnetlinkH.RTM_NEWROUTE,
            NetlinkH.NLM_F_REQUEST | NetlinkH.NLM_F_ACK | NetlinkH.NLM_F_CREATE | NetlinkH.NLM_F_REPLACE);
        WriteRoute(ref writer, route, ScopeOf(route));
        if (route.Mtu is not null || route.AdvMss is not null)
        {
            int nest = writer.BeginNest(RtnetlinkH.RTA_METRICS);
            if (route.Mtu is int mtu) writer.Attribute(RtnetlinkH.RTAX_MTU, (uint)mtu);
            if (route.AdvMss is int mss) writer.Attribute(RtnetlinkH.RTAX_ADVMSS, (uint)mss);
            writer.EndNest(nest);
        }

        Acknowledge(writer.Finish(), $"add route {Name(route)}");
    }

    /// <summary>Deletes a route that has all that is said; idempotent.</summary>
    /// <returns>False: there was none.</returns>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public bool DeleteRoute(RouteSpec route)
    {
        ArgumentNullException.ThrowIfNull(route);
        if (route.Device is string device && TryGetLink(device) is null) return false; // its routes went with it
        Span<byte> buffer = stackalloc byte[RequestBytes];
        NetlinkWriter writer = new(buffer, RtnetlinkH.RTM_DELROUTE, NetlinkH.NLM_F_REQUEST | NetlinkH.NLM_F_ACK);
        WriteRoute(ref writer, route, RtnetlinkH.RT_SCOPE_NOWHERE); // IPv4: any scope
        return Acknowledge(writer.Finish(), $"delete route {Name(route)}", Errno.ESRCH, Errno.ENOENT);
    }

    /// <summary>Routes of a table, both families; empty when the table does not exist.</summary>
    /// <exception cref="LinuxException">The dump failed.</exception>
    public IReadOnlyList<RouteSpec> ListRoutes(int table)
    {
        List<RouteSpec> all = [];
        ListRoutes(all, table, false);
        ListRoutes(all, table, true);
        return all;
    }

    /// <summary>Deletes every route of a table, both families; idempotent.</summary>
    /// <returns>How many were deleted.</returns>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public int FlushTable(int table)
    {
        if (table is RtnetlinkH.RT_TABLE_UNSPEC or RtnetlinkH.RT_TABLE_MAIN or 253 or 255)
            throw new ArgumentOutOfRangeException(nameof(table), table, "the system's own tables are not flushed");
        int deleted = 0;
        foreach (RouteSpec route in ListRoutes(table))
            if (DeleteRoute(route)) deleted++;
        return deleted;
    }

    /// <summary>
    /// Asks where a packet of this host would go (RTM_GETROUTE with RTA_UID, RTA_MARK and RTM_F_LOOKUP_TABLE): the kernel's own
    /// decision, rules and all.
    /// </summary>
    /// <param name="destination">To where.</param>
    /// <param name="uid">Whose socket; null = the caller's.</param>
    /// <param name="mark">The socket's mark.</param>
    /// <param name="from">The socket's bound address.</param>
    /// <param name="device">The interface to which the socket is bound.</param>
    /// <exception cref="LinuxException">The question itself was refused.</exception>
    public RouteAnswer GetRoute(IpAddr destination, uint? uid = null, uint? mark = null, IpAddr? from = null, string? device = null)
    {
        Span<byte> buffer = stackalloc byte[RequestBytes];
        NetlinkWriter writer = new(buffer, RtnetlinkH.RTM_GETROUTE, NetlinkH.NLM_F_REQUEST);
        writer.Add(new RtMsg
        {
            rtm_family = Family(destination.IsV6),
            rtm_dst_len = (byte)destination.Bits,
            rtm_src_len = (byte)(from?.Bits ?? 0),
            rtm_flags = RtnetlinkH.RTM_F_LOOKUP_TABLE,
        });
        writer.Address(RtnetlinkH.RTA_DST, destination);
        if (from is IpAddr source) writer.Address(RtnetlinkH.RTA_SRC, source);
        if (uid is uint u) writer.Attribute(RtnetlinkH.RTA_UID, u);
        if (mark is uint m) writer.Attribute(RtnetlinkH.RTA_MARK, m);
        if (device is not null) writer.Attribute(RtnetlinkH.RTA_OIF, (uint)GetLinkIndex(device));
        Found? found;
        lock (_gate)
        {
            int result = _netlink.Query(writer.Finish(), out ReadOnlySpan<byte> answer);
            if (result == -Errno.EPERM || result == -Errno.EOPNOTSUPP)
                throw new LinuxException($"look up route to {destination}", -result, _netlink.LastHint);
            if (result < 0) return new RouteAnswer(-result, default, 0, 0, null, null, null);
            found = ParseRoute(answer);
        }

        if (found is not Found route) throw new LinuxException($"look up route to {destination}", Errno.EINVAL);
        RouteSpec spec = route.Spec;
        return new RouteAnswer(
            0, spec.Type, spec.Table, route.OutIfIndex, TryGetLink(route.OutIfIndex)?.Name, spec.PreferredSource, spec.Gateway);
    }

    private void ListRoutes(List<RouteSpec> all, int table, bool v6)
    {
        List<Found> found = [];
        Span<byte> buffer = stackalloc byte[RequestBytes];
        NetlinkWriter writer = new(buffer, RtnetlinkH.RTM_GETROUTE, NetlinkH.NLM_F_REQUEST | NetlinkH.NLM_F_DUMP);
        writer.Add(new RtMsg { rtm_family = Family(v6) });
        writer.Attribute(RtnetlinkH.RTA_TABLE, (uint)table);
        Dump(
            writer.Finish(), $"list routes of table {table.ToString(CultureInfo.InvariantCulture)}", RtnetlinkH.RTM_NEWROUTE,
            body =>
            {
                if (ParseRoute(body) is Found route && route.Spec.Table == table && !route.Cloned) found.Add(route);
            },
            found.Clear, Errno.ENOENT);

        // Names only now: one question at a time on this socket. An IPv6 route that refuses is listed on lo; it needs no device.
        foreach (Found route in found)
        {
            bool needsDevice = route.OutIfIndex != 0 && route.Spec.Type is RouteType.Unicast or RouteType.Local or RouteType.Broadcast;
            all.Add(needsDevice ? route.Spec with { Device = TryGetLink(route.OutIfIndex)?.Name } : route.Spec);
        }
    }

    private void WriteRoute(ref NetlinkWriter writer, RouteSpec route, byte scope)
    {
        writer.Add(new RtMsg
        {
            rtm_family = Family(route.Destination.IsV6),
            rtm_dst_len = (byte)route.Destination.Length,
            rtm_table = (byte)(route.Table < 256 ? route.Table : RtnetlinkH.RT_TABLE_COMPAT),
            rtm_protocol = route.Protocol,
            rtm_scope = scope,
            rtm_type = (byte)route.Type,
        });
        writer.Attribute(RtnetlinkH.RTA_TABLE, (uint)route.Table);
        if (!route.Destination.IsDefault) writer.Address(RtnetlinkH.RTA_DST, route.Destination.Address);
        if (route.Device is string device) writer.Attribute(RtnetlinkH.RTA_OIF, (uint)GetLinkIndex(device));
        if (route.Gateway is IpAddr gateway) writer.Address(RtnetlinkH.RTA_GATEWAY, gateway);
        if (route.PreferredSource is IpAddr source) writer.Address(RtnetlinkH.RTA_PREFSRC, source);
        if (route.Metric != 0) writer.Attribute(RtnetlinkH.RTA_PRIORITY, route.Metric);
    }

    /// <summary>IPv4 scope as iproute2 chooses it: local routes host, routes without gateway link, all others universe.</summary>
    private static byte ScopeOf(RouteSpec route) => route switch
    {
        { Destination.IsV6: true } => RtnetlinkH.RT_SCOPE_UNIVERSE,
        { Type: RouteType.Local } => RtnetlinkH.RT_SCOPE_HOST,
        { Type: RouteType.Unicast, Gateway: null } => RtnetlinkH.RT_SCOPE_LINK,
        _ => RtnetlinkH.RT_SCOPE_UNIVERSE,
    };

    private static string Name(RouteSpec route) =>
        string.Create(CultureInfo.InvariantCulture, $"{route.Destination} table {route.Table}{(route.Device is null ? "" : $" dev {route.Device}")}");

    private static Found? ParseRoute(ReadOnlySpan<byte> body)
    {
        if (!NetlinkAttributes.After(body, out RtMsg head, out NetlinkAttributes attributes)) return null;
        bool v6 = head.rtm_family == SocketH.AF_INET6;
        if (!v6 && head.rtm_family != SocketH.AF_INET) return null;
        IpAddr destination = new(0, v6);
        IpAddr? gateway = null, source = null;
        uint table = head.rtm_table, metric = 0;
        int outIf = 0;
        int? mtu = null, advMss = null;
        while (attributes.Next(out ushort type, out ReadOnlySpan<byte> value))
        {
            bool address = value.Length == destination.Size;
            switch (type)
            {
                case RtnetlinkH.RTA_DST when address: destination = IpAddr.Read(value); break;
                case RtnetlinkH.RTA_GATEWAY when address: gateway = IpAddr.Read(value); break;
                case RtnetlinkH.RTA_PREFSRC when address: source = IpAddr.Read(value); break;
                case RtnetlinkH.RTA_TABLE: table = Number(value); break;
                case RtnetlinkH.RTA_PRIORITY: metric = Number(value); break;
                case RtnetlinkH.RTA_OIF: outIf = (int)Number(value); break;
                case RtnetlinkH.RTA_METRICS: ParseMetrics(value, out mtu, out advMss); break;
            }
        }

        if (head.rtm_dst_len > destination.Bits) return null;
        RouteSpec spec = new()
        {
            Destination = new IpPrefix(destination, head.rtm_dst_len),
            Table = (int)table,
            Gateway = gateway,
            PreferredSource = source,
            Type = (RouteType)head.rtm_type,
            Metric = metric,
            Mtu = mtu,
            AdvMss = advMss,
            Protocol = head.rtm_protocol,
        };
        return new Found(spec, outIf, (head.rtm_flags & RtnetlinkH.RTM_F_CLONED) != 0);
    }

    private static void ParseMetrics(ReadOnlySpan<byte> value, out int? mtu, out int? advMss)
    {
        mtu = null;
        advMss = null;
        NetlinkAttributes metrics = new(value);
        while (metrics.Next(out ushort type, out ReadOnlySpan<byte> number))
        {
            if (type == RtnetlinkH.RTAX_MTU) mtu = (int)Number(number);
            if (type == RtnetlinkH.RTAX_ADVMSS) advMss = (int)Number(number);
        }
    }

    private readonly record struct Found(RouteSpec Spec, int OutIfIndex, bool Cloned);
}
