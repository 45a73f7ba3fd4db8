using System.Net;

namespace PersonalVpn.UserAuth;

/// <summary>One entry of <c>permit="CIDR[:ports],..."</c>: a network and the ports in it.</summary>
/// <param name="Network">Destination addresses.</param>
/// <param name="FirstPort">First port, 0 when all are meant.</param>
/// <param name="LastPort">Last port, inclusive; 65535 when all are meant.</param>
public sealed record PermittedNetwork(IPNetwork Network, ushort FirstPort, ushort LastPort)
{
    /// <summary>Whether every port, and every protocol without ports, is meant.</summary>
    public bool AllPorts => FirstPort == 0 && LastPort == ushort.MaxValue;
}

/// <summary>One entry of <c>relay="host:port,..."</c>: where a chained connection may go.</summary>
/// <param name="Host">Host name (lower case) or address without brackets, compared as text.</param>
/// <param name="Port">TCP port, 1 to 65535.</param>
public sealed record RelayTarget(string Host, ushort Port);

/// <summary>Options of an authorized key. Absent ones (null) narrow nothing; nothing here can widen the server's policy.</summary>
public sealed record AuthorizedKeyOptions
{
    /// <summary>No options.</summary>
    public static AuthorizedKeyOptions None { get; } = new();

    /// <summary><c>from=</c>: networks the user may connect from.</summary>
    public IReadOnlyList<IPNetwork>? From { get; init; }

    /// <summary><c>expiry-time=</c>: the key is refused from this instant on.</summary>
    public DateTimeOffset? Expires { get; init; }

    /// <summary><c>permit=</c>: destinations, to be intersected with what the server permits.</summary>
    public IReadOnlyList<PermittedNetwork>? Permit { get; init; }

    /// <summary><c>relay=</c>: relay targets, to be intersected with what the server allows.</summary>
    public IReadOnlyList<RelayTarget>? Relay { get; init; }

    /// <summary>
    /// <c>register=</c>: names (lower case) under which a server with this key may be reached through this one, to be intersected with
    /// what the server allows. Null = none. With it the key is good for nothing else.
    /// </summary>
    public IReadOnlyList<string>? Register { get; init; }

    /// <summary><c>no-relay</c> or <c>restrict</c>: no chaining with this key, whatever <see cref="Relay"/> says.</summary>
    public bool NoRelay { get; init; }

    /// <summary><c>address=</c> with an IPv4 address: the session's inner address.</summary>
    public IPAddress? Address4 { get; init; }

    /// <summary><c>address=</c> with an IPv6 address: the session's inner address.</summary>
    public IPAddress? Address6 { get; init; }

    /// <summary>Whether a peer may use the key. v4-mapped peers count as IPv4, IPv6 zones are ignored.</summary>
    /// <param name="peer">Address the connection comes from.</param>
    public bool AllowsPeer(IPAddress peer)
    {
        ArgumentNullException.ThrowIfNull(peer);
        if (From is null)
        {
            return true;
        }
        IPAddress plain = peer.IsIPv4MappedToIPv6 ? peer.MapToIPv4() : new IPAddress(peer.GetAddressBytes());
        foreach (IPNetwork network in From)
        {
            if (network.Contains(plain))
            {
                return true;
            }
        }
        return false;
    }

    /// <summary>Whether the key's time is over.</summary>
    /// <param name="now">The present.</param>
    public bool IsExpired(DateTimeOffset now) => Expires is { } end && now >= end;
}

/// <summary>A usable line of an authorized_keys file.</summary>
/// <param name="PublicKey">The key.</param>
/// <param name="Options">Its options.</param>
/// <param name="LineNumber">Line, from 1.</param>
public sealed record AuthorizedKey(PublicKey PublicKey, AuthorizedKeyOptions Options, int LineNumber);

/// <summary>A line that cannot be used, and why: for the log.</summary>
/// <param name="LineNumber">Line, from 1.</param>
/// <param name="Reason">One line that says what is wrong with it.</param>
/// <param name="PublicKey">The key, where at least that could be read.</param>
public sealed record UnusableLine(int LineNumber, string Reason, PublicKey? PublicKey);
