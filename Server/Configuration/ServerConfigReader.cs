using PersonalVpn.Packets;
using PersonalVpn.Server.Register;
using PersonalVpn.Server.Relay;
using PersonalVpn.Tunnel.Configuration;
using PersonalVpn.Tunnel.Diagnostics;
using PersonalVpn.Tunnel.Protocol;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Server.Configuration;

/// <summary>Reads server.conf. Lists add up; of single values the first wins; after a <c>Match</c> line settings count for its users until the next.</summary>
internal sealed class ServerConfigReader
{
    private const string Manual = "pvpn_server_config";

    private static readonly string[] GlobalKeywords =
    [
        "ListenAddress", "Port", "HostKey", "Certificate", "AuthorizedKeysFile", "AddressPool", "AddressPool6", "Route", "Permit", "Egress",
        "AllowRelay", "AllowRegister", "ClientAliveInterval", "ClientAliveCountMax", "LoginGraceTime", "MaxSessions", "MaxSessionsPerUser", "MaxStartups",
        "ControlSocket", "Banner", "LogLevel", "Inject", "StrictModes", "TicketLifetime", "LeaseFile", "WebRoot", "Register", "RegisterKnownHosts",
        "RegisterIdentity", "Match", "Include",
    ];

    private static readonly string[] MatchKeywords = ["Route", "Permit", "AllowRelay", "AllowRegister", "AddressPool", "MaxSessionsPerUser", "Include"];

    private readonly HashSet<string> _seen = new(StringComparer.OrdinalIgnoreCase);
    private readonly List<MatchBlock> _matches = [];
    private readonly List<string> _listen = [];
    private readonly List<RegisterTarget> _registers = [];
    private ServerConfig _config = new();

    private readonly List<KeywordLine> _lines = [];
    private readonly ConfigurationErrors _errors = new();

    // The block that the next line belongs to; -1 = none.
    private int _block = -1;

    public static ServerConfig Load(string? path)
    {
        string file = path ?? ServerConfig.DefaultPath;
        return new ServerConfigReader().Build(KeywordFile.Read(file));
    }

    /// <summary>Reads to the end, whatever is wrong on the way.</summary>
    /// <exception cref="ConfigurationException">Something was; it has all of it.</exception>
    public ServerConfig Build(IReadOnlyList<KeywordLine> lines)
    {
        TakeAll(lines, 0);
        _errors.ThrowIfAny();
        Check();
        _errors.ThrowIfAny();
        return _config with { ListenAddresses = _listen, Registers = _registers, Matches = _matches };
    }

    /// <summary>The line that set a keyword above the blocks, for what is wrong with what it names.</summary>
    public KeywordLine? LineOf(string keyword) => _lines.FirstOrDefault(l => l.Is(keyword));

    private void TakeAll(IReadOnlyList<KeywordLine> lines, int depth)
    {
        foreach (KeywordLine line in lines) _errors.Try(() => Take(line, depth));
    }

    private void Take(KeywordLine line, int depth)
    {
        if (line.Is("Match")) StartMatch(line);
        else if (line.Is("Include")) TakeIncluded(line, depth);
        else if (TakeUserSetting(line)) _lines.Add(line);
        else if (_block >= 0)
            throw GlobalKeywords.Contains(line.Keyword, StringComparer.OrdinalIgnoreCase)
                ? line.Error("may not stand in a Match block; move it above the first Match line") : line.Unknown(MatchKeywords, Manual);
        else
        {
            TakeGlobal(line);
            _lines.Add(line);
        }
    }

    // As in sshd_config: a Match block ends with the file it stands in, and what follows the Include belongs where that stands.
    private void TakeIncluded(KeywordLine line, int depth)
    {
        int block = _block;
        foreach (string file in IncludedFiles.Of(line, depth, Path.GetDirectoryName(Path.GetFullPath(line.File))!))
        {
            _errors.Try(() => TakeAll(KeywordFile.Read(file), depth + 1));
            _block = block;
        }
    }

