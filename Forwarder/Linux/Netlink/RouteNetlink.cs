using System.Runtime.InteropServices;
using System.Text;
using PersonalVpn.Linux.Abi;

namespace PersonalVpn.Linux;

/// <summary>
/// Interfaces, addresses, routes and rules (rtnetlink(7)), each change acknowledged before the call returns. What is said to be
/// idempotent may be repeated: adding what is there and deleting what is not are no errors. Any thread; calls take turns. It
/// changes the network namespace of the thread that created it.
/// </summary>
public sealed partial class RouteNetlink : IDisposable
{
    private const int RequestBytes = 512;
    private readonly NetlinkSocket _netlink = new(NetlinkH.NETLINK_ROUTE, "route netlink");
    private readonly Lock _gate = new();

    /// <summary>Opens a socket. Reading needs no privilege, changing CAP_NET_ADMIN.</summary>
    /// <exception cref="LinuxException">socket failed.</exception>
    public RouteNetlink()
    {
        // Dumps of one table or family are filtered by the kernel; an older kernel sends all and we filter, too.
        _netlink.Socket.TrySetOption(NetlinkH.SOL_NETLINK, NetlinkH.NETLINK_GET_STRICT_CHK, 1);
    }

    /// <summary>The number of an interface.</summary>
    /// <exception cref="LinuxException">ENODEV.</exception>
    public int GetLinkIndex(string name) =>
        TryGetLink(name)?.Index ?? throw new LinuxException($"interface {name}", Errno.ENODEV);

    /// <summary>An interface by name, or null.</summary>
    public LinkEntry? TryGetLink(string name)
    {
        CheckName(name);
        Span<byte> buffer = stackalloc byte[RequestBytes];
        NetlinkWriter writer = new(buffer, RtnetlinkH.RTM_GETLINK, NetlinkH.NLM_F_REQUEST);
        writer.Add(default(IfInfoMsg));
        writer.Text(IfH.IFLA_IFNAME, name);
        return QueryLink(writer.Finish(), $"look up interface {name}");
    }

    /// <summary>An interface by number, or null.</summary>
    public LinkEntry? TryGetLink(int index)
    {
        Span<byte> buffer = stackalloc byte[RequestBytes];
        NetlinkWriter writer = new(buffer, RtnetlinkH.RTM_GETLINK, NetlinkH.NLM_F_REQUEST);
        writer.Add(new IfInfoMsg { ifi_index = index });
        return QueryLink(writer.Finish(), "look up interface by number");
    }

    /// <summary>An interface's counters, or null when there is no such interface.</summary>
    public LinkCounters? TryGetLinkCounters(int index)
    {
        Span<byte> buffer = stackalloc byte[RequestBytes];
        NetlinkWriter writer = new(buffer, RtnetlinkH.RTM_GETLINK, NetlinkH.NLM_F_REQUEST);
        writer.Add(new IfInfoMsg { ifi_index = index });
        lock (_gate)
        {
            int result = _netlink.Query(writer.Finish(), out ReadOnlySpan<byte> answer);
            if (result < 0 || !NetlinkAttributes.After(answer, out IfInfoMsg _, out NetlinkAttributes attributes)) return null;
            while (attributes.Next(out ushort type, out ReadOnlySpan<byte> value))
            {
                // struct rtnl_link_stats64 (linux/if_link.h): eight bytes each.
                if (type != IfH.IFLA_STATS64 || value.Length < 8 * sizeof(ulong)) continue;
                ReadOnlySpan<ulong> n = MemoryMarshal.Cast<byte, ulong>(value);
                return new LinkCounters((long)n[0], (long)n[1], (long)n[2], (long)n[3], (long)n[7]);
            }
            return null;
        }
    }

    /// <summary>All interfaces.</summary>
    /// <exception cref="LinuxException">The dump failed.</exception>
    public IReadOnlyList<LinkEntry> ListLinks()
    {
        List<LinkEntry> all = [];
        Span<byte> buffer = stackalloc byte[RequestBytes];
        NetlinkWriter writer = new(buffer, RtnetlinkH.RTM_GETLINK, NetlinkH.NLM_F_REQUEST | NetlinkH.NLM_F_DUMP);
        writer.Add(default(IfInfoMsg));
        Dump(writer.Finish(), "list interfaces", RtnetlinkH.RTM_NEWLINK, body => AddIfAny(all, ParseLink(body)), all.Clear);
        return all;
    }

