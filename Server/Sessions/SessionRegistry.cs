using PersonalVpn.Packets;
using PersonalVpn.Server.Configuration;
using PersonalVpn.Server.Resume;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Server.Sessions;

/// <summary>Why a session could not be opened; the text is for the client.</summary>
internal sealed class SessionRefusedException(Tunnel.Protocol.CloseReason reason, string message) : Exception(message)
{
    public Tunnel.Protocol.CloseReason Reason { get; } = reason;
}

/// <summary>
/// All sessions, by the addresses they hold: an inner address names exactly one session, so there is no doubt whose a reply is,
/// however many users of one host talk to one server. Finding is lock-free (the capture thread, per packet); changing is not.
/// The addresses of a session that was lost wait for it as long as its lease does.
/// </summary>
internal sealed class SessionRegistry : IDisposable
{
    private readonly System.Collections.Concurrent.ConcurrentDictionary<IpAddr, Session> _byAddress = new();
    private readonly Dictionary<long, Session> _byId = [];
    private readonly Dictionary<IpPrefix, AddressPool> _pools;
    private readonly AddressPool? _pool6;
    private readonly LeaseBook _leases;
    private readonly Lock _gate = new();

    /// <param name="config">Pools and limits.</param>
    /// <param name="leases">Owned from here on.</param>
    /// <param name="former">Leases of a former run.</param>
    public SessionRegistry(ServerConfig config, LeaseBook leases, IEnumerable<Lease> former)
    {
        _pools = config.Pools.ToDictionary(p => p, p => new AddressPool(p));
        _pool6 = config.AddressPool6 is { } p6 ? new AddressPool(p6) : null;
        _leases = leases;
        Limit(config);
        ServerV4 = _pools[config.AddressPool].ServerAddress;
        ServerV6 = _pool6?.ServerAddress ?? new IpAddr(0, true);
        foreach (Lease lease in former) Restore(lease);
    }

    /// <summary>Every pool with the server's own address in it.</summary>
    public IReadOnlyList<(IpPrefix Pool, IpAddr Server)> Pools =>
        [.. _pools.Values.Concat(_pool6 is null ? [] : [_pool6]).Select(p => (p.Prefix, p.ServerAddress))];

    /// <summary>Most sessions at a time.</summary>
    public int MaxSessions { get; private set; }

    /// <summary>The servers that can be reached through this one.</summary>
    public Register.Registrations Names { get; } = new();

    public IpAddr ServerV4 { get; }
    public IpAddr ServerV6 { get; }

    public IReadOnlyList<Session> All
    {
        get { lock (_gate) return [.. _byId.Values]; }
    }

    /// <summary>Takes over the limits of a configuration. Lowering them ends no session.</summary>
    public void Limit(ServerConfig config)
    {
        lock (_gate)
        {
            MaxSessions = config.MaxSessions;
            _leases.Lifetime = config.TicketLifetime;
        }
    }

    /// <summary>The session that holds an inner address; any thread.</summary>
    public Session? Find(IpAddr inner) => _byAddress.GetValueOrDefault(inner);

    /// <summary>A lease for a connection that logged in by key.</summary>
    public Lease Begin(string user, PublicKey key, long connection)
    {
        lock (_gate) return _leases.Begin(user, key, connection);
    }

    /// <summary>The lease of a ticket, which is used up; null and why when it is not good. The key is not looked at.</summary>
    public Lease? Redeem(ResumeAttempt attempt, out string refusal)
    {
        lock (_gate) return _leases.Redeem(attempt, DateTimeOffset.UtcNow, out refusal);
    }

    /// <summary>
    /// Gives a redeemed lease to a connection. A session that still has it, of a connection whose end nobody has noticed yet, is over:
    /// it carries nothing from here on.
    /// </summary>
    /// <returns>False when the lease has gone meanwhile.</returns>
    public bool TakeOver(Lease lease, long connection)
    {
        Session? former;
        lock (_gate)
        {
            if (!_leases.All.Contains(lease)) return false;
            former = lease.Session;
            if (former is not null)
            {
                _byId.Remove(former.Id);
                UnmapLocked(former);
            }
            lease.Session = null;
            lease.Holder = connection;
            lease.EndedAt = null;
            _leases.Save(lease);
        }
        former?.Close(Tunnel.Protocol.CloseReason.Resumed, "resumed by another connection");
        return true;
    }

