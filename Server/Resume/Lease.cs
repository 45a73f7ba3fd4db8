using PersonalVpn.Packets;
using PersonalVpn.Server.Sessions;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Server.Resume;

/// <summary>
/// What outlives a session: who logged in with which key, the inner addresses, and which tickets are still good. Held by one
/// connection at a time, or by none after it was lost. Guarded by the registry's lock.
/// </summary>
internal sealed class Lease
{
    /// <summary>16 random bytes, hexadecimal.</summary>
    public required string Id { get; init; }

    /// <summary>User name on this server.</summary>
    public required string User { get; init; }

    /// <summary>The key that logged in; it must still be listed for the user when the session is resumed.</summary>
    public required PublicKey Key { get; init; }

    /// <summary>The IPv4 pool of <see cref="AddressV4"/>.</summary>
    public IpPrefix Pool { get; set; }

    public IpAddr? AddressV4 { get; set; }
    public IpAddr? AddressV6 { get; set; }

    /// <summary>Identifiers of the tickets that have not been used; oldest first.</summary>
    public List<string> Tickets { get; init; } = [];

    /// <summary>The connection that has it; 0 = none.</summary>
    public long Holder { get; set; }

    /// <summary>The holder's session, once there is one.</summary>
    public Session? Session { get; set; }

    /// <summary>When its connection was lost, UTC; null while one holds it.</summary>
    public DateTimeOffset? EndedAt { get; set; }

    /// <summary>True when it can no longer be resumed.</summary>
    public bool IsExpired(DateTimeOffset now, TimeSpan lifetime) => EndedAt is { } ended && now - ended >= lifetime;
}
