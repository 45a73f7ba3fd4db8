using PersonalVpn.Cli.Config.Proxies;
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
        "Host", "HostName", "Port", "User", "IdentityFile", "IdentitiesOnly", "IdentityAgent", "ProxyJump", "ProxyCommand", "Proxy",
        "ProxyPasswordFile", "ConnectTimeout",
        "StrictHostKeyChecking", "UserKnownHostsFile", "Route", "ServerAliveInterval", "ServerAliveCountMax", "Reconnect", "Include", "ForwarderSocket",
    ];

    /// <summary>The manual page of all this.</summary>
    public const string Manual = "pvpn_config";

    /// <summary>Where keys are looked for when none is named, below the home directory.</summary>
    public static readonly string[] UsualKeys = [".ssh/id_rsa", ".ssh/id_ecdsa", ".ssh/id_ed25519"];

    // Of these the one that comes first counts, as ssh_config(5) has it for the first pair; the value "none" comes first, too.
    private static readonly (string, string)[] Rivals = [("ProxyJump", "ProxyCommand"), ("ProxyCommand", "Proxy")];

    private readonly Dictionary<string, KeywordLine> _first = new(StringComparer.OrdinalIgnoreCase);
    private readonly List<KeywordLine> _identityFiles = [], _routes = [];
    private readonly string _home, _gateway;
    private readonly int _alternative;

    private ClientConfig(string home, string gateway) => (_home, _gateway) = (home, gateway);

    private ClientConfig(ClientConfig other, int alternative) =>
        (_home, _gateway, _first, _identityFiles, _routes, _alternative) = (other._home, other._gateway, other._first, other._identityFiles, other._routes, alternative);

    /// <summary>What -o may name, for completion.</summary>
    public static IEnumerable<string> OptionKeywords => Keywords.Where(k => k is not ("Host" or "Include"));

    public IReadOnlyList<string> IdentityFiles => field ??= [.. _identityFiles.Select(l => Tokens.Path(l, l.Text())).Distinct()];
    public IReadOnlyList<string> Routes => [.. _routes.SelectMany(l => l.Words)];

    /// <summary>The name or address to connect to; %h in it is the gateway as typed. Of several the one that this object is about.</summary>
    public string? HostName => Places.Count > 0 ? Places[_alternative].Host : null;

    /// <summary>The port to connect to: HostName's own, if it has one.</summary>
    public int Port => (Places.Count > 0 ? Places[_alternative].Port : null) ?? UsualPort;

    /// <summary>The port without regard to HostName: part of the gateway's name, whichever of several is used.</summary>
    public int UsualPort => Get("Port")?.Number(1, 65535) ?? ProtocolConstants.DefaultPort;

    /// <summary>The same configuration for each place that HostName names, in their order; this one alone when there is one.</summary>
    public IReadOnlyList<ClientConfig> Alternatives => Places.Count < 2 ? [this] : [.. Enumerable.Range(0, Places.Count).Select(i => new ClientConfig(this, i))];

    private IReadOnlyList<Target> Places => field ??= Get("HostName") is { } l ? HostNames.Of(l, _gateway) : [];
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

    /// <summary>The shell's text, tokens replaced; null when there is none, or it is "none".</summary>
    public string? ProxyCommand => CommandLine is { Raw: not "none" } l ? Tokens.InCommand(l, l.Raw) : null;

    /// <summary>The proxy; null when there is none, or it is "none".</summary>
    public ProxyServer? Proxy => Get("Proxy") is { } l ? ProxyLines.Read(l, Get("ProxyPasswordFile"), PasswordFile) : null;

    /// <summary>The configuration says how to get out, be it "none": the environment is not asked.</summary>
    public bool SaysWayOut => Get("Proxy") is not null || Get("ProxyCommand") is not null;

    /// <summary>The environment's proxy for the gateway, or null; a password that its URL lacks is in ProxyPasswordFile.</summary>
    public ProxyServer? EnvironmentProxy =>
        ProxyEnvironment.For(HostName ?? _gateway, Port, Environment.GetEnvironmentVariable, out string source) is { } proxy
            ? ProxyLines.WithPassword(proxy, Get("ProxyPasswordFile"), PasswordFile, problem => new ConfigurationException($"the environment's {source}: {problem}")) : null;

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
        foreach (ClientConfig alternative in Alternatives)
            foreach (KeyValuePair<string, string> line in alternative.Effective()) ArgumentNullException.ThrowIfNull(line.Value);
        Destinations.OfRoutes(_routes);
    }

    /// <summary>Every keyword with the value that counts, as <c>pvpn -G</c> shows it; lists one by one, what is not set left out.</summary>
    public IEnumerable<KeyValuePair<string, string>> Effective()
    {
        yield return new("User", User ?? Environment.UserName);
        yield return new("HostName", Places.Count < 2 ? HostName ?? _gateway : string.Join(' ', Places.Select(p => Target.Name(p.Host, p.Port ?? UsualPort))));
        yield return new("Port", Text(Places.Count < 2 ? Port : UsualPort));
        yield return new("ConnectTimeout", Text((int)ConnectTimeout.TotalSeconds));
        yield return new("ForwarderSocket", ForwarderSocket);
        yield return new("IdentitiesOnly", IdentitiesOnly ? "yes" : "no");
        if (IdentityAgent is { } agent) yield return new("IdentityAgent", agent);
        foreach (string file in IdentityFiles.Count > 0 ? IdentityFiles : UsualKeys.Select(k => System.IO.Path.Combine(_home, k))) yield return new("IdentityFile", file);
        if (Proxy is { } proxy) yield return new("Proxy", proxy.ToString());
        if (ProxyCommand is { } command) yield return new("ProxyCommand", command);
        if (ProxyJump is { } hops) yield return new("ProxyJump", hops);
        if (Get("ProxyPasswordFile") is { } secret) yield return new("ProxyPasswordFile", PasswordFile(secret));
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

    private KeywordLine? CommandLine => Get("ProxyCommand") is { } l ? l.Raw.Length > 0 ? l : throw l.Error("needs a value") : null;

    private string PasswordFile(KeywordLine line) => Tokens.Path(line, line.Text());

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
        else if (!Rivals.Any(r => (line.Is(r.Item1) && _first.ContainsKey(r.Item2)) || (line.Is(r.Item2) && _first.ContainsKey(r.Item1)))) _first.TryAdd(line.Keyword, line);
    }
}