    // A block whose line cannot be read is a block all the same: what follows it is not blamed for that.
    private void StartMatch(KeywordLine line)
    {
        List<string> users = [], groups = [];
        _matches.Add(new MatchBlock(users, groups, new UserSettings()));
        _block = _matches.Count - 1;
        string[] words = line.Words;
        if (words is ["all"] or ["All"])
        {
            users.Add("*");
            return;
        }
        if (words.Length == 0 || words.Length % 2 != 0) throw line.Error("needs 'User PATTERN,...' or 'Group PATTERN,...'");
        for (int i = 0; i < words.Length; i += 2)
            (words[i].ToLowerInvariant() switch { "user" => users, "group" => groups, _ => throw line.Error($"'{words[i]}' is neither User nor Group") })
                .AddRange(Patterns(line, words[i + 1]));
    }

    // None would be everybody; and who writes "*,!bob" as for sshd means that bob is left out.
    private static string[] Patterns(KeywordLine line, string list)
    {
        string[] patterns = list.Split(',', StringSplitOptions.RemoveEmptyEntries);
        if (patterns.Length == 0) throw line.Error("needs 'User PATTERN,...' or 'Group PATTERN,...'");
        return Array.Find(patterns, p => p.StartsWith('!')) is { } negated ? throw line.Error($"'{negated}': a pattern cannot be negated here; name who is meant") : patterns;
    }

    private bool TakeUserSetting(KeywordLine line)
    {
        UserSettings now = _block >= 0 ? _matches[_block].Settings : _config.Default;
        UserSettings? next = line.Keyword.ToLowerInvariant() switch
        {
            "route" => now.Routes is { Count: >= ProtocolConstants.MaxRoutes } ? throw line.Error($"a user can be sent {ProtocolConstants.MaxRoutes} routes at most; join some into larger blocks")
                : now with { Routes = [.. now.Routes ?? [], line.Prefix()] },
            "permit" => now with { Permits = [.. now.Permits ?? [], PermitRule.Parse(line)] },
            "allowrelay" => now with { AllowRelay = [.. now.AllowRelay ?? [], .. line.Words.Select(w => RelayRule.Parse(line, w))] },
            "allowregister" => now with { AllowRegister = [.. now.AllowRegister ?? [], .. Names(line)] },
            "maxsessionsperuser" => now with { MaxSessionsPerUser = now.MaxSessionsPerUser ?? line.Number(1, 100_000) },
            "addresspool" when _block >= 0 => now with { AddressPool = now.AddressPool ?? Pool(line, v6: false) },
            _ => null,
        };
        if (next is null) return false;
        if (_block >= 0) _matches[_block] = _matches[_block] with { Settings = next };
        else _config = _config with { Default = next };
        return true;
    }

