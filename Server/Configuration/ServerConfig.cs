using Microsoft.Extensions.Logging;
using PersonalVpn.Packets;
using PersonalVpn.Server.Register;
using PersonalVpn.Server.Relay;

namespace PersonalVpn.Server.Configuration;

/// <summary>How users' packets leave the server.</summary>
internal enum InjectMode
{
    /// <summary>The faster one: tun.</summary>
    Auto,

    /// <summary>Raw sockets (IP_HDRINCL), as in the thesis.</summary>
    Raw,

    /// <summary>A TUN device with offloads.</summary>
    Tun,
}

/// <summary>How replies find back to the server.</summary>
internal enum EgressMode
{
    /// <summary>Sources are rewritten to the server's own address.</summary>
    Masquerade,

    /// <summary>The inner network has a route to the pool by way of this server.</summary>
    Routed,
}

/// <summary>What may be different from user to user (<c>Match</c> blocks). Null = not said here.</summary>
internal sealed record UserSettings
{
    public IReadOnlyList<IpPrefix>? Routes { get; init; }
    public IReadOnlyList<PermitRule>? Permits { get; init; }
    public IReadOnlyList<RelayRule>? AllowRelay { get; init; }

    /// <summary>Names (lower case) under which the user's servers may register here.</summary>
    public IReadOnlyList<string>? AllowRegister { get; init; }

    public IpPrefix? AddressPool { get; init; }
    public int? MaxSessionsPerUser { get; init; }
}

/// <summary>A <c>Match User|Group</c> block: its settings count for users whom every criterion matches.</summary>
internal sealed record MatchBlock(IReadOnlyList<string> Users, IReadOnlyList<string> Groups, UserSettings Settings);

/// <summary>server.conf, read and checked.</summary>
internal sealed record ServerConfig
{
    public const string DefaultPath = "/etc/pvpn/server.conf";

    public IReadOnlyList<string> ListenAddresses { get; init; } = [];
    public int Port { get; init; } = 443;
    public string HostKey { get; init; } = "/etc/pvpn/host_key.pem";
    public string? Certificate { get; init; }
    public string AuthorizedKeysFile { get; init; } = "/etc/pvpn/authorized_keys/%u";

    /// <summary>Whether authorized_keys files that others could have written are refused.</summary>
    public bool StrictModes { get; init; } = true;

    public IpPrefix AddressPool { get; init; } = IpPrefix.Parse("10.77.0.0/16");
    public IpPrefix? AddressPool6 { get; init; }
    public EgressMode Egress { get; init; } = EgressMode.Masquerade;
    public InjectMode Inject { get; init; } = InjectMode.Auto;
    public TimeSpan ClientAliveInterval { get; init; } = TimeSpan.FromSeconds(15);
    public int ClientAliveCountMax { get; init; } = 3;
    public TimeSpan LoginGraceTime { get; init; } = TimeSpan.FromSeconds(30);
    public int MaxSessions { get; init; } = 4096;
    /// <summary>Most connections that may be logging in (sshd's "full").</summary>
    public int MaxStartups { get; init; } = 100;

    /// <summary>From so many on one may have to give way (sshd's "start").</summary>
    public int StartupsFrom { get; init; } = 100;

    /// <summary>Per cent of newcomers for whom one has to, there; it rises to all of them at <see cref="MaxStartups"/>.</summary>
    public int StartupsRate { get; init; } = 100;

    /// <summary>How long a lost session can be resumed; zero: not at all.</summary>
    public TimeSpan TicketLifetime { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Where leases are kept over a restart, with %f for the host key (servers of one machine must not share one); null: nowhere.</summary>
    public string? LeaseFile { get; init; } = "/var/lib/pvpn-server/leases-%f";

    public string ControlSocket { get; init; } = "/run/pvpn/server.sock";
    public string? Banner { get; init; }

    /// <summary>Files for browsers that come to the port; null = one short page.</summary>
    public string? WebRoot { get; init; }

    /// <summary>Gateways through which this server can be reached, and under what names.</summary>
    public IReadOnlyList<RegisterTarget> Registers { get; init; } = [];

    /// <summary>The gateways' keys.</summary>
    public string RegisterKnownHosts { get; init; } = "/etc/pvpn/known_hosts";

    /// <summary>The private key that gateways know this server by; null = the host key.</summary>
    public string? RegisterIdentity { get; init; }

    public LogLevel LogLevel { get; init; } = LogLevel.Information;

    /// <summary>What counts for everybody.</summary>
    public UserSettings Default { get; init; } = new();

    public IReadOnlyList<MatchBlock> Matches { get; init; } = [];

    /// <summary>
    /// Whether a name (lower case) is that of a server that registers here, for whomever: it is never looked up, also while no server has
    /// it. Every other name is never a registered one. So nobody can put a host in a server's place, or a server in a host's.
    /// </summary>
    public bool IsReserved(string name) => Matches.Select(m => m.Settings).Prepend(Default).Any(s => s.AllowRegister?.Contains(name) == true);

    /// <summary>Whether somebody gets somewhere without naming it: a route for a tunnel, or a place for a chain.</summary>
    public bool IsOfUse => Matches.Select(m => m.Settings).Prepend(Default).Any(s => s.Routes is { Count: > 0 } || s.AllowRelay is { Count: > 0 });

    /// <summary>Every IPv4 pool of the file; all of them lead to the server's device.</summary>
    public IEnumerable<IpPrefix> Pools => Matches.Select(m => m.Settings.AddressPool).OfType<IpPrefix>().Prepend(AddressPool).Distinct();
}
