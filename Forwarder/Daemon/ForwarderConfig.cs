using Microsoft.Extensions.Logging;
using PersonalVpn.Packets;
using PersonalVpn.Tunnel.Configuration;
using PersonalVpn.Tunnel.Diagnostics;
using PersonalVpn.Tunnel.Local;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Daemon;

/// <summary>forwarder.conf, read and checked. Immutable: SIGHUP makes a new one.</summary>
internal sealed record ForwarderConfig
{
    public const string DefaultPath = "/etc/pvpn/forwarder.conf";

    private static readonly string[] Keywords =
    [
        "ControlSocket", "AllowUsers", "DenyUsers", "AllowGroups", "DenyGroups", "PermitDestination", "PermitAddress",
        "MaxTunnelsPerUser", "QueueNumber", "OwnerLookup", "FastPath", "LogLevel", "Include",
    ];

    /// <summary>
    /// Inner addresses a server may give to a user of this host. An inner address becomes a local address of the host, so it must
    /// never be one that other users want to reach: private use (RFC 1918, RFC 6598, RFC 4193) unless configured otherwise.
    /// </summary>
    private static readonly IpPrefix[] PrivateUse =
    [
        IpPrefix.Parse("10.0.0.0/8"), IpPrefix.Parse("172.16.0.0/12"), IpPrefix.Parse("192.168.0.0/16"),
        IpPrefix.Parse("100.64.0.0/10"), IpPrefix.Parse("fc00::/7"),
    ];

    public string ControlSocket { get; init; } = ForwarderProtocol.DefaultSocket;
    public IReadOnlyList<string> AllowUsers { get; init; } = [];
    public IReadOnlyList<string> DenyUsers { get; init; } = [];
    public IReadOnlyList<string> AllowGroups { get; init; } = [];
    public IReadOnlyList<string> DenyGroups { get; init; } = [];
    public IReadOnlyList<IpPrefix> PermitDestination { get; init; } = [IpPrefix.AllV4, IpPrefix.AllV6];
    public IReadOnlyList<IpPrefix> PermitAddress { get; init; } = PrivateUse;
    public int MaxTunnelsPerUser { get; init; } = 8;
    public ushort QueueNumber { get; init; } = 7570;
    public OwnerLookupMode OwnerLookup { get; init; } = OwnerLookupMode.Kernel;

    /// <summary>Users' processes read their tunnel's device themselves; needs the kernel's own evidence of owners.</summary>
    public bool FastPath { get; init; } = true;
    public LogLevel LogLevel { get; init; } = LogLevel.Information;

    /// <summary>Reads the file. A missing file at the default path means defaults; any other problem is a one-line error.</summary>
    public static ForwarderConfig Load(string? path)
    {
        if (path is null && !File.Exists(DefaultPath)) return new ForwarderConfig();
        return Build(KeywordFile.Read(path ?? DefaultPath));
    }

    /// <summary>Checks lines, all of them. Lists add up; of single values the first wins, as in sshd_config.</summary>
    public static ForwarderConfig Build(IReadOnlyList<KeywordLine> lines)
    {
        var config = new ForwarderConfig();
        var seen = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        var destinations = new List<IpPrefix>();
        var addresses = new List<IpPrefix>();
        var errors = new ConfigurationErrors();
        TakeAll(lines, 0);
        errors.ThrowIfAny();
        if (destinations.Count > 0) config = config with { PermitDestination = destinations };
        if (addresses.Count > 0) config = config with { PermitAddress = addresses };
        return config;

        void TakeAll(IReadOnlyList<KeywordLine> some, int depth)
        {
            foreach (KeywordLine line in some) errors.Try(() => Take(line, depth));
        }

        void Take(KeywordLine line, int depth)
        {
            switch (line.Keyword.ToLowerInvariant())
            {
                case "permitdestination": destinations.Add(line.Prefix()); return;
                case "permitaddress": addresses.Add(line.Prefix()); return;
                case "allowusers": config = config with { AllowUsers = [.. config.AllowUsers, .. Names(line)] }; return;
                case "denyusers": config = config with { DenyUsers = [.. config.DenyUsers, .. Names(line)] }; return;
                case "allowgroups": config = config with { AllowGroups = [.. config.AllowGroups, .. Names(line)] }; return;
                case "denygroups": config = config with { DenyGroups = [.. config.DenyGroups, .. Names(line)] }; return;
                case "include":
                    foreach (string file in IncludedFiles.Of(line, depth, Path.GetDirectoryName(Path.GetFullPath(line.File))!))
                        errors.Try(() => TakeAll(KeywordFile.Read(file), depth + 1));
                    return;
            }
            ForwarderConfig changed = Single(config, line);
            if (seen.Add(line.Keyword)) config = changed;
        }
    }

    private static ForwarderConfig Single(ForwarderConfig config, KeywordLine line) => line.Keyword.ToLowerInvariant() switch
    {
        "controlsocket" => line.AbsolutePath() is { Length: < 100 } path
            ? config with { ControlSocket = path } : throw line.Error("takes a path of fewer than 100 characters (a socket's name holds no more)"),
        "maxtunnelsperuser" => config with { MaxTunnelsPerUser = line.Number(0, 1000) },
        "queuenumber" => config with { QueueNumber = (ushort)line.Number(0, 65534) },
        "ownerlookup" => config with { OwnerLookup = line.Choice<OwnerLookupMode>() },
        "fastpath" => config with { FastPath = line.YesNo() },
        "loglevel" => config with { LogLevel = LogLevels.Read(line) },
        _ => throw line.Unknown(Keywords, "forwarder.conf"),
    };

    // Who writes "* !bob" as for sshd means that bob is left out; taken literally it would let bob in.
    private static string[] Names(KeywordLine line) =>
        line.Words.Length == 0 ? throw line.Error("needs at least one name")
        : Array.Find(line.Words, w => w.StartsWith('!')) is { } negated ? throw line.Error($"'{negated}': a pattern cannot be negated here; use DenyUsers or DenyGroups") : line.Words;
}
