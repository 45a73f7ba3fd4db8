using PersonalVpn.Linux;
using PersonalVpn.Tunnel.Configuration;
using PersonalVpn.Tunnel.Local;
using PersonalVpn.Tunnel.Protocol;

namespace PersonalVpn.Cli.Config;

/// <summary>
/// What a connection is made with: command line beats user file beats system file, and in each the first value wins, as in
/// ssh_config(5). Lists (IdentityFile, Route) add up. A value is judged when it is asked for; <see cref="Check"/> asks for all.
/// </summary>
internal sealed class ClientConfig
{
    private static readonly string[] Keywords =
    [
        "Host", "HostName", "Port", "User", "IdentityFile", "IdentitiesOnly", "IdentityAgent", "ProxyJump", "ConnectTimeout",
        "StrictHostKeyChecking", "UserKnownHostsFile", "Route", "ServerAliveInterval", "ServerAliveCountMax", "Reconnect", "Include", "ForwarderSocket",
    ];

    /// <summary>The manual page of all this.</summary>
    public const string Manual = "pvpn_config";

    /// <summary>Where keys are looked for when none is named, below the home directory.</summary>
    public static readonly string[] UsualKeys = [".ssh/id_rsa", ".ssh/id_ecdsa", ".ssh/id_ed25519"];

    private readonly Dictionary<string, KeywordLine> _first = new(StringComparer.OrdinalIgnoreCase);
    private readonly List<KeywordLine> _identityFiles = [], _routes = [];
    private readonly string _home, _gateway;

    private ClientConfig(string home, string gateway) => (_home, _gateway) = (home, gateway);

    /// <summary>What -o may name, for completion.</summary>
    public static IEnumerable<string> OptionKeywords => Keywords.Where(k => k is not ("Host" or "Include"));

    public IReadOnlyList<string> IdentityFiles => field ??= [.. _identityFiles.Select(l => Tokens.Path(l, l.Text())).Distinct()];
    public IReadOnlyList<string> Routes => [.. _routes.SelectMany(l => l.Words)];

    /// <summary>%h is the gateway as typed.</summary>
    public string? HostName => Get("HostName") is { } l ? Tokens.InHostName(l, _gateway) : null;
    public int Port => Get("Port")?.Number(1, 65535) ?? ProtocolConstants.DefaultPort;
    public string? User => Get("User")?.Text();
    public bool IdentitiesOnly => Get("IdentitiesOnly")?.YesNo() ?? false;

    /// <summary>The agent's socket, "none", or null when there is none to be found.</summary>
    public string? IdentityAgent => Get("IdentityAgent") is not { } l ? Environment.GetEnvironmentVariable("SSH_AUTH_SOCK") : l.Text() switch
    {
        "none" => "none",
        "SSH_AUTH_SOCK" => Environment.GetEnvironmentVariable("SSH_AUTH_SOCK"),
        ['$', not '{', ..] name => Environment.GetEnvironmentVariable(name[1..]),
        var path => Tokens.Path(l, path),
    };

    public string? ProxyJump => Get("ProxyJump") is { } l && l.Text() is not "none" and var hops ? Tokens.Expand(l, hops) : null;
    public TimeSpan ConnectTimeout => Get("ConnectTimeout")?.Time() ?? TimeSpan.FromSeconds(15);
    public TimeSpan? ServerAliveInterval => Get("ServerAliveInterval")?.Time();
    public int? ServerAliveCountMax => Get("ServerAliveCountMax")?.Number(1, 1000);

    /// <summary>Whether a lost connection is made again.</summary>
    public bool Reconnect => Get("Reconnect")?.YesNo() ?? true;

    public string ForwarderSocket => Get("ForwarderSocket") is { } l ? Tokens.Path(l, l.Text()) : ForwarderProtocol.DefaultSocket;

    public HostKeyChecking StrictHostKeyChecking => Get("StrictHostKeyChecking") is not { } l ? HostKeyChecking.Ask : l.Value.ToLowerInvariant() switch
    {
        "ask" => HostKeyChecking.Ask,
        "accept-new" => HostKeyChecking.AcceptNew,
        "yes" => HostKeyChecking.Yes,
        "no" or "off" => HostKeyChecking.No,
        _ => throw l.Error($"'{l.Value}' is not one of ask, accept-new, yes, no"),
    };

