using System.IO.Enumeration;
using PersonalVpn.Packets;
using PersonalVpn.Server.Configuration;
using PersonalVpn.Server.Relay;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Server;

/// <summary>
/// What one session may do: server.conf's settings for the user, narrowed by the options of the key that logged in. An option never
/// widens: a packet must be permitted by the file and, if the key has a <c>permit=</c>, by the key.
/// </summary>
internal sealed class UserPolicy
{
    private readonly PermitRule[] _permits;
    private readonly PermitRule[]? _keyPermits;

    private UserPolicy(UserSettings settings, IpPrefix pool, AuthorizedKeyOptions options)
    {
        Pool = pool;
        MaxSessionsPerUser = settings.MaxSessionsPerUser ?? 16;
        FixedV4 = options.Address4 is { } a4 ? IpAddr.From(a4) : null;
        FixedV6 = options.Address6 is { } a6 ? IpAddr.From(a6) : null;
        IReadOnlyList<IpPrefix> routes = settings.Routes ?? [];
        _permits = [.. settings.Permits ?? [.. routes.Select(PermitRule.All)]];
        _keyPermits = options.Permit is null ? null
            : [.. options.Permit.Select(p => new PermitRule(new IpPrefix(IpAddr.From(p.Network.BaseAddress), p.Network.PrefixLength), p.FirstPort, p.LastPort))];
        Names = [.. (settings.AllowRegister ?? []).Intersect(options.Register ?? [])];
        Relay = new RelayPolicy(settings.AllowRelay ?? [], options.Relay, options.NoRelay);
        PushedRoutes = _keyPermits is null ? routes : [.. routes.SelectMany(r => _keyPermits.Select(k => Common(r, k.Destination)).OfType<IpPrefix>()).Distinct()];
    }

    public IpPrefix Pool { get; }

    /// <summary>Where chained connections may go.</summary>
    public RelayPolicy Relay { get; }

    /// <summary>Names under which a server that logs in with this key may be reached through this one: the file and the key must both say so.</summary>
    public IReadOnlyList<string> Names { get; }

    public int MaxSessionsPerUser { get; }
    public IpAddr? FixedV4 { get; }
    public IpAddr? FixedV6 { get; }

    /// <summary>What a client that names no destination gets.</summary>
    public IReadOnlyList<IpPrefix> PushedRoutes { get; }

    /// <summary>The policy of a user who logged in with a key that has these options.</summary>
    public static UserPolicy For(ServerConfig config, string user, AuthorizedKeyOptions options)
    {
        // As in sshd: the first Match block that sets a value wins over later ones and over the global part.
        UserSettings merged = config.Default;
        foreach (MatchBlock block in config.Matches.Where(m => Applies(m, user)).Reverse()) merged = Override(merged, block.Settings);
        return new UserPolicy(merged, merged.AddressPool ?? config.AddressPool, options);
    }

    /// <summary>May this packet go where it wants to? Loopback, multicast and link-local destinations never.</summary>
    public bool Permits(in PacketInfo packet)
    {
        IpAddr to = packet.Destination;
        if (to.IsLoopback || to.IsMulticast || to.IsLinkLocal || to.IsUnspecified || to.IsMappedV4 || to == IpAddr.FromV4(uint.MaxValue)) return false;
        return Any(_permits, packet) && (_keyPermits is null || Any(_keyPermits, packet));
    }

    /// <summary>May a client have this route? Every address of it must lie in one permitted block (ports are judged packet by packet).</summary>
    public bool PermitsRoute(IpPrefix route) =>
        Array.Exists(_permits, p => p.Destination.Contains(route)) &&
        (_keyPermits is null || Array.Exists(_keyPermits, p => p.Destination.Contains(route)));

    private static bool Any(PermitRule[] rules, in PacketInfo packet)
    {
        foreach (PermitRule rule in rules)
            if (rule.Matches(packet)) return true;
        return false;
    }

    private static IpPrefix? Common(IpPrefix a, IpPrefix b) => a.Contains(b) ? b : b.Contains(a) ? a : null;

    private static bool Applies(MatchBlock block, string user) =>
        (block.Users.Count == 0 || block.Users.Any(p => FileSystemName.MatchesSimpleExpression(p, user, ignoreCase: false))) &&
        (block.Groups.Count == 0 || UnixGroups.Of(user).Any(g => block.Groups.Any(p => FileSystemName.MatchesSimpleExpression(p, g, ignoreCase: false))));

    private static UserSettings Override(UserSettings under, UserSettings over) => new()
    {
        Routes = over.Routes ?? under.Routes,
        Permits = over.Permits ?? under.Permits,
        AllowRelay = over.AllowRelay ?? under.AllowRelay,
        AllowRegister = over.AllowRegister ?? under.AllowRegister,
        AddressPool = over.AddressPool ?? under.AddressPool,
        MaxSessionsPerUser = over.MaxSessionsPerUser ?? under.MaxSessionsPerUser,
    };
}
