using PersonalVpn.Daemon.Flows;
using PersonalVpn.Daemon.Outbound;
using PersonalVpn.Daemon.Tunnels;
using PersonalVpn.Packets;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Daemon.Inbound;

/// <summary>
/// May this packet from the server reach the host? Checked as strictly as the way out: a server, or the user's own process turned
/// malicious, must not touch another user's socket.
/// <list type="number">
/// <item>addressed to the tunnel's inner address, from one host that is neither this one nor the loopback;</item>
/// <item>TCP: never a first SYN; a SYN-ACK only when the socket that waits for it is the owner's; the rest on a flow of hers;</item>
/// <item>UDP: a flow of hers, and her socket still at its end: asked for every datagram, because a port changes hands in the moment
/// its socket closes, and whoever waits for that would read the answer (procfs: <see cref="ReproveAfter"/>);</item>
/// <item>ICMP: echo replies to her echo, and errors that quote a packet of a flow of hers; nothing else;</item>
/// <item>a later fragment: only after its first one passed, and the same socket is still there.</item>
/// </list>
/// </summary>
internal sealed class InboundGate(OwnerLookup lookup, OwnerLookupMode mode, IFlowLog? log = null)
{
    /// <summary>
    /// In procfs mode, milliseconds for which the answer about a UDP socket stands: a look costs milliseconds there, and all tunnels wait
    /// for it. An exact lookup costs three microseconds, and no answer of it stands.
    /// </summary>
    public const long ReproveAfter = 10;

    /// <summary>Decides one packet; <paramref name="flow"/> is the flow it answers, if it is not an error or a fragment.</summary>
    public DropReason Decide(TunnelState tunnel, in PacketInfo packet, ReadOnlySpan<byte> bytes, long now, out Flow? flow)
    {
        flow = null;
        if (tunnel.Address(packet.Version == 6) is not { } inner || packet.Destination != inner) return DropReason.WrongDestination;
        IpAddr source = packet.Source;
        if (source == inner || source.IsLoopback || source.IsMulticast || source.IsUnspecified || source.IsMappedV4) return DropReason.Malformed;
        if (packet.IsFragment && !packet.IsFirstFragment)
            return DecideLaterFragment(tunnel, packet, now);

        DropReason reason = packet.Protocol switch
        {
            6 => DecideTcp(tunnel, packet, now, out flow),
            1 or 58 => DecideIcmp(tunnel, packet, bytes, now, out flow),
            _ => DecideOther(tunnel, packet, now, out flow),
        };
        if (reason == DropReason.None && packet.IsFragment) tunnel.Fragments.Remember(source, packet.Protocol, packet.FragmentId, packet.Flow.Reverse(), now);
        return reason;
    }

    // The kernel delivers the datagram when its last fragment comes, up to half a minute after the first.
    private DropReason DecideLaterFragment(TunnelState tunnel, in PacketInfo packet, long now)
    {
        if (!tunnel.Fragments.TryFind(packet.Source, packet.Protocol, packet.FragmentId, now, out FlowKey key)) return DropReason.Fragment;
        if (!HasUdpSocket(packet.Protocol)) return DropReason.None;
        Flow? flow;
        lock (tunnel.Flows.Gate) flow = tunnel.Flows.Find(key, now);
        return flow is null ? DropReason.Unsolicited : ProveReceiver(tunnel, flow, now);
    }

    private DropReason DecideTcp(TunnelState tunnel, in PacketInfo packet, long now, out Flow? flow)
    {
        FlowKey key = packet.Flow.Reverse();
        flow = null;
        bool syn = (packet.TcpFlags & TcpFlags.Syn) != 0, ack = (packet.TcpFlags & TcpFlags.Ack) != 0;
        if (syn && !ack) return DropReason.Unsolicited;
        lock (tunnel.Flows.Gate) flow = tunnel.Flows.Find(key, now);
        if (flow is null || syn)
        {
            // The flow may have idled out of the table while its socket lives on; and a SYN-ACK makes a connection, so it is proven afresh.
            DropReason reason = Prove(tunnel, key);
            if (reason != DropReason.None) return flow is null && reason == DropReason.OwnerUnknown ? DropReason.Unsolicited : reason;
        }
        lock (tunnel.Flows.Gate)
        {
            flow ??= tunnel.Flows.Add(key, now);
            if (flow is null) return DropReason.FlowTableFull;
            FlowTable.Follow(flow, packet.TcpFlags, outbound: false, now);
        }
        return DropReason.None;
    }

