using System.IO.Enumeration;
using PersonalVpn.Tunnel.Configuration;
using PersonalVpn.Tunnel.Local;
using PersonalVpn.Tunnel.Protocol;

namespace PersonalVpn.Cli.Config;

/// <summary>ssh's StrictHostKeyChecking.</summary>
internal enum HostKeyChecking
{
    /// <summary>Unknown keys are shown and asked about.</summary>
    Ask,

    /// <summary>Unknown keys are accepted and remembered; changed ones refused.</summary>
    AcceptNew,

    /// <summary>Only known keys.</summary>
    Yes,

    /// <summary>Anything goes; a changed key only draws a warning.</summary>
    No,
}

/// <summary>
/// What a connection is made with: command line beats user file beats system file, and in each the first value wins, as in
/// ssh_config(5). Lists (IdentityFile, Route) add up.
/// </summary>
internal sealed class ClientConfig
{
    private static readonly string[] Keywords =
    [
        "Host", "HostName", "Port", "User", "IdentityFile", "IdentitiesOnly", "IdentityAgent", "ProxyJump", "ConnectTimeout",
        "StrictHostKeyChecking", "UserKnownHostsFile", "Route", "ServerAliveInterval", "ServerAliveCountMax", "Include", "ForwarderSocket",
    ];

    private readonly Dictionary<string, KeywordLine> _first = new(StringComparer.OrdinalIgnoreCase);
    private readonly string _home;

    private ClientConfig(string home) => _home = home;

    public List<string> IdentityFiles { get; } = [];
    public List<string> Routes { get; } = [];

    public string? HostName => Get("HostName")?.Text();
    public int Port => Get("Port")?.Number(1, 65535) ?? ProtocolConstants.DefaultPort;
    public string? User => Get("User")?.Text();
    public bool IdentitiesOnly => Get("IdentitiesOnly")?.YesNo() ?? false;
    public string? IdentityAgent => Get("IdentityAgent") is { } l ? Path(l.Text()) : Environment.GetEnvironmentVariable("SSH_AUTH_SOCK");
    public string? ProxyJump => Get("ProxyJump") is { Value: not ("none" or "") } l ? l.Value : null;
    public TimeSpan ConnectTimeout => Get("ConnectTimeout")?.Time() ?? TimeSpan.FromSeconds(15);
    public TimeSpan? ServerAliveInterval => Get("ServerAliveInterval")?.Time();
    public int? ServerAliveCountMax => Get("ServerAliveCountMax")?.Number(1, 1000);
    public string ForwarderSocket => Get("ForwarderSocket") is { } l ? Path(l.Text()) : ForwarderProtocol.DefaultSocket;

    public HostKeyChecking StrictHostKeyChecking => Get("StrictHostKeyChecking") is not { } l ? HostKeyChecking.Ask : l.Value.ToLowerInvariant() switch
    {
        "ask" => HostKeyChecking.Ask,
        "accept-new" => HostKeyChecking.AcceptNew,
        "yes" => HostKeyChecking.Yes,
        "no" or "off" => HostKeyChecking.No,
        _ => throw l.Error($"'{l.Value}' is not one of ask, accept-new, yes, no"),
    };

    public IReadOnlyList<string> KnownHostsFiles =>
        Get("UserKnownHostsFile") is { } l ? [.. l.Words.Select(Path)] : [System.IO.Path.Combine(_home, ".config/pvpn/known_hosts")];

    /// <summary>Reads all sources for one gateway as typed. <paramref name="userFile"/> is -F, or null for the usual file.</summary>
    public static ClientConfig Load(string home, string gateway, IEnumerable<string> commandLine, string? userFile)
    {
        var config = new ClientConfig(home);
        foreach (string option in commandLine)
        {
            config.Take(KeywordFile.Parse("-o", option) is [var line] ? line : throw new UserError("-o needs one Keyword=value", ExitCodes.Usage));
        }
        if (userFile is not null && userFile != "none") config.ReadFile(userFile, gateway, 0);
        if (userFile is not null) return config;
        string usual = System.IO.Path.Combine(home, ".config/pvpn/config");
        if (File.Exists(usual)) config.ReadFile(usual, gateway, 0);
        if (File.Exists("/etc/pvpn/pvpn.conf")) config.ReadFile("/etc/pvpn/pvpn.conf", gateway, 0);
        return config;
    }

    /// <summary>Expands ~ and makes the path absolute.</summary>
    public string Path(string path) =>
        path == "~" ? _home : path.StartsWith("~/", StringComparison.Ordinal) ? System.IO.Path.Combine(_home, path[2..]) : System.IO.Path.GetFullPath(path);

    private KeywordLine? Get(string keyword) => _first.GetValueOrDefault(keyword);

    private void ReadFile(string path, string gateway, int depth)
    {
        if (depth > 8) throw new UserError($"{path}: Include goes deeper than 8 files; is it a loop?");
        bool applies = true;
        foreach (KeywordLine line in KeywordFile.Read(Path(path)))
        {
            if (line.Is("Host")) applies = MatchesHost(line, gateway);
            else if (!applies) CheckKnown(line);
            else if (line.Is("Include"))
            {
                foreach (string pattern in line.Words)
                    foreach (string file in Expand(pattern)) ReadFile(file, gateway, depth + 1);
            }
            else Take(line);
        }
    }

    private IEnumerable<string> Expand(string pattern)
    {
        string full = pattern.StartsWith('/') || pattern.StartsWith('~') ? Path(pattern) : System.IO.Path.Combine(_home, ".config/pvpn", pattern);
        string directory = System.IO.Path.GetDirectoryName(full)!;
        return Directory.Exists(directory) ? Directory.GetFiles(directory, System.IO.Path.GetFileName(full)).Order(StringComparer.Ordinal) : [];
    }

    private static bool MatchesHost(KeywordLine line, string gateway)
    {
        bool any = false;
        foreach (string pattern in line.Words)
        {
            bool negated = pattern.StartsWith('!');
            if (!FileSystemName.MatchesSimpleExpression(negated ? pattern[1..] : pattern, gateway)) continue;
            if (negated) return false;
            any = true;
        }
        return any;
    }

    private static void CheckKnown(KeywordLine line)
    {
        if (!Keywords.Contains(line.Keyword, StringComparer.OrdinalIgnoreCase)) throw line.Unknown(Keywords);
    }

    private void Take(KeywordLine line)
    {
        CheckKnown(line);
        if (line.Is("IdentityFile")) IdentityFiles.Add(Path(line.Text()));
        else if (line.Is("Route")) Routes.AddRange(line.Words);
        else _first.TryAdd(line.Keyword, line);
    }
}
