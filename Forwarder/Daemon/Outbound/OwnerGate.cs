using PersonalVpn.Daemon.Flows;
using PersonalVpn.Daemon.Tunnels;
using PersonalVpn.Packets;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Daemon.Outbound;

/// <summary>
/// Whose packet is this, and may it enter the tunnel? The one place where that is decided, for every packet that leaves by a
/// tunnel's device:
/// <list type="number">
/// <item>not well-formed, not from the inner address, not to one host: drop;</item>
/// <item>the kernel says who sent it (NFQA_UID) and it is not the owner: drop, whatever else is known;</item>
/// <item>the kernel says it is the owner (mode kernel): pass, and remember the flow;</item>
/// <item>otherwise a connection's first packet (SYN) is proven by socket lookup, every time;</item>
/// <item>any other packet: an exact socket lookup names the owner: pass; another user: drop; nobody (closed socket, TIME_WAIT,
/// kernel-made RST or ICMP error): pass only on the exact 5-tuple of a flow already proven.</item>
/// </list>
/// In procfs mode a lookup costs milliseconds, so a flow proven within <see cref="ProofLifetime"/> is not asked about again.
/// </summary>
internal sealed class OwnerGate(OwnerLookup lookup, OwnerLookupMode mode, IFlowLog? log = null)
{
    /// <summary>How long a proof by /proc stands for a flow, milliseconds.</summary>
    public const long ProofLifetime = 1000;

    /// <summary>Decides one packet. Returns the reason to drop it, or None; <paramref name="flow"/> is set for packets that pass and belong to one.</summary>
    public DropReason Decide(FlowTable flows, uint ownerUid, IpAddr? innerAddress, in PacketInfo packet, ReadOnlySpan<byte> bytes,
        uint? kernelUid, long now, out Flow? flow)
    {
        flow = null;
        if (innerAddress is not { } inner || packet.Source != inner) return DropReason.WrongSource;
        if (packet.Destination.IsMulticast || packet.Destination.IsUnspecified || packet.Destination.IsLoopback ||
            packet.Destination == IpAddr.FromV4(uint.MaxValue)) return DropReason.NotUnicast;
        if (packet.IsFragment) return DropReason.Fragment;
        if (kernelUid is { } sender && sender != ownerUid) return DropReason.NotOwner;

        if (packet.IsIcmpError) return DecideIcmpError(flows, ownerUid, packet, bytes, kernelUid, now);

        FlowKey key = packet.Flow;
        bool first = packet.Protocol == 6 && (packet.TcpFlags & (TcpFlags.Syn | TcpFlags.Ack)) == TcpFlags.Syn;
        bool byKernel = mode == OwnerLookupMode.Kernel && kernelUid is not null;
        bool cached = mode == OwnerLookupMode.Procfs && !first && ProvenRecently(flows, key, now);
        bool proven = byKernel || cached;
        if (!proven)
        {
            OwnerAnswer answer = lookup.Find(null, ToTuple(key));
            if (answer.Verdict == OwnerVerdict.Ambiguous) return DropReason.OwnerUnknown;
            if (answer.Verdict == OwnerVerdict.Owner && answer.Uid != ownerUid) return DropReason.NotOwner;
            proven = answer.Verdict == OwnerVerdict.Owner;
        }
        if (!proven && !first) CatchUp(flows, key, now);
        lock (flows.Gate)
        {
            flow = proven ? flows.Add(key, now) : first ? null : flows.Find(key, now);
            if (flow is null) return proven ? DropReason.FlowTableFull : DropReason.OwnerUnknown;
            if (first) Reopen(flow);
            if (proven && !cached) flow.ProvenAt = now;
            if (packet.Protocol == 6) FlowTable.Follow(flow, packet.TcpFlags, outbound: true, now);
            else flow.LastSeen = now;
        }
        return DropReason.None;
    }

    /// <summary>The socket a packet of this flow would have come from.</summary>
    public static SocketTuple ToTuple(in FlowKey key) =>
        new(key.Protocol, key.Source.IsV6, key.Source.Value, key.SourcePort, key.Destination.Value, key.DestinationPort);

    // The same 5-tuple, a new connection: what the old one's end left behind does not count.
    private static void Reopen(Flow flow)
    {
        flow.Phase = FlowPhase.Opening;
        flow.FinIn = flow.FinOut = false;
        flow.PeerMss = 0;
    }

    private static bool ProvenRecently(FlowTable flows, in FlowKey key, long now)
    {
        lock (flows.Gate) return flows.Find(key, now) is { } flow && now - flow.ProvenAt <= ProofLifetime;
    }

    // A connection that the kernel let pass by itself may have ended before its log was read.
    private void CatchUp(FlowTable flows, in FlowKey key, long now)
    {
        if (log is null) return;
        lock (flows.Gate)
            if (flows.Find(key, now) is not null) return;
        log.CatchUp();
    }

    // "Port unreachable" and the like about a packet that came in: made by the kernel, about a flow of hers or not at all.
    private DropReason DecideIcmpError(FlowTable flows, uint ownerUid, in PacketInfo packet, ReadOnlySpan<byte> bytes, uint? kernelUid, long now)
    {
        if (mode == OwnerLookupMode.Kernel && kernelUid == ownerUid) return DropReason.None;
        if (PacketParser.TryParseEmbedded(bytes, packet, out FlowKey embedded, out _) != PacketError.None) return DropReason.Malformed;
        CatchUp(flows, embedded.Reverse(), now);
        lock (flows.Gate)
            return embedded.Destination == packet.Source && flows.Find(embedded.Reverse(), now) is not null ? DropReason.None : DropReason.OwnerUnknown;
    }
}
