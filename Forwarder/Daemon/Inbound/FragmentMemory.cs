using PersonalVpn.Packets;

namespace PersonalVpn.Daemon.Inbound;

/// <summary>
/// The datagrams whose first fragment was let in, so that the rest may follow (a later fragment carries no ports, RFC 791 3.2).
/// Sixty-four at a time and thirty seconds each, as the kernel's reassembly keeps them; the oldest makes room. Used by the inbound
/// thread alone.
/// </summary>
internal sealed class FragmentMemory
{
    private const int Slots = 64;
    private const long Lifetime = 30_000;

    private readonly (IpAddr Source, byte Protocol, uint Id, FlowKey Flow, long At)[] _slots = new (IpAddr, byte, uint, FlowKey, long)[Slots];
    private int _next;

    /// <summary>Remembers a datagram whose first fragment was let in; <paramref name="flow"/> is the flow it answers, outbound.</summary>
    public void Remember(IpAddr source, byte protocol, uint id, FlowKey flow, long now)
    {
        _slots[_next] = (source, protocol, id, flow, now);
        _next = (_next + 1) % Slots;
    }

    /// <summary>Finds a datagram by what all its fragments carry.</summary>
    /// <param name="source">Its sender.</param>
    /// <param name="protocol">Its protocol.</param>
    /// <param name="id">Its identification.</param>
    /// <param name="now">Milliseconds.</param>
    /// <param name="flow">The flow that it answers, outbound.</param>
    public bool TryFind(IpAddr source, byte protocol, uint id, long now, out FlowKey flow)
    {
        foreach (ref readonly (IpAddr Source, byte Protocol, uint Id, FlowKey Flow, long At) slot in _slots.AsSpan())
        {
            if (slot.Id != id || slot.Protocol != protocol || slot.At == 0 || slot.Source != source || now - slot.At > Lifetime) continue;
            flow = slot.Flow;
            return true;
        }
        flow = default;
        return false;
    }
}
