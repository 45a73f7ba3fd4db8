using System.Text.Json.Serialization;
using PersonalVpn.Packets;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Server.Resume;

/// <summary>One line of the lease file: a lease as it is now, or with <see cref="Gone"/> that it is no more.</summary>
internal sealed record LeaseRecord
{
    public required string Id { get; init; }
    public bool Gone { get; init; }
    public string? User { get; init; }
    public string? Key { get; init; }
    public string? Pool { get; init; }
    public string? AddressV4 { get; init; }
    public string? AddressV6 { get; init; }
    public IReadOnlyList<string>? Tickets { get; init; }
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>The line for a lease.</summary>
    public static LeaseRecord Of(Lease lease) => new()
    {
        Id = lease.Id,
        User = lease.User,
        Key = lease.Key.ToOpenSsh(null),
        Pool = lease.AddressV4 is null ? null : lease.Pool.ToString(),
        AddressV4 = lease.AddressV4?.ToString(),
        AddressV6 = lease.AddressV6?.ToString(),
        Tickets = [.. lease.Tickets],
        EndedAt = lease.EndedAt,
    };

    /// <summary>The lease of a line; null when something in it makes no sense.</summary>
    public Lease? ToLease()
    {
        if (User is null || Key is null || !PublicKey.TryParseOpenSsh(Key, out PublicKey? key, out _)) return null;
        if (Tickets is null || !Tickets.All(IsId)) return null;
        var lease = new Lease { Id = Id, User = User, Key = key, Tickets = [.. Tickets], EndedAt = EndedAt };
        if (AddressV4 is not null)
        {
            if (!IpAddr.TryParse(AddressV4, out IpAddr v4) || v4.IsV6 || !IpPrefix.TryParse(Pool, out IpPrefix pool)) return null;
            lease.AddressV4 = v4;
            lease.Pool = pool;
        }
        if (AddressV6 is not null)
        {
            if (!IpAddr.TryParse(AddressV6, out IpAddr v6) || !v6.IsV6) return null;
            lease.AddressV6 = v6;
        }
        return lease;
    }

    /// <summary>Whether a text of the file can name a lease or a ticket. What JSON calls null comes here, too.</summary>
    public static bool IsId(string? text) => text?.Length == 2 * TicketSealer.IdSize && text.All(char.IsAsciiHexDigitLower);
}

/// <summary>Generated JSON code for the lease file.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault, MaxDepth = 4)]
[JsonSerializable(typeof(LeaseRecord))]
internal sealed partial class LeaseJson : JsonSerializerContext;
