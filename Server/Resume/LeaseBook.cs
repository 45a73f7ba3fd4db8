using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using PersonalVpn.Tunnel.Protocol;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Server.Resume;

/// <summary>What a client brings to resume a session, and what the server knows of the connection.</summary>
/// <param name="User">User name of HELLO.</param>
/// <param name="Message">RESUME.</param>
/// <param name="Prove">The proof that a ticket's secret makes on this connection.</param>
internal sealed record ResumeAttempt(string User, ResumeMessage Message, Func<byte[], byte[]> Prove);

/// <summary>
/// All leases and their tickets. A ticket is good once, while its session lives and for a time after its end, for the user it was made
/// for, with a proof that only the session's client can make. Not thread-safe: the registry's lock guards it.
/// </summary>
internal sealed class LeaseBook(TicketSealer sealer, LeaseFile file) : IDisposable
{
    // One login brings two: an answer that is lost with the connection costs one.
    private const int TicketsPerLogin = 2;

    // Those of answers that never arrived are pushed out by newer ones.
    private const int MaxTickets = 6;

    // Lost sessions that one user may have waiting; the oldest goes.
    private const int MaxEndedPerUser = 32;

    private readonly Dictionary<string, Lease> _leases = new(StringComparer.Ordinal);

    /// <summary>How long a lease outlives its connection; zero: nothing is resumed.</summary>
    public TimeSpan Lifetime { get; set; }

    /// <summary>All there are.</summary>
    public IReadOnlyCollection<Lease> All => _leases.Values;

    /// <summary>A book that keeps nothing over a restart.</summary>
    public static LeaseBook InMemory(byte[] key, ILogger log) => new(new TicketSealer(key), LeaseFile.None(log));

    /// <summary>Takes in a lease of a former run.</summary>
    public void Restore(Lease lease) => _leases[lease.Id] = lease;

    /// <summary>A new lease, for a login by key.</summary>
    public Lease Begin(string user, PublicKey key, long holder)
    {
        var lease = new Lease { Id = NewId(), User = user, Key = key, Holder = holder };
        _leases.Add(lease.Id, lease);
        return lease;
    }

    /// <summary>New tickets for a lease.</summary>
    public IReadOnlyList<ResumptionTicket> Issue(Lease lease)
    {
        if (Lifetime <= TimeSpan.Zero) return [];
        var tickets = new List<ResumptionTicket>(TicketsPerLogin);
        for (int i = 0; i < TicketsPerLogin; i++)
        {
            string id = NewId();
            byte[] secret = RandomNumberGenerator.GetBytes(ResumptionTicket.SecretSize);
            tickets.Add(new ResumptionTicket(sealer.Seal(lease.Id, id, secret), secret));
            lease.Tickets.Add(id);
        }
        if (lease.Tickets.Count > MaxTickets) lease.Tickets.RemoveRange(0, lease.Tickets.Count - MaxTickets);
        Save(lease);
        return tickets;
    }

    /// <summary>The lease of a ticket, which is used up by that; or null and why, for the log.</summary>
    public Lease? Redeem(ResumeAttempt attempt, DateTimeOffset now, out string refusal)
    {
        if (!sealer.TryOpen(attempt.Message.Sealed, out string id, out string ticket, out byte[] secret))
        {
            refusal = "not ours";
            return null;
        }
        byte[] proof = attempt.Prove(secret);
        bool proven = CryptographicOperations.FixedTimeEquals(proof, attempt.Message.Proof);
        CryptographicOperations.ZeroMemory(secret);
        // Who cannot prove that it is his learns nothing of it, and does not use it up.
        if (!proven) refusal = "proof wrong";
        else if (!_leases.TryGetValue(id, out Lease? lease) || lease.IsExpired(now, Lifetime) || lease.Session is { IsOver: true }) refusal = "expired";
        else if (lease.User != attempt.User) refusal = $"of another user ({lease.User})";
        else if (!lease.Tickets.Remove(ticket)) refusal = "used before";
        else
        {
            Save(lease);
            refusal = "";
            return lease;
        }
        return null;
    }

    /// <summary>Writes a lease down after it was changed.</summary>
    public void Save(Lease lease) => file.Save(lease, All);

    /// <summary>Its connection was lost. Answers the leases that must go for it: the caller gives their addresses back.</summary>
    public IReadOnlyList<Lease> End(Lease lease, DateTimeOffset now)
    {
        lease.Holder = 0;
        lease.Session = null;
        lease.EndedAt = now;
        Save(lease);
        if (Lifetime <= TimeSpan.Zero) return [lease];
        List<Lease> ended = [.. All.Where(l => l.User == lease.User && l.EndedAt is not null).OrderBy(l => l.EndedAt)];
        return ended.Count > MaxEndedPerUser ? ended[..^MaxEndedPerUser] : [];
    }

    /// <summary>Leases that can no longer be resumed.</summary>
    public IReadOnlyList<Lease> Expired(DateTimeOffset now) => [.. All.Where(l => l.IsExpired(now, Lifetime))];

    /// <summary>Forgets a lease, and its tickets with it.</summary>
    public void Remove(Lease lease)
    {
        if (_leases.Remove(lease.Id)) file.Forget(lease, All);
    }

    /// <summary>Says in the file that the server lives.</summary>
    public void Touch() => file.Touch();

    public void Dispose()
    {
        sealer.Dispose();
        file.Dispose();
    }

    private static string NewId() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(TicketSealer.IdSize));
}