    private void TakeGlobal(KeywordLine line)
    {
        if (line.Is("ListenAddress"))
        {
            _listen.Add(IpAddr.TryParse(line.Value, out _) ? line.Value : throw line.Error($"'{line.Value}' is not an IP address"));
            return;
        }
        if (line.Is("Register"))
        {
            RegisterTarget target = RegisterTarget.Parse(line);
            _registers.Add(_registers.Exists(r => r.Gateway == target.Gateway && r.Name == target.Name)
                ? throw line.Error($"'{target.Name}' at {target.Gateway} stands twice: the two would take the name from each other") : target);
            return;
        }
        ServerConfig changed = line.Keyword.ToLowerInvariant() switch
        {
            "port" => _config with { Port = line.Number(1, 65535) },
            "hostkey" => _config with { HostKey = line.AbsolutePath() },
            "certificate" => _config with { Certificate = line.AbsolutePath() },
            "authorizedkeysfile" => UserAuthenticator.TryValidatePattern(line.Value, out string why)
                ? _config with { AuthorizedKeysFile = line.Value } : throw line.Error(why),
            "strictmodes" => _config with { StrictModes = line.YesNo() },
            "addresspool" => _config with { AddressPool = Pool(line, v6: false) },
            "addresspool6" => _config with { AddressPool6 = Pool(line, v6: true) },
            "egress" => _config with { Egress = line.Choice<EgressMode>() },
            "inject" => _config with { Inject = line.Choice<InjectMode>() },
            "clientaliveinterval" => _config with { ClientAliveInterval = line.Time() },
            "clientalivecountmax" => _config with { ClientAliveCountMax = line.Number(1, 255) },
            "logingracetime" => _config with { LoginGraceTime = line.Time() },
            "maxsessions" => _config with { MaxSessions = line.Number(1, 1_000_000) },
            "maxstartups" => Startups(line),
            "ticketlifetime" => _config with { TicketLifetime = line.Time() },
            "leasefile" => _config with { LeaseFile = line.Value == "none" ? null : line.AbsolutePath() },
            "controlsocket" => _config with { ControlSocket = line.AbsolutePath() },
            "banner" => _config with { Banner = line.Value == "none" ? null : line.AbsolutePath() },
            "webroot" => _config with { WebRoot = line.Value == "none" ? null : line.AbsolutePath() },
            "registerknownhosts" => _config with { RegisterKnownHosts = line.AbsolutePath() },
            "registeridentity" => _config with { RegisterIdentity = line.AbsolutePath() },
            "loglevel" => _config with { LogLevel = LogLevels.Read(line) },
            _ => throw line.Unknown(GlobalKeywords, Manual),
        };
        if (_seen.Add(line.Keyword)) _config = changed;
    }

    // "full", or "start:rate:full" as sshd has it.
    private ServerConfig Startups(KeywordLine line)
    {
        if (!line.Value.Contains(':', StringComparison.Ordinal))
        {
            int full = line.Number(1, 100_000);
            return _config with { MaxStartups = full, StartupsFrom = full, StartupsRate = 100 };
        }
        string[] parts = line.Value.Split(':');
        int[] n = [.. parts.Select(p => int.TryParse(p, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out int v) ? v : 0)];
        return n is [>= 1, >= 1 and <= 100, <= 100_000] && n[0] <= n[2]
            ? _config with { StartupsFrom = n[0], StartupsRate = n[1], MaxStartups = n[2] }
            : throw line.Error($"'{line.Value}' is neither a number nor start:rate:full (as 10:30:100)");
    }

    private static List<string> Names(KeywordLine line) => line.Words.Length == 0 ? throw line.Error("needs a name")
        : [.. line.Words.Select(w => RegisteredName.TryParse(w, out string name, out string error) ? name : throw line.Error(error))];

    private static IpPrefix Pool(KeywordLine line, bool v6)
    {
        IpPrefix p = line.Prefix();
        if (p.IsV6 != v6) throw line.Error($"'{p}' is not an IPv{(v6 ? 6 : 4)} block");
        if (p.Address.Bits - p.Length < 2) throw line.Error($"'{p}' is too small: a pool needs at least four addresses (one is the server's own)");
        if (p.Address.IsLoopback || p.Address.IsMulticast || p.Address.IsLinkLocal || p.IsDefault) throw line.Error($"'{p}' cannot be a pool");
        return p;
    }

    private void Check()
    {
        ServerConfig c = _config;
        foreach (KeywordLine route in _lines.Where(l => l.Is("Route") && l.Prefix().IsV6 && c.AddressPool6 is null))
            _errors.Try(() => throw route.Error("is IPv6, but there is no AddressPool6 to give users an IPv6 address from"));
        // An inner address names one session: two pools that share addresses would give one of them to two users.
        var pools = new List<IpPrefix> { c.AddressPool };
        foreach (KeywordLine line in _lines.Where(l => l.Is("AddressPool")))
        {
            IpPrefix pool = line.Prefix();
            if (pools.Contains(pool)) continue;
            if (!(_config with { Matches = _matches }).Pools.Contains(pool)) continue;
            foreach (IpPrefix other in pools.Where(other => other.Overlaps(pool)))
                _errors.Try(() => throw line.Error($"'{pool}' overlaps the pool {other}, and both would give out the same addresses; choose another block"));
            pools.Add(pool);
        }
    }
}
