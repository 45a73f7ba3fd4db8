namespace PersonalVpn.Daemon.Tunnels;

/// <summary>
/// The numbers by which the kernel knows our things. Marks use four bits, so that a host's own use of the others is untouched.
/// Only processes with CAP_NET_ADMIN can set a mark.
/// </summary>
internal static class Marks
{
    /// <summary>The bits of a firewall mark that are ours.</summary>
    public const uint Mask = 0x0f000000;

    /// <summary>On a tunnel's own transport socket: bypasses every tunnel.</summary>
    public const uint Transport = 0x05000000;

    /// <summary>On packets that pvpnd injects: only these may reach an inner address. A host firewall may accept on it.</summary>
    public const uint Injected = 0x06000000;

    /// <summary>On the owner's TCP that passes by the queue into a device with a reader; set and cleared by our packet filter alone.</summary>
    public const uint Fast = 0x07000000;

    /// <summary>Routing protocol number of our rules and routes (rtnetlink.h: 128..255 are free for daemons); finds leftovers.</summary>
    public const byte RouteProtocol = 170;

    /// <summary>Names of our devices start so; the one firewall rule of the way out matches <c>pvpn+</c>.</summary>
    public const string DevicePrefix = "pvpn";

    /// <summary>
    /// Where inner IPv6 addresses live. Not on the tunnel's device: a packet injected by a raw IPv6 socket gets a route entry of its
    /// own (net/ipv6/raw.c sets FLOWI_FLAG_KNOWN_NH, net/ipv6/route.c then calls ip6_rt_cache_alloc) that holds the device of the
    /// local route, and the receiving socket keeps that entry (sk_rx_dst) as long as it lives. The device could not be deleted
    /// before the last socket of the owner's is gone: RTM_DELLINK would wait, and all of pvpnd with it.
    /// </summary>
    public const string AddressDeviceV6 = "lo";

    /// <summary>First table number; one table per user, lowest free.</summary>
    public const int FirstTable = 7_570_000;

    /// <summary>
    /// Priorities of our policy rules: before <c>main</c> (32766), after <c>local</c> (0). All from <see cref="UserRulePriority"/> to
    /// <see cref="LastRulePriority"/> are ours, for the blocks of <see cref="RuleTree"/>; another's rule between would be jumped over.
    /// </summary>
    public const uint UserRulePriority = 7570, InnerSourceRulePriority = 8570, InnerSourceGuardPriority = 8571, LastRulePriority = 9569;

    /// <summary>Metric of the unreachable route under each tunnel route: last, but before any other table is asked.</summary>
    public const uint BlockMetric = 4_000_000;

    /// <summary>Metric of the route into the tunnel's device.</summary>
    public const uint TunnelMetric = 10;
}