    private DropReason DecideOther(TunnelState tunnel, in PacketInfo packet, long now, out Flow? flow)
    {
        flow = FindOrCatchUp(tunnel, packet.Flow.Reverse(), now);
        if (flow is null) return DropReason.Unsolicited;
        lock (tunnel.Flows.Gate) flow.LastSeen = now;
        return HasUdpSocket(packet.Protocol) ? ProveReceiver(tunnel, flow, now) : DropReason.None;
    }

    private static bool HasUdpSocket(byte protocol) => protocol is IpProtocol.Udp or IpProtocol.UdpLite;

    private DropReason ProveReceiver(TunnelState tunnel, Flow flow, long now)
    {
        if (mode == OwnerLookupMode.Procfs)
            lock (tunnel.Flows.Gate)
                if (now - flow.ReceiverProvenAt <= ReproveAfter) return DropReason.None;
        DropReason reason = Prove(tunnel, flow.Key);
        lock (tunnel.Flows.Gate) flow.ReceiverProvenAt = reason == DropReason.None ? now : Flow.Never;
        return reason;
    }

    // An answer cannot be here before the log of what it answers, but before that log was read.
    private Flow? FindOrCatchUp(TunnelState tunnel, in FlowKey outbound, long now)
    {
        for (int attempt = 0; ; attempt++)
        {
            Flow? flow;
            lock (tunnel.Flows.Gate) flow = tunnel.Flows.Find(outbound, now);
            if (flow is not null || log is null || attempt > 0) return flow;
            log.CatchUp();
        }
    }

    private DropReason DecideIcmp(TunnelState tunnel, in PacketInfo packet, ReadOnlySpan<byte> bytes, long now, out Flow? flow)
    {
        flow = null;
        bool echoReply = packet.Protocol == 1 ? packet.IcmpType == 0 : packet.IcmpType == 129;
        if (echoReply)
        {
            lock (tunnel.Flows.Gate)
            {
                flow = tunnel.Flows.Find(packet.Flow.Reverse(), now);
                if (flow is not null) flow.LastSeen = now;
            }
            return flow is null ? DropReason.Unsolicited : DropReason.None;
        }
        // RFC 792: 3 unreachable, 11 time exceeded, 12 parameter problem; a redirect (5) would rewrite the host's routes.
        bool error = packet.Protocol == 1 ? packet.IcmpType is 3 or 11 or 12 : packet.IcmpType is >= 1 and <= 4;
        if (!error) return DropReason.ForbiddenIcmp;
        if (PacketParser.TryParseEmbedded(bytes, packet, out FlowKey embedded, out _) != PacketError.None) return DropReason.Malformed;
        if (embedded.Source != packet.Destination) return DropReason.Unsolicited;
        if (FindOrCatchUp(tunnel, embedded, now) is not { } subject)
            // A connection older than the table remembers, whose socket is hers: it must learn of a smaller path MTU all the same.
            return tunnel.FastPath && embedded.Protocol == IpProtocol.Tcp && Prove(tunnel, embedded) == DropReason.None ? DropReason.None : DropReason.Unsolicited;
        lock (tunnel.Flows.Gate)
            if (PacketTooBig.TryGetMtu(bytes, packet, out int mtu)) Lower(subject, mtu);
        return DropReason.None;
    }

    // The kernel lowers the path MTU of her socket from the same ICMP error; our segment size must follow (RFC 1191 6.4, RFC 8201).
    private static void Lower(Flow flow, int mtu)
    {
        int mss = Math.Max(mtu - (flow.Key.Source.IsV6 ? 60 : 40), 500);
        if (flow.PeerMss == 0 || mss < flow.PeerMss) flow.PeerMss = (ushort)Math.Min(mss, ushort.MaxValue);
    }

    // Who holds the socket that this packet would reach?
    private DropReason Prove(TunnelState tunnel, in FlowKey outbound)
    {
        OwnerAnswer answer = lookup.Find(null, OwnerGate.ToTuple(outbound));
        return answer.Verdict switch
        {
            OwnerVerdict.Owner => answer.Uid == tunnel.Uid ? DropReason.None : DropReason.ReceiverNotOwner,
            OwnerVerdict.Ambiguous => DropReason.ReceiverNotOwner,
            _ => DropReason.OwnerUnknown,
        };
    }
}
