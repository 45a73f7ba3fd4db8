using System.Globalization;
using PersonalVpn.Cli.Config;
using PersonalVpn.Tunnel.Configuration;

namespace PersonalVpn.Cli;

/// <summary>What the user asked for, after the command line was understood.</summary>
internal sealed record Invocation
{
    public required string Target { get; init; }
    public IReadOnlyList<string> Destinations { get; init; } = [];

    /// <summary>The program and arguments after <c>--</c>; empty = none.</summary>
    public IReadOnlyList<string> Command { get; init; } = [];

    /// <summary>-p, -l, -J; null = not given.</summary>
    public int? Port { get; init; }
    public string? User { get; init; }
    public string? ProxyJump { get; init; }

    /// <summary>-i, in their order.</summary>
    public IReadOnlyList<string> Identities { get; init; } = [];

    /// <summary>-o, in their order: <c>Keyword=value</c>.</summary>
    public IReadOnlyList<string> Options { get; init; } = [];

    public string? ConfigFile { get; init; }
    public bool Background { get; init; }
    public int Verbosity { get; init; }
    public bool Quiet { get; init; }

    /// <summary>The configuration for this target. Of what the command line says twice, the target wins, then the short options, then -o.</summary>
    public ClientConfig LoadConfig(Target target)
    {
        (string Keyword, string? Value)[] own =
        [
            ("User", target.User), ("Port", target.Port?.ToString(CultureInfo.InvariantCulture)),
            ("Port", Port?.ToString(CultureInfo.InvariantCulture)), ("User", User), ("ProxyJump", ProxyJump), .. Identities.Select(i => ("IdentityFile", (string?)i)),
        ];
        return ClientConfig.Load(Program.Home, target.Host,
            [.. own.Where(o => o.Value is not null).Select(o => $"{o.Keyword}={KeywordWords.Quote(o.Value!)}"), .. Options], ConfigFile);
    }
}