    /// <summary>Changes an interface; idempotent.</summary>
    /// <param name="name">Which.</param>
    /// <param name="up">Up or down.</param>
    /// <param name="mtu">Bytes, null = leave.</param>
    /// <param name="txQueueLength">Packets, null = leave.</param>
    /// <param name="group">Interface group, null = leave.</param>
    /// <exception cref="LinuxException">ENODEV, EINVAL for an MTU out of range.</exception>
    public void SetLink(string name, bool up, int? mtu = null, int? txQueueLength = null, uint? group = null)
    {
        int index = GetLinkIndex(name);
        Span<byte> buffer = stackalloc byte[RequestBytes];
        NetlinkWriter writer = new(buffer, RtnetlinkH.RTM_NEWLINK, NetlinkH.NLM_F_REQUEST | NetlinkH.NLM_F_ACK);
        writer.Add(new IfInfoMsg { ifi_index = index, ifi_flags = up ? IfH.IFF_UP : 0, ifi_change = IfH.IFF_UP });
        if (mtu is int m) writer.Attribute(IfH.IFLA_MTU, (uint)m);
        if (txQueueLength is int t) writer.Attribute(IfH.IFLA_TXQLEN, (uint)t);
        if (group is uint g) writer.Attribute(IfH.IFLA_GROUP, g);
        Acknowledge(writer.Finish(), $"set interface {name} {(up ? "up" : "down")}");
    }

    /// <summary>Deletes an interface (a TUN device, for example); idempotent.</summary>
    /// <returns>False: there was none.</returns>
    /// <exception cref="LinuxException">EOPNOTSUPP: not of a kind that can be deleted.</exception>
    public bool DeleteLink(string name)
    {
        CheckName(name);
        Span<byte> buffer = stackalloc byte[RequestBytes];
        NetlinkWriter writer = new(buffer, RtnetlinkH.RTM_DELLINK, NetlinkH.NLM_F_REQUEST | NetlinkH.NLM_F_ACK);
        writer.Add(default(IfInfoMsg));
        writer.Text(IfH.IFLA_IFNAME, name);
        return Acknowledge(writer.Finish(), $"delete interface {name}", Errno.ENODEV);
    }

    /// <inheritdoc/>
    public void Dispose() => _netlink.Dispose();

    private LinkEntry? QueryLink(Span<byte> request, string what)
    {
        lock (_gate)
        {
            int result = _netlink.Query(request, out ReadOnlySpan<byte> answer);
            if (result == -Errno.ENODEV) return null;
            if (result < 0) throw new LinuxException(what, -result, _netlink.LastHint);
            return ParseLink(answer);
        }
    }

    /// <summary>Sends a change. False when the kernel answered one of the errors that mean "nothing to do".</summary>
    private bool Acknowledge(Span<byte> request, string what, int harmless = 0, int harmlessToo = 0)
    {
        lock (_gate)
        {
            int result = _netlink.Acknowledge(request);
            if (result == 0) return true;
            if (-result == harmless || -result == harmlessToo) return false;
            throw new LinuxException(what, -result, _netlink.LastHint);
        }
    }

    private delegate void BodyHandler(ReadOnlySpan<byte> body);

    private void Dump(Span<byte> request, string what, ushort expected, BodyHandler handler, Action restart, int harmless = 0)
    {
        lock (_gate)
        {
            int result = _netlink.Dump(
                request,
                (type, body) =>
                {
                    if (type == expected) handler(body);
                },
                restart);
            if (result < 0 && -result != harmless) throw new LinuxException(what, -result, _netlink.LastHint);
        }
    }

    private static void AddIfAny<T>(List<T> all, T? item)
        where T : class
    {
        if (item is not null) all.Add(item);
    }

    private static LinkEntry? ParseLink(ReadOnlySpan<byte> body)
    {
        if (!NetlinkAttributes.After(body, out IfInfoMsg head, out NetlinkAttributes attributes)) return null;
        string name = "";
        int mtu = 0, queue = 0;
        uint group = 0;
        string? kind = null;
        while (attributes.Next(out ushort type, out ReadOnlySpan<byte> value))
        {
            switch (type)
            {
                case IfH.IFLA_IFNAME: name = Text(value); break;
                case IfH.IFLA_MTU: mtu = (int)Number(value); break;
                case IfH.IFLA_TXQLEN: queue = (int)Number(value); break;
                case IfH.IFLA_GROUP: group = Number(value); break;
                case IfH.IFLA_LINKINFO:
                    NetlinkAttributes nested = new(value);
                    while (nested.Next(out ushort inner, out ReadOnlySpan<byte> text))
                        if (inner == IfH.IFLA_INFO_KIND) kind = Text(text);
                    break;
            }
        }

        return new LinkEntry(
            head.ifi_index, name, (head.ifi_flags & IfH.IFF_UP) != 0, (head.ifi_flags & IfH.IFF_RUNNING) != 0,
            (head.ifi_flags & IfH.IFF_LOOPBACK) != 0, mtu, queue, group, kind);
    }

    private static uint Number(ReadOnlySpan<byte> value) => MemoryMarshal.TryRead(value, out uint number) ? number : 0;

    private static string Text(ReadOnlySpan<byte> value) => Encoding.UTF8.GetString(value.TrimEnd((byte)0));

    /// <summary>Interface names: 1 to 15 bytes (IFNAMSIZ with its NUL).</summary>
    private static void CheckName(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (Encoding.UTF8.GetByteCount(name) >= IfH.IFNAMSIZ)
            throw new LinuxException($"interface name '{name}'", Errno.ENAMETOOLONG, "at most 15 bytes");
    }
}
