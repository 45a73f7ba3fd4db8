using PersonalVpn.Packets;

namespace PersonalVpn.Daemon.Flows;

/// <summary>Where a TCP flow stands; other protocols stay <see cref="Open"/>.</summary>
internal enum FlowPhase
{
    /// <summary>SYN sent, no answer yet.</summary>
    Opening,

    /// <summary>Carrying data.</summary>
    Open,

    /// <summary>FIN seen both ways, or RST: only stragglers may follow.</summary>
    Closed,
}

/// <summary>
/// A flow that the tunnel's owner opened, proven by evidence. Its key is the outbound direction. All fields are read and written
/// under the lock of the <see cref="FlowTable"/> that holds it.
/// </summary>
internal sealed class Flow(FlowKey key)
{
    public FlowKey Key { get; } = key;

    /// <summary>Milliseconds of <see cref="Environment.TickCount64"/> at the last packet either way.</summary>
    public long LastSeen;

    /// <summary>When a socket of the owner's was last seen at this end of the flow.</summary>
    public long ProvenAt;

    /// <summary>When the socket that would receive an answer was last seen to be the owner's; procfs mode alone uses it.</summary>
    public long ReceiverProvenAt = Never;

    /// <summary>Longer ago than anything that stands.</summary>
    public const long Never = long.MinValue / 2;

    public FlowPhase Phase;
    public bool FinOut, FinIn;

    /// <summary>The peer's MSS option (RFC 9293 3.7.1), lowered by ICMP "too big"; 0 when the handshake was not seen.</summary>
    public ushort PeerMss;

    /// <summary>Idle time after which the flow is forgotten, milliseconds (values as in nf_conntrack, rounded).</summary>
    public long IdleLimit => Key.Protocol switch
    {
        6 => Phase switch { FlowPhase.Opening => 130_000, FlowPhase.Closed => 120_000, _ => 7_500_000 },
        1 or 58 => 30_000,
        _ => 180_000,
    };
}
