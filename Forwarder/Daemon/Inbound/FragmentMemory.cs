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

    private readonly (IpAddr Source, byte Protocol, uint Id, long At)[] _slots = new (IpAddr, byte, uint, long)[Slots];
    private int _next;

    public void Remember(IpAddr source, byte protocol, uint id, long now)
    {
        _slots[_next] = (source, protocol, id, now);
        _next = (_next + 1) % Slots;
    }

    public bool Known(IpAddr source, byte protocol, uint id, long now)
    {
        foreach ((IpAddr Source, byte Protocol, uint Id, long At) slot in _slots)
            if (slot.Id == id && slot.Protocol == protocol && slot.At != 0 && slot.Source == source && now - slot.At <= Lifetime) return true;
        return false;
    }
}
