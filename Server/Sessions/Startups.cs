using System.Net;
using PersonalVpn.Packets;

namespace PersonalVpn.Server.Sessions;

/// <summary>
/// The connections that have not logged in yet. When there are too many, one has to go, and it is not the newcomer just because it
/// is new: whoever holds many open would lock everybody else out. It is the oldest one of the source that has the most, if an
/// ordinary login would be over by now; else the newcomer. Who turned out to be a browser goes before those who log in. A source is an IPv4 address or an IPv6 /64. Any thread.
/// </summary>
internal sealed class Startups(int full, int from, int rate)
{
    /// <summary>Milliseconds within which an ordinary login is over.</summary>
    public const int Patience = 2000;

    // Longer than anything waits here; among the demoted the oldest is still the oldest.
    private const long LongAgo = 1L << 40;

    private readonly Dictionary<long, Waiting> _waiting = [];
    private readonly Dictionary<IpAddr, int> _bySource = [];
    private readonly Lock _gate = new();
    private int _full = full, _from = from, _rate = rate;

    /// <summary>Connections that are logging in.</summary>
    public int Count
    {
        get { lock (_gate) return _waiting.Count; }
    }

    /// <summary>Other limits from now on; who is in stays in.</summary>
    public void Limit(int full, int from, int rate)
    {
        lock (_gate) (_full, _from, _rate) = (full, from, rate);
    }

    /// <summary>Takes a newcomer in, or not. Somebody else may be told to give way.</summary>
    public bool TryEnter(long id, IPAddress peer, long now, Action giveWay)
    {
        IpAddr source = SourceOf(peer);
        Action? leaver = null;
        lock (_gate)
        {
            if (_waiting.Count >= _from && MustGo())
            {
                if (Victim(source, now) is not { } victim) return false;
                leaver = victim.Value.GiveWay;
                RemoveLocked(victim.Key);
            }
            _waiting.Add(id, new Waiting(source, now, giveWay));
            _bySource[source] = _bySource.GetValueOrDefault(source) + 1;
        }
        leaver?.Invoke();
        return true;
    }

    /// <summary>It has logged in, or ended; more than once is allowed.</summary>
    public void Leave(long id)
    {
        lock (_gate) RemoveLocked(id);
    }

    /// <summary>It is not logging in at all: it is the first of its source to give way from now on, however young.</summary>
    public void Demote(long id)
    {
        lock (_gate)
        {
            if (_waiting.TryGetValue(id, out Waiting? waiting)) _waiting[id] = waiting with { Since = waiting.Since - LongAgo };
        }
    }

    // sshd's random early drop: from "rate" per cent at "start" to all at "full".
    private bool MustGo() => _waiting.Count >= _full ||
        Random.Shared.Next(100) < _rate + ((100 - _rate) * (_waiting.Count - _from) / Math.Max(1, _full - _from));

    private KeyValuePair<long, Waiting>? Victim(IpAddr newcomer, long now)
    {
        int most = _bySource.Max(s => s.Key == newcomer ? s.Value + 1 : s.Value);
        KeyValuePair<long, Waiting>? oldest = null;
        foreach (KeyValuePair<long, Waiting> w in _waiting)
        {
            int held = _bySource[w.Value.Source] + (w.Value.Source == newcomer ? 1 : 0);
            if (held == most && now - w.Value.Since >= Patience && (oldest is null || w.Value.Since < oldest.Value.Value.Since)) oldest = w;
        }
        return oldest;
    }

    private void RemoveLocked(long id)
    {
        if (!_waiting.Remove(id, out Waiting? waiting)) return;
        if (--_bySource[waiting.Source] == 0) _bySource.Remove(waiting.Source);
    }

    private static IpAddr SourceOf(IPAddress peer)
    {
        IpAddr a = IpAddr.From(peer).Unmap();
        return a.IsV6 ? new IpPrefix(a, 64).Address : a;
    }

    private sealed record Waiting(IpAddr Source, long Since, Action GiveWay);
}
