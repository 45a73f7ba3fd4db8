using PersonalVpn.Packets;
using PersonalVpn.Server.Configuration;

namespace PersonalVpn.Server.Sessions;

/// <summary>Why a session could not be opened; the text is for the client.</summary>
internal sealed class SessionRefusedException(Tunnel.Protocol.CloseReason reason, string message) : Exception(message)
{
    public Tunnel.Protocol.CloseReason Reason { get; } = reason;
}

/// <summary>
/// All sessions, by the addresses they hold: an inner address names exactly one session, so there is no doubt whose a reply is,
/// however many users of one host talk to one server. Finding is lock-free (the capture thread, per packet); changing is not.
/// </summary>
internal sealed class SessionRegistry
{
    private readonly System.Collections.Concurrent.ConcurrentDictionary<IpAddr, Session> _byAddress = new();
    private readonly Dictionary<long, Session> _byId = [];
    private readonly Dictionary<IpPrefix, AddressPool> _pools;
    private readonly AddressPool? _pool6;
    private readonly Lock _gate = new();

    public SessionRegistry(ServerConfig config)
    {
        _pools = config.Pools.ToDictionary(p => p, p => new AddressPool(p));
        _pool6 = config.AddressPool6 is { } p6 ? new AddressPool(p6) : null;
        MaxSessions = config.MaxSessions;
        ServerV4 = _pools[config.AddressPool].ServerAddress;
        ServerV6 = _pool6?.ServerAddress ?? new IpAddr(0, true);
    }

    /// <summary>Every pool with the server's own address in it.</summary>
    public IReadOnlyList<(IpPrefix Pool, IpAddr Server)> Pools =>
        [.. _pools.Values.Concat(_pool6 is null ? [] : [_pool6]).Select(p => (p.Prefix, p.ServerAddress))];

    /// <summary>Most sessions at a time. Lowering it ends none.</summary>
    public int MaxSessions { get; set; }

    /// <summary>The servers that can be reached through this one.</summary>
    public Register.Registrations Names { get; } = new();

    public IpAddr ServerV4 { get; }
    public IpAddr ServerV6 { get; }

    public IReadOnlyList<Session> All
    {
        get { lock (_gate) return [.. _byId.Values]; }
    }

    /// <summary>The session that holds an inner address; any thread.</summary>
    public Session? Find(IpAddr inner) => _byAddress.GetValueOrDefault(inner);

    /// <summary>Gives a session addresses; a second call (the client cannot use the first ones) gives others.</summary>
    /// <exception cref="SessionRefusedException">There are none, or the user has too many sessions.</exception>
    public void Assign(Session session, IReadOnlyCollection<IpAddr> avoid)
    {
        lock (_gate)
        {
            if (!_byId.ContainsKey(session.Id)) CheckLimitsLocked(session);
            ReleaseLocked(session);
            AddressPool pool = _pools[session.Policy.Pool];
            session.AddressV4 = pool.Take(session.User, session.Policy.FixedV4, avoid);
            session.AddressV6 = _pool6?.Take(session.User, session.Policy.FixedV6, avoid);
            if (session.AddressV4 is null)
            {
                ReleaseLocked(session);
                throw new SessionRefusedException(Tunnel.Protocol.CloseReason.NoAddress, session.Policy.FixedV4 is { } f
                    ? $"the address {f} of this key is in use or not in the pool {pool.Prefix}; end the other session, or ask the administrator"
                    : $"the address pool {pool.Prefix} is used up; try again later, or ask the administrator for a larger one");
            }
            _byId[session.Id] = session;
            _byAddress[session.AddressV4.Value] = session;
            if (session.AddressV6 is { } v6) _byAddress[v6] = session;
        }
    }

    /// <summary>Takes in a relay or a registration, which counts as a session and has no address.</summary>
    /// <exception cref="SessionRefusedException">The user has too many sessions, or the server.</exception>
    public void AddRelay(Session session)
    {
        lock (_gate)
        {
            CheckLimitsLocked(session);
            _byId[session.Id] = session;
        }
    }

    /// <summary>Takes in a registration and gives it its name. The session of the same user that had it before is answered, and is out already.</summary>
    /// <param name="session">With its name.</param>
    /// <param name="key">The key it logged in with.</param>
    /// <param name="tell">Says so to the client.</param>
    /// <exception cref="SessionRefusedException">The user has too many sessions, or the server, or another user has the name.</exception>
    public Session? Register(Session session, UserAuth.PublicKey key, Action tell)
    {
        // The old one first: with MaxSessionsPerUser 1 a server that was started anew would wait for its own ghost.
        Session? old = Names.HeldBy(session);
        if (old is not null) Remove(old);
        AddRelay(session);
        Names.Add(session, key, tell);
        return old;
    }

    /// <summary>Takes a session out and its addresses back.</summary>
    public void Remove(Session session)
    {
        Names.Remove(session);
        lock (_gate)
        {
            _byId.Remove(session.Id);
            ReleaseLocked(session);
        }
    }

    private void CheckLimitsLocked(Session session)
    {
        if (_byId.Count >= MaxSessions) throw new SessionRefusedException(Tunnel.Protocol.CloseReason.TooManySessions, $"the server has its maximum of {MaxSessions} sessions; try again later");
        int own = _byId.Values.Count(s => s.User == session.User);
        if (own >= session.Policy.MaxSessionsPerUser)
            throw new SessionRefusedException(Tunnel.Protocol.CloseReason.TooManySessions, $"user {session.User} has {own} sessions, the maximum; end one first");
    }

    private void ReleaseLocked(Session session)
    {
        if (session.AddressV4 is { } v4)
        {
            _byAddress.TryRemove(v4, out _);
            _pools[session.Policy.Pool].Release(v4);
        }
        if (session.AddressV6 is { } v6)
        {
            _byAddress.TryRemove(v6, out _);
            _pool6?.Release(v6);
        }
        session.AddressV4 = session.AddressV6 = null;
    }
}
