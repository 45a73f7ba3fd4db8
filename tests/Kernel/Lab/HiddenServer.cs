using System.Diagnostics;
using System.Text;
using PersonalVpn.Kernel.Support;

namespace PersonalVpn.Kernel.Lab;

/// <summary>
/// A server behind a firewall, in a namespace of its own that reaches the lab's gateway, and behind it a host:
/// <code>
/// host ── gw ──X── hidden ── hfar      gw to hidden 10.98.50.0/24 (.1 and .2), hidden to hfar 10.98.51.0/24 (.1 and .2)
/// </code>
/// hidden lets nothing in but answers. Its server registers as "office", user "inner"; hfar answers on 7007 as the inner host does.
/// </summary>
public sealed class HiddenServer : IDisposable
{
    /// <summary>The host behind it.</summary>
    public const string Far = "10.98.51.2";

    /// <summary>Where the server listens, for nobody, and its gateway as it sees it.</summary>
    public const string Address = "10.98.50.2", Gateway = "10.98.50.1";

    private readonly LabFixture _lab;
    private readonly string _state;
    private readonly StringBuilder _log = new();
    private readonly List<Process> _others = [];
    private Process? _server;

    /// <summary>Builds it; <see cref="Start"/> starts the server.</summary>
    public HiddenServer(LabFixture lab)
    {
        _lab = lab;
        _state = Path.Combine(lab.State, "hidden");
        Directory.CreateDirectory(_state);
        try
        {
            string gw = lab.Prefix + "gw";
            foreach (string name in new[] { Namespace, Namespace + "far" })
            {
                Shell.Run($"ip netns add {name}");
                Shell.Run($"ip -n {name} link set lo up");
            }
            Shell.Run($"ip link add hidden netns {gw} type veth peer name out netns {Namespace}");
            Shell.Run($"ip link add in netns {Namespace} type veth peer name out netns {Namespace}far");
            Shell.Run($"ip -n {gw} addr add {Gateway}/24 dev hidden");
            Shell.Run($"ip -n {Namespace} addr add {Address}/24 dev out");
            Shell.Run($"ip -n {Namespace} addr add 10.98.51.1/24 dev in");
            Shell.Run($"ip -n {Namespace}far addr add {Far}/24 dev out");
            Shell.Run($"ip -n {gw} link set hidden up");
            Shell.Run($"ip -n {Namespace} link set out up");
            Shell.Run($"ip -n {Namespace} link set in up");
            Shell.Run($"ip -n {Namespace}far link set out up");
            foreach (string rule in new[] { "-P INPUT DROP", "-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT", "-A FORWARD -i out -j DROP" })
                Shell.Run($"ip netns exec {Namespace} iptables {rule}");
            _others.Add(Shell.Start("ip", "netns", "exec", Namespace + "far", "/usr/bin/python3", lab.Tool("inner.py"), Path.Combine(_state, "sink"), Far));
            File.WriteAllText(KnownHosts, $"{Gateway} {Public($"{lab.State}/gw/server.conf")}\n");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Its namespace.</summary>
    public string Namespace => _lab.Prefix + "hid";

    /// <summary>known_hosts for its gateways.</summary>
    public string KnownHosts => Path.Combine(_state, "known_hosts");

    /// <summary>Its server.conf.</summary>
    public string Config => Path.Combine(_state, "server.conf");

    /// <summary>The running server's pid.</summary>
    public int Pid => _server!.Id;

    /// <summary>What the server has said, over all its runs.</summary>
    public string Log { get { lock (_log) return _log.ToString(); } }

    /// <summary>Its key as a line for authorized_keys; made by the first call.</summary>
    public string PublicKey
    {
        get
        {
            Write();
            return Public(Config);
        }
    }

    /// <summary>Permits its key at the gateway: the file of a user with options before the key.</summary>
    public void Permit(string user, string options) => File.WriteAllText(Path.Combine(_lab.State, "gw", "authorized_keys", user), $"{options}{PublicKey}\n");

    /// <summary>Writes the configuration; without lines it registers as office.</summary>
    public void Write(params string[] lines) => File.WriteAllLines(Config,
    [
        $"ListenAddress {Address}", "Port 7443", $"HostKey {_state}/key.pem", $"AuthorizedKeysFile {_lab.State}/gw/authorized_keys/%u", "AddressPool 10.86.0.0/16",
        $"ControlSocket {_state}/server.sock", "Route 10.98.51.0/24", $"RegisterKnownHosts {KnownHosts}", .. lines.Length > 0 ? lines : [$"Register inner@{Gateway} office"],
    ]);

    /// <summary>Starts the server; returns when it is ready, not when it is registered.</summary>
    public void Start(params string[] lines)
    {
        Write(lines);
        int from = Log.Length;
        _server = Shell.Start("ip", "netns", "exec", Namespace, "dotnet", Path.Combine(Out, "pvpn-server.dll"), "--config", Config);
        foreach (StreamReader reader in new[] { _server.StandardError, _server.StandardOutput })
            _ = Task.Run(async () =>
            {
                while (await reader.ReadLineAsync() is { } line)
                    lock (_log) _log.Append(line).Append('\n');
            });
        Wait("pvpn-server: ready", from);
    }

    /// <summary>Waits for a text in the log behind a place; returns the place behind its line.</summary>
    public int Wait(string text, int from = 0, int timeoutMs = 15_000)
    {
        try { Shell.WaitUntil(text, () => Log.IndexOf(text, from, StringComparison.Ordinal) >= 0, timeoutMs); }
        catch (TimeoutException e) { throw new TimeoutException($"{e.Message}; the log: {Log[from..]}", e); }
        int at = Log.IndexOf(text, from, StringComparison.Ordinal);
        return Log.IndexOf('\n', at) + 1;
    }

    /// <summary>Sends a signal.</summary>
    public void Signal(string name) => Shell.Run($"kill -{name} {Pid}");

    /// <summary>A subcommand of its pvpn-server.</summary>
    public string Ask(string command) => Shell.Run($"dotnet {Out}/pvpn-server.dll --config {Config} {command}");

    /// <summary>Kills the server.</summary>
    public void Kill()
    {
        if (_server is null) return;
        if (!_server.HasExited) _server.Kill();
        _server.WaitForExit();
        _server.Dispose();
        _server = null;
    }

    /// <summary>Ends everything and takes the namespaces away.</summary>
    public void Dispose()
    {
        Kill();
        foreach (Process p in _others)
        {
            if (!p.HasExited) p.Kill();
            p.WaitForExit();
            p.Dispose();
        }
        _others.Clear();
        foreach (string name in new[] { Namespace, Namespace + "far" })
            if (File.Exists("/run/netns/" + name)) Shell.Run($"ip netns delete {name}");
        foreach (string user in new[] { "inner", "other" }) File.Delete(Path.Combine(_lab.State, "gw", "authorized_keys", user));
    }

    private static string Out => Environment.GetEnvironmentVariable("PVPN_OUT") ?? "out";

    private static string Public(string config) => Shell.Run($"dotnet {Out}/pvpn-server.dll --config {config} fingerprint --public").Trim();
}