    /// <summary>Tickets for the next time.</summary>
    public IReadOnlyList<Tunnel.Protocol.ResumptionTicket> Issue(Lease lease)
    {
        lock (_gate) return _leases.Issue(lease);
    }

    /// <summary>Gives a session addresses, those of its lease if it has any; a second call (the client cannot use the first ones) gives others.</summary>
    /// <exception cref="SessionRefusedException">There are none, or the user has too many sessions.</exception>
    public void Assign(Session session, IReadOnlyCollection<IpAddr> avoid)
    {
        lock (_gate)
        {
            CheckHolderLocked(session);
            if (!_byId.ContainsKey(session.Id)) CheckLimitsLocked(session);
            UnmapLocked(session);
            if (!KeepsLocked(session.Lease, session.Policy, avoid))
            {
                ReleaseLocked(session.Lease);
                TakeLocked(session, avoid);
            }
            Lease lease = session.Lease;
            session.AddressV4 = lease.AddressV4;
            session.AddressV6 = lease.AddressV6;
            lease.Session = session;
            _leases.Save(lease);
            _byId[session.Id] = session;
            _byAddress[session.AddressV4!.Value] = session;
            if (session.AddressV6 is { } v6) _byAddress[v6] = session;
        }
    }

    /// <summary>Takes in a relay or a registration, which counts as a session and has no address.</summary>
    /// <exception cref="SessionRefusedException">The user has too many sessions, or the server.</exception>
    public void AddRelay(Session session)
    {
        lock (_gate)
        {
            CheckHolderLocked(session);
            CheckLimitsLocked(session);
            _byId[session.Id] = session;
            session.Lease.Session = session;
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
        try
        {
            AddRelay(session);
            Names.Add(session, key, tell);
        }
        catch
        {
            old?.Close(Tunnel.Protocol.CloseReason.Disconnected, "registered anew");
            throw;
        }
        return old;
    }

    /// <summary>Takes a session out. Its addresses go back, or wait for it to be resumed when nobody said that it is over.</summary>
    public void Remove(Session session)
    {
        Names.Remove(session);
        lock (_gate)
        {
            _byId.Remove(session.Id);
            UnmapLocked(session);
        }
        // What has neither addresses nor a relay is not come back to.
        Abandon(session.Lease, session.Id, session.IsOver || (session.RelayTo is null && session.Lease.AddressV4 is null));
    }

    /// <summary>A connection ends that had a lease; nothing happens when another one has it by now.</summary>
    /// <param name="lease">The lease.</param>
    /// <param name="connection">The connection.</param>
    /// <param name="over">There is nothing to come back to.</param>
    public void Abandon(Lease lease, long connection, bool over)
    {
        lock (_gate)
        {
            if (lease.Holder != connection) return;
            if (over) ForgetLocked([lease]);
            else ForgetLocked(_leases.End(lease, DateTimeOffset.UtcNow));
        }
    }

    /// <summary>Forgets the lost sessions of a user, who cannot come back to them. Answers how many had addresses.</summary>
    public int ForgetLost(string user)
    {
        lock (_gate)
        {
            List<Lease> lost = [.. _leases.All.Where(l => l.User == user && l.EndedAt is not null)];
            int addressed = lost.Count(l => l.AddressV4 is not null);
            ForgetLocked(lost);
            return addressed;
        }
    }

    /// <summary>Forgets leases that nobody came back for.</summary>
    public void ForgetExpired()
    {
        lock (_gate) ForgetLocked(_leases.Expired(DateTimeOffset.UtcNow));
    }

    /// <summary>Says, for the next run, that the server lives.</summary>
    public void Touch()
    {
        lock (_gate) _leases.Touch();
    }

    public void Dispose()
    {
        lock (_gate) _leases.Dispose();
    }

    // What a stalled connection had sent may arrive after the client has come back by another one, whose addresses these are now.
    private static void CheckHolderLocked(Session session)
    {
        if (session.Lease.Holder != session.Id)
            throw new SessionRefusedException(Tunnel.Protocol.CloseReason.Resumed, "resumed by another connection");
    }

    private void CheckLimitsLocked(Session session)
    {
        if (_byId.Count >= MaxSessions) throw new SessionRefusedException(Tunnel.Protocol.CloseReason.TooManySessions, $"the server has its maximum of {MaxSessions} sessions; try again later");
        int own = _byId.Values.Count(s => s.User == session.User);
        if (own >= session.Policy.MaxSessionsPerUser)
            throw new SessionRefusedException(Tunnel.Protocol.CloseReason.TooManySessions, $"user {session.User} has {own} sessions, the maximum; end one first");
    }

    // The addresses that a lease has stay with it while the policy of today would give them, too.
    private bool KeepsLocked(Lease lease, UserPolicy policy, IReadOnlyCollection<IpAddr> avoid) =>
        lease.AddressV4 is { } v4 && lease.Pool == policy.Pool && !avoid.Contains(v4) && (policy.FixedV4 is not { } f4 || f4 == v4) &&
        (lease.AddressV6 is { } v6 ? _pool6 is not null && !avoid.Contains(v6) && (policy.FixedV6 is not { } f6 || f6 == v6) : _pool6 is null);

    private void TakeLocked(Session session, IReadOnlyCollection<IpAddr> avoid)
    {
        UserPolicy policy = session.Policy;
        AddressPool pool = _pools[policy.Pool];
        Lease lease = session.Lease;
        IpAddr? v4 = Take(pool, policy.FixedV4, l => l.AddressV4);
        if (v4 is null)
            throw new SessionRefusedException(Tunnel.Protocol.CloseReason.NoAddress, policy.FixedV4 is { } f
                ? $"the address {f} of this key is in use or not in the pool {pool.Prefix}; end the other session, or ask the administrator"
                : $"the address pool {pool.Prefix} is used up; try again later, or ask the administrator for a larger one");
        lease.Pool = policy.Pool;
        lease.AddressV4 = v4;
        lease.AddressV6 = _pool6 is null ? null : Take(_pool6, policy.FixedV6, l => l.AddressV6);

        // An address that only waits for a session to come back gives way: to the same user if the key names it, to anybody when
        // there is no other.
        IpAddr? Take(AddressPool from, IpAddr? wanted, Func<Lease, IpAddr?> address)
        {
            if (from.Take(session.User, wanted, avoid) is { } free) return free;
            IEnumerable<Lease> waiting = _leases.All.Where(l => l.EndedAt is not null && address(l) is { } a && from.Prefix.Contains(a) && !avoid.Contains(a));
            Lease? victim = wanted is { } named ? waiting.FirstOrDefault(l => address(l) == named && l.User == session.User)
                : waiting.OrderByDescending(l => l.User == session.User).ThenBy(l => l.EndedAt).FirstOrDefault();
            if (victim is null) return null;
            ForgetLocked([victim]);
            return from.Take(session.User, wanted, avoid);
        }
    }

    private void Restore(Lease lease)
    {
        if (lease.AddressV4 is { } v4 && !(_pools.TryGetValue(lease.Pool, out AddressPool? pool) && pool.Reserve(v4, lease.User))) lease.AddressV4 = null;
        if (lease.AddressV6 is { } v6 && _pool6?.Reserve(v6, lease.User) != true) lease.AddressV6 = null;
        _leases.Restore(lease);
    }

    private void ForgetLocked(IReadOnlyList<Lease> leases)
    {
        foreach (Lease lease in leases)
        {
            ReleaseLocked(lease);
            _leases.Remove(lease);
        }
    }

    // From here on no packet finds the session, and none of its own has the right source.
    private void UnmapLocked(Session session)
    {
        if (session.AddressV4 is { } v4) _byAddress.TryRemove(new KeyValuePair<IpAddr, Session>(v4, session));
        if (session.AddressV6 is { } v6) _byAddress.TryRemove(new KeyValuePair<IpAddr, Session>(v6, session));
        session.AddressV4 = session.AddressV6 = null;
    }

    private void ReleaseLocked(Lease lease)
    {
        if (lease.AddressV4 is { } v4) _pools[lease.Pool].Release(v4);
        if (lease.AddressV6 is { } v6) _pool6?.Release(v6);
        lease.AddressV4 = lease.AddressV6 = null;
    }
}
