using PersonalVpn.Linux;

namespace PersonalVpn.Daemon.Tunnels;

/// <summary>
/// When to look again whether our rules stand. Where all of the packet filter is nftables (iptables included: <c>iptables-nft</c>), the
/// kernel's generation number tells at once that somebody changed something; iptables-legacy tells nothing, and is looked at every ten
/// seconds. Control thread only.
/// </summary>
internal sealed class FirewallWatch : IDisposable
{
    private const long LookEvery = 10_000;

    private readonly NftGeneration _generation = new();
    private readonly bool _isComplete = Firewall.IsAllNftables();
    private uint? _seen;
    private long _lookedAt = Environment.TickCount64;

    /// <summary>True when the rules may be others than those last found to be ours.</summary>
    public bool MayHaveChanged => _isComplete && _generation.Read() is { } now ? now != _seen : Environment.TickCount64 - _lookedAt >= LookEvery;

    /// <summary>Call before reading the rules: a change from here on is a change.</summary>
    public void Looking()
    {
        _seen = _generation.Read();
        _lookedAt = Environment.TickCount64;
    }

    /// <summary>What was read is not what should be there: look again soon.</summary>
    public void Forget() => _seen = null;

    /// <summary>A change of our own, in one commit: what was right before it is right after it. Others' changes beside it are noticed.</summary>
    public void Change(Action commit)
    {
        uint? before = _generation.Read();
        commit();
        if (before is { } number && number == _seen && _generation.Read() == number + 1) _seen = number + 1;
    }

    /// <inheritdoc/>
    public void Dispose() => _generation.Dispose();
}
