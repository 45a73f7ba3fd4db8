using PersonalVpn.Packets;

namespace PersonalVpn.Daemon.Tunnels;

/// <summary>
/// A tunnel whose device has a reader, the owner's own process: the owner's TCP from this inner address goes to it without a look by
/// pvpnd at every packet, and TCP for this address may come in by it.
/// </summary>
internal sealed record FastPath(string Device, IpAddr Inner, uint Uid);

/// <summary>What the packet filter says beyond its constant part.</summary>
internal sealed class FirewallRules
{
    /// <summary>Inner addresses: only what pvpnd injects may arrive for them.</summary>
    public HashSet<IpAddr> Guarded { get; init; } = [];

    /// <summary>Tunnelled destinations: their owner's packets to them leave by the tunnel's device or not at all.</summary>
    public HashSet<(uint Uid, IpPrefix Destination)> Blocked { get; init; } = [];

    /// <summary>Inner addresses with a fast path.</summary>
    public HashSet<FastPath> Fast { get; init; } = [];

    public bool SameAs(FirewallRules other) =>
        Guarded.SetEquals(other.Guarded) && Blocked.SetEquals(other.Blocked) && Fast.SetEquals(other.Fast);
}