    public IReadOnlyList<string> KnownHostsFiles => Get("UserKnownHostsFile") is not { } l ? [UsualKnownHosts]
        : l.Value == "none" ? ["/dev/null"] : l.Words.Length > 0 ? [.. l.Words.Select(w => Tokens.Path(l, w))] : throw l.Error("needs at least one file name");

    /// <summary>The file without UserKnownHostsFile.</summary>
    public string UsualKnownHosts => System.IO.Path.Combine(_home, ".config/pvpn/known_hosts");

    private Tokens Tokens => field ??= new Tokens(_home, _gateway, HostName ?? _gateway, Port, User ?? Environment.UserName) { Jumps = Get("ProxyJump") };

    /// <summary>Reads all sources for one gateway as typed. <paramref name="userFile"/> is -F, or null for the usual file.</summary>
    public static ClientConfig Load(string home, string gateway, IEnumerable<string> commandLine, string? userFile)
    {
        var config = new ClientConfig(home, gateway);
        foreach (string option in commandLine)
            config.TakeOption(KeywordFile.ParseOption("-o", option) ?? throw new UserError("-o needs one Keyword=value", ExitCodes.Usage));
        var files = new ClientConfigFiles(home, gateway, Keywords, config.Take);
        string usual = System.IO.Path.Combine(home, ".config/pvpn");
        if (userFile == "none") return config;
        if (userFile is not null)
        {
            files.Read(System.IO.Path.GetFullPath(userFile), usual, null);
            return config;
        }
        if (File.Exists(System.IO.Path.Combine(usual, "config"))) files.Read(System.IO.Path.Combine(usual, "config"), usual, FileOwner.CurrentUid);
        if (File.Exists("/etc/pvpn/pvpn.conf")) files.Read("/etc/pvpn/pvpn.conf", "/etc/pvpn", null);
        return config;
    }

    /// <summary>Judges every value, before anything is done with one.</summary>
    /// <exception cref="ConfigurationException">One cannot be used.</exception>
    public void Check()
    {
        foreach (KeyValuePair<string, string> line in Effective()) ArgumentNullException.ThrowIfNull(line.Value);
        Destinations.OfRoutes(_routes);
    }

    /// <summary>Every keyword with the value that counts, as <c>pvpn -G</c> shows it; lists one by one, what is not set left out.</summary>
    public IEnumerable<KeyValuePair<string, string>> Effective()
    {
        yield return new("User", User ?? Environment.UserName);
        yield return new("HostName", HostName ?? _gateway);
        yield return new("Port", Text(Port));
        yield return new("ConnectTimeout", Text((int)ConnectTimeout.TotalSeconds));
        yield return new("ForwarderSocket", ForwarderSocket);
        yield return new("IdentitiesOnly", IdentitiesOnly ? "yes" : "no");
        if (IdentityAgent is { } agent) yield return new("IdentityAgent", agent);
        foreach (string file in IdentityFiles.Count > 0 ? IdentityFiles : UsualKeys.Select(k => System.IO.Path.Combine(_home, k))) yield return new("IdentityFile", file);
        if (ProxyJump is { } hops) yield return new("ProxyJump", hops);
        yield return new("Reconnect", Reconnect ? "yes" : "no");
        foreach (string route in Routes) yield return new("Route", route);
        if (ServerAliveCountMax is { } count) yield return new("ServerAliveCountMax", Text(count));
        if (ServerAliveInterval is { } interval) yield return new("ServerAliveInterval", Text((int)interval.TotalSeconds));
        yield return new("StrictHostKeyChecking", StrictHostKeyChecking switch
        {
            HostKeyChecking.AcceptNew => "accept-new",
            HostKeyChecking.Yes => "yes",
            HostKeyChecking.No => "no",
            _ => "ask",
        });
        yield return new("UserKnownHostsFile", string.Join(' ', KnownHostsFiles));
    }

    private static string Text(int number) => number.ToString(System.Globalization.CultureInfo.InvariantCulture);

    private KeywordLine? Get(string keyword) => _first.GetValueOrDefault(keyword);

    private void TakeOption(KeywordLine line)
    {
        if (!Keywords.Contains(line.Keyword, StringComparer.OrdinalIgnoreCase)) throw line.Unknown(OptionKeywords, Manual);
        if (line.Is("Host") || line.Is("Include")) throw line.Error("may stand in a file only");
        Take(line);
    }

    private void Take(KeywordLine line)
    {
        if (line.Is("IdentityFile")) _identityFiles.Add(line);
        else if (line.Is("Route")) _routes.Add(line);
        else _first.TryAdd(line.Keyword, line);
    }
}
