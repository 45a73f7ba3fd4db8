using PersonalVpn.Linux.Abi;
using PersonalVpn.Packets;

namespace PersonalVpn.Linux;

/// <summary>Who made a route or rule (RTPROT_*, FRA_PROTOCOL): leftovers are found by it.</summary>
public static class RouteProtocol
{
    /// <summary>Made by the kernel.</summary>
    public const byte Kernel = 2;

    /// <summary>Made by an administrator at boot.</summary>
    public const byte Boot = 3;

    /// <summary>Made by an administrator.</summary>
    public const byte Static = 4;

    /// <summary>Made by this project. Not assigned in rt_protos; values from 5 to 255 are the user's (linux/rtnetlink.h).</summary>
    public const byte PersonalVpn = 170;
}

/// <summary>What a route does (RTN_*, linux/rtnetlink.h).</summary>
public enum RouteType : byte
{
    /// <summary>Forward by the device.</summary>
    Unicast = RtnetlinkH.RTN_UNICAST,

    /// <summary>Deliver here.</summary>
    Local = RtnetlinkH.RTN_LOCAL,

    /// <summary>Broadcast address of an interface.</summary>
    Broadcast = RtnetlinkH.RTN_BROADCAST,

    /// <summary>Multicast.</summary>
    Multicast = RtnetlinkH.RTN_MULTICAST,

    /// <summary>Drop silently; the sender sees EINVAL.</summary>
    Blackhole = RtnetlinkH.RTN_BLACKHOLE,

    /// <summary>Refuse: EHOSTUNREACH, ICMP host unreachable.</summary>
    Unreachable = RtnetlinkH.RTN_UNREACHABLE,

    /// <summary>Refuse: EACCES, ICMP administratively prohibited.</summary>
    Prohibit = RtnetlinkH.RTN_PROHIBIT,

    /// <summary>Go on with the next rule.</summary>
    Throw = RtnetlinkH.RTN_THROW,
}

/// <summary>A route to add, to delete or found.</summary>
public sealed record RouteSpec
{
    /// <summary>For which destinations.</summary>
    public required IpPrefix Destination { get; init; }

    /// <summary>In which table; 254 = main.</summary>
    public int Table { get; init; } = RtnetlinkH.RT_TABLE_MAIN;

    /// <summary>By which interface; null for types that need none.</summary>
    public string? Device { get; init; }

    /// <summary>By which neighbour; null = the destination is on the link.</summary>
    public IpAddr? Gateway { get; init; }

    /// <summary>Source address the kernel chooses for sockets that have none.</summary>
    public IpAddr? PreferredSource { get; init; }

    /// <summary>What it does.</summary>
    public RouteType Type { get; init; } = RouteType.Unicast;

    /// <summary>Preference, lower first; 0 = the kernel's default (IPv6: 1024).</summary>
    public uint Metric { get; init; }

    /// <summary>Path MTU of this route in bytes (RTAX_MTU), null = the device's.</summary>
    public int? Mtu { get; init; }

    /// <summary>Segment size TCP advertises by this route in bytes (RTAX_ADVMSS).</summary>
    public int? AdvMss { get; init; }

    /// <summary>Who made it; when deleting only routes of this maker match.</summary>
    public byte Protocol { get; init; } = RouteProtocol.PersonalVpn;
}

/// <summary>What a rule does (FR_ACT_*, linux/fib_rules.h).</summary>
public enum RuleAction : byte
{
    /// <summary>Look into a table; go on when it has no route.</summary>
    ToTable = FibRulesH.FR_ACT_TO_TBL,

    /// <summary>Jump to the rule of a priority.</summary>
    Goto = FibRulesH.FR_ACT_GOTO,

    /// <summary>Nothing: a target to jump to.</summary>
    Nop = FibRulesH.FR_ACT_NOP,

    /// <summary>Drop silently; the sender sees EINVAL.</summary>
    Blackhole = FibRulesH.FR_ACT_BLACKHOLE,

    /// <summary>Refuse: ENETUNREACH.</summary>
    Unreachable = FibRulesH.FR_ACT_UNREACHABLE,

    /// <summary>Refuse: EACCES.</summary>
    Prohibit = FibRulesH.FR_ACT_PROHIBIT,
}

/// <summary>A policy routing rule to add, to delete or found. What is null does not narrow it.</summary>
public sealed record RuleSpec
{
    /// <summary>IPv6 instead of IPv4.</summary>
    public bool V6 { get; init; }

