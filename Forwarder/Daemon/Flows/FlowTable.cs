using PersonalVpn.Packets;

namespace PersonalVpn.Daemon.Flows;

/// <summary>
/// The flows one tunnel's owner has opened, bounded. It answers two questions: may an ownerless packet leave (the last ACK of a
/// closed connection), and may a packet from the server come in. Shared by two queue threads and the inbound thread: every use
/// is inside <c>lock (table.Gate)</c>.
/// </summary>
internal sealed class FlowTable(int capacity = FlowTable.DefaultCapacity)
{
    public const int DefaultCapacity = 65536;

    // A full table is searched for idle flows once in this many milliseconds: packets of all users wait for the thread that does it.
    private const long SweepInterval = 1000;

    private readonly Dictionary<FlowKey, Flow> _flows = [];
    private readonly Queue<FlowKey> _noted = new();
    private long _sweptAt = long.MinValue / 2;

    /// <summary>The lock that guards this table and every <see cref="Flow"/> in it.</summary>
    public Lock Gate { get; } = new();

    public int Count => _flows.Count;

    /// <summary>The flow with this outbound key, or null when unknown or expired.</summary>
    public Flow? Find(in FlowKey outbound, long now)
    {
        if (!_flows.TryGetValue(outbound, out Flow? flow)) return null;
        if (now - flow.LastSeen <= flow.IdleLimit) return flow;
        _flows.Remove(outbound);
        return null;
    }

    /// <summary>Adds a proven flow, or returns the one that is there; null when the table is full even after forgetting idle ones.</summary>
    public Flow? Add(in FlowKey outbound, long now)
    {
        if (_flows.TryGetValue(outbound, out Flow? flow)) return flow;
        if (_flows.Count >= capacity)
        {
            if (now - _sweptAt >= SweepInterval) Sweep(now);
            if (_flows.Count >= capacity) return null;
        }
        flow = new Flow(outbound) { LastSeen = now, ProvenAt = now, Phase = outbound.Protocol == 6 ? FlowPhase.Opening : FlowPhase.Open };
        _flows.Add(outbound, flow);
        return flow;
    }

    /// <summary>
    /// Remembers a flow whose packets the kernel lets pass by itself, so its end is not seen here: the newest replace the oldest,
    /// and there is always room. What it is needed for happens soon after (a last ACK) or is proven otherwise (ICMP errors).
    /// </summary>
    public Flow Note(in FlowKey outbound, long now)
    {
        if (!_flows.TryGetValue(outbound, out Flow? flow))
        {
            if (_noted.Count >= capacity / 2 || _flows.Count >= capacity)
                while (_noted.TryDequeue(out FlowKey oldest) && !_flows.Remove(oldest)) { }
            flow = new Flow(outbound) { Phase = FlowPhase.Open };
            _flows.Add(outbound, flow);
            _noted.Enqueue(outbound);
        }
        flow.LastSeen = flow.ProvenAt = now;
        return flow;
    }

    /// <summary>Forgets flows idle beyond their limit.</summary>
    public void Sweep(long now)
    {
        _sweptAt = now;
        foreach ((FlowKey key, Flow flow) in _flows)
            if (now - flow.LastSeen > flow.IdleLimit) _flows.Remove(key);
    }

    /// <summary>Follows a TCP flow's life from the flags of one packet (RFC 9293 3.3.2, simplified).</summary>
    public static void Follow(Flow flow, byte tcpFlags, bool outbound, long now)
    {
        flow.LastSeen = now;
        if ((tcpFlags & TcpFlags.Rst) != 0) flow.Phase = FlowPhase.Closed;
        else if (flow.Phase == FlowPhase.Opening && !outbound) flow.Phase = FlowPhase.Open;
        if ((tcpFlags & TcpFlags.Fin) == 0) return;
        if (outbound) flow.FinOut = true;
        else flow.FinIn = true;
        if (flow.FinOut && flow.FinIn) flow.Phase = FlowPhase.Closed;
    }
}
