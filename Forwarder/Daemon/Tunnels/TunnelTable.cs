using System.Collections.Frozen;

namespace PersonalVpn.Daemon.Tunnels;

/// <summary>
/// All tunnels. The control thread changes it; the packet threads read a snapshot that is replaced whole, so that a packet is
/// judged by one consistent state and never waits for a lock.
/// </summary>
internal sealed class TunnelTable
{
    private volatile FrozenDictionary<int, TunnelState> _byInterface = FrozenDictionary<int, TunnelState>.Empty;
    private readonly List<TunnelState> _all = [];

    /// <summary>Every tunnel; control thread only.</summary>
    public IReadOnlyList<TunnelState> All => _all;

    /// <summary>The tunnel whose device has this interface index; any thread.</summary>
    public TunnelState? ByInterface(int index) => _byInterface.GetValueOrDefault(index);

    public void Add(TunnelState tunnel)
    {
        _all.Add(tunnel);
        Publish();
    }

    public void Remove(TunnelState tunnel)
    {
        _all.Remove(tunnel);
        Publish();
    }

    /// <summary>Makes changes of interface indices visible to the packet threads.</summary>
    public void Publish() => _byInterface = _all.Where(t => t.InterfaceIndex > 0).ToFrozenDictionary(t => t.InterfaceIndex);
}