    /// <summary>Order, lower first; main is 32766.</summary>
    public required uint Priority { get; init; }

    /// <summary>Table of <see cref="RuleAction.ToTable"/>.</summary>
    public int Table { get; init; }

    /// <summary>First user id.</summary>
    public uint? UidStart { get; init; }

    /// <summary>Last user id; null = only <see cref="UidStart"/>.</summary>
    public uint? UidEnd { get; init; }

    /// <summary>Source addresses.</summary>
    public IpPrefix? From { get; init; }

    /// <summary>Destination addresses.</summary>
    public IpPrefix? To { get; init; }

    /// <summary>Mark after masking.</summary>
    public uint? FwMark { get; init; }

    /// <summary>Bits of the mark that count; null = all.</summary>
    public uint? FwMask { get; init; }

    /// <summary>Incoming interface; "lo" = packets of this host.</summary>
    public string? InInterface { get; init; }

    /// <summary>Outgoing interface: sockets bound to it.</summary>
    public string? OutInterface { get; init; }

    /// <summary>IP protocol number.</summary>
    public byte? IpProtocol { get; init; }

    /// <summary>True: matches what does not match.</summary>
    public bool Invert { get; init; }

    /// <summary>Target of <see cref="RuleAction.Goto"/>.</summary>
    public uint? GotoPriority { get; init; }

    /// <summary>Ignore routes of the table whose prefix is not longer than this (0: ignore default routes).</summary>
    public int? SuppressPrefixLength { get; init; }

    /// <summary>What it does.</summary>
    public RuleAction Action { get; init; } = RuleAction.ToTable;

    /// <summary>Who made it; when deleting only rules of this maker match.</summary>
    public byte Protocol { get; init; } = RouteProtocol.PersonalVpn;
}

/// <summary>One network interface.</summary>
/// <param name="Index">The kernel's number for it.</param>
/// <param name="Name">Its name.</param>
/// <param name="Up">Administratively up (IFF_UP).</param>
/// <param name="Running">Has a carrier (IFF_RUNNING).</param>
/// <param name="Loopback">A loopback interface.</param>
/// <param name="Mtu">Bytes.</param>
/// <param name="TxQueueLength">Packets.</param>
/// <param name="Group">Interface group.</param>
/// <param name="Kind">Driver kind ("tun", "veth", "dummy"), null for hardware.</param>
public sealed record LinkEntry(
    int Index, string Name, bool Up, bool Running, bool Loopback, int Mtu, int TxQueueLength, uint Group, string? Kind);

/// <summary>What went through an interface since it was made.</summary>
/// <param name="PacketsIn">Packets received; superpackets count as one.</param>
/// <param name="PacketsOut">Packets sent.</param>
/// <param name="BytesIn">Bytes received.</param>
/// <param name="BytesOut">Bytes sent.</param>
/// <param name="DroppedOut">Packets not sent: the queue was full, or nobody reads a TUN device.</param>
public sealed record LinkCounters(long PacketsIn, long PacketsOut, long BytesIn, long BytesOut, long DroppedOut);

/// <summary>One address of an interface.</summary>
/// <param name="IfIndex">Interface.</param>
/// <param name="Address">Address.</param>
/// <param name="PrefixLength">Length of its network's prefix.</param>
/// <param name="NoPrefixRoute">The kernel made no route to the network.</param>
/// <param name="Tentative">IPv6: duplicate detection still runs, the address cannot be used.</param>
public sealed record AddressEntry(int IfIndex, IpAddr Address, int PrefixLength, bool NoPrefixRoute, bool Tentative);

/// <summary>Where a packet would go.</summary>
/// <param name="Error">0, or the errno a sender would get: EACCES prohibit, EHOSTUNREACH or ENETUNREACH unreachable or none, EINVAL blackhole.</param>
/// <param name="Type">What the route does; meaningless with an error.</param>
/// <param name="Table">The table that had it.</param>
/// <param name="OutIfIndex">Interface by which it leaves.</param>
/// <param name="OutInterface">Name of it.</param>
/// <param name="PreferredSource">Source address the kernel would choose.</param>
/// <param name="Gateway">Next hop.</param>
public sealed record RouteAnswer(
    int Error, RouteType Type, int Table, int OutIfIndex, string? OutInterface, IpAddr? PreferredSource, IpAddr? Gateway)
{
    /// <summary>True when a packet would be sent or delivered.</summary>
    public bool Reachable => Error == 0 && Type is RouteType.Unicast or RouteType.Local;
}
