using System.Security.Cryptography;
using PersonalVpn.Cli.Config;
using PersonalVpn.Tunnel.Protocol;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Cli.Connect;

/// <summary>
/// What pvpn remembers of its logins for the next time its connection breaks: the tickets of each gateway, and the server keys that
/// were accepted. In this process's memory alone, and gone with it. For one thread at a time.
/// </summary>
internal sealed class LoginMemory : IDisposable
{
    // The server keeps no more of them, either.
    private const int MaxTickets = 6;

    private readonly Dictionary<string, List<ResumptionTicket>> _tickets = new(StringComparer.Ordinal);
    private readonly Dictionary<string, PublicKey> _servers = new(StringComparer.Ordinal);

    /// <summary>True once the tunnel stands: from then on nothing is asked of the user.</summary>
    public bool Unattended { get; set; }

    /// <summary>A ticket for this gateway, the newest; null when there is none. It is the caller's, and its secret to be zeroed.</summary>
    public ResumptionTicket? Take(Hop hop)
    {
        if (!_tickets.TryGetValue(Place(hop), out List<ResumptionTicket>? tickets) || tickets.Count == 0) return null;
        ResumptionTicket newest = tickets[^1];
        tickets.RemoveAt(tickets.Count - 1);
        return newest;
    }

    /// <summary>Keeps what a gateway gave.</summary>
    public void Put(Hop hop, IReadOnlyList<ResumptionTicket> tickets)
    {
        if (!_tickets.TryGetValue(Place(hop), out List<ResumptionTicket>? kept)) _tickets[Place(hop)] = kept = [];
        kept.AddRange(tickets);
        while (kept.Count > MaxTickets)
        {
            CryptographicOperations.ZeroMemory(kept[0].Secret);
            kept.RemoveAt(0);
        }
    }

    /// <summary>Remembers that the user, or known_hosts, accepted this key for this gateway.</summary>
    public void Accept(Hop hop, PublicKey key) => _servers[Place(hop)] = key;

    /// <summary>The key that this process accepted for this gateway last; null when there was none.</summary>
    public PublicKey? Accepted(Hop hop) => _servers.GetValueOrDefault(Place(hop));

    public void Dispose()
    {
        foreach (ResumptionTicket ticket in _tickets.Values.SelectMany(t => t)) CryptographicOperations.ZeroMemory(ticket.Secret);
        _tickets.Clear();
    }

    private static string Place(Hop hop) => $"{hop.User}@{Target.Name(hop.Host, hop.Port)}";
}
