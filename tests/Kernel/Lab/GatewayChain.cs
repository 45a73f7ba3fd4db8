using System.Diagnostics;
using System.Globalization;
using System.Text;
using PersonalVpn.Kernel.Support;

namespace PersonalVpn.Kernel.Lab;

/// <summary>
/// Gateways behind the lab's own, each in a namespace of its own that reaches its neighbours alone, and behind the last one a host:
/// <code>
/// host ── gw ── 2 ── 3 ── ... ── n ── far      the link i to i+1 is 10.98.i.0/24, i has .1 and i+1 has .2
/// </code>
/// Nothing but the last one forwards packets: what reaches far came through all of them. far answers on 7007 as the inner host does.
/// </summary>
public sealed class GatewayChain : IDisposable
{
    /// <summary>Where the gateways behind the first one listen.</summary>
    public const int Port = 7443;

    private readonly LabFixture _lab;
    private readonly List<Process> _processes = [];
    private readonly Dictionary<int, Process> _gateways = [];
    private readonly Dictionary<int, StringBuilder> _logs = [];
    private readonly List<string> _namespaces = [];
    private readonly string[] _settings;
    private readonly string _state;

    /// <summary>Builds it.</summary>
    /// <param name="lab">The lab whose gateway is the first.</param>
    /// <param name="length">How many gateways, the lab's included; at least 2.</param>
    /// <param name="settings">Further lines of each server.conf behind the lab's own.</param>
    public GatewayChain(LabFixture lab, int length, params string[] settings)
    {
        _lab = lab;
        _settings = settings;
        Length = length;
        _state = Path.Combine(lab.State, "chain");
        try
        {
            Build(lab.Prefix + "gw");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>How many gateways.</summary>
    public int Length { get; }

    /// <summary>The host behind the last gateway.</summary>
    public string Far => Address(Length + 1);

    /// <summary>The value of -J, and the target.</summary>
    public (string Jumps, string Target) Names(string user) =>
        (string.Join(',', Enumerable.Range(1, Length - 1).Select(i => Named(user, i))), Named(user, Length));

    /// <summary>The address at which gateway <paramref name="i"/> (from 2) listens.</summary>
    public static string Address(int i) => string.Create(CultureInfo.InvariantCulture, $"10.98.{i - 1}.2");

    /// <summary>What gateway <paramref name="i"/> (from 2) has said so far, over all its starts.</summary>
    public string Log(int i)
    {
        lock (_logs[i]) return _logs[i].ToString();
    }

    /// <summary>SIGKILL to the server of gateway <paramref name="i"/> (from 2).</summary>
    public void Kill(int i)
    {
        _gateways[i].Kill();
        _gateways[i].WaitForExit();
    }

    /// <summary>Starts the server of gateway <paramref name="i"/> (from 2), and returns when it is ready.</summary>
    public void Start(int i)
    {
        string program = Path.Combine(Environment.GetEnvironmentVariable("PVPN_OUT") ?? "out", "pvpn-server.dll");
        Process server = _gateways[i] = Start(_lab.Prefix + Text(i), "dotnet", program, "--config", Configuration(i));
        StringBuilder log = _logs.TryGetValue(i, out StringBuilder? before) ? before : _logs[i] = new StringBuilder();
        int said = Log(i).Length;
        server.ErrorDataReceived += (_, e) =>
        {
            lock (log) log.AppendLine(e.Data);
        };
        server.BeginErrorReadLine();
        Shell.WaitUntil($"gateway {i} is ready", () => Log(i)[said..].Contains("pvpn-server: ready", StringComparison.Ordinal) || server.HasExited, 20_000);
        Assert.False(server.HasExited, $"gateway {i} did not start: {Log(i)}");
    }

    /// <summary>Ends the servers and removes the namespaces.</summary>
    public void Dispose()
    {
        foreach (Process p in _processes)
        {
            if (!p.HasExited) p.Kill();
            p.WaitForExit();
            p.Dispose();
        }
        // With the namespace go the ends of its cables, and with them the other ends.
        foreach (string name in _namespaces) Shell.Run($"ip netns delete {name}");
    }

    private void Build(string before)
    {
        Directory.CreateDirectory(_state);
        for (int i = 2; i <= Length + 1; i++)
        {
            string name = _lab.Prefix + (i > Length ? "far" : Text(i));
            Shell.Run($"ip netns add {name}");
            _namespaces.Add(name);
            Shell.Run($"ip -n {name} link set lo up");
            Shell.Run($"ip link add down{i} netns {before} type veth peer name back netns {name}");
            Shell.Run($"ip -n {before} addr add 10.98.{i - 1}.1/24 dev down{i}");
            Shell.Run($"ip -n {name} addr add {Address(i)}/24 dev back");
            Shell.Run($"ip -n {before} link set down{i} up");
            Shell.Run($"ip -n {name} link set back up");
            before = name;
        }
        Start(before, "/usr/bin/python3", _lab.Tool("inner.py"), Path.Combine(_state, "sink"), Far);
        for (int i = 2; i <= Length; i++)
        {
            Configure(i);
            Start(i);
        }
    }

    private static string Named(string user, int i) => i == 1 ? $"{user}@{LabFixture.Gateway}" : $"{user}@{Address(i)}:{Text(Port)}";

    private static string Text(int i) => i.ToString(CultureInfo.InvariantCulture);

    private string Configuration(int i) => Path.Combine(_state, $"{i}.conf");

    private void Configure(int i) => File.WriteAllLines(Configuration(i),
    [
        $"ListenAddress {Address(i)}", $"Port {Port}", $"HostKey {_state}/{i}.pem", $"AuthorizedKeysFile {_lab.State}/gw/authorized_keys/%u",
        $"AddressPool 10.{80 + i}.0.0/16", $"ControlSocket {_state}/{i}.sock", $"LeaseFile {_state}/{i}.leases", $"Route 10.98.{i}.0/24",
        i < Length ? $"AllowRelay {Address(i + 1)}:{Port}" : "# the last one", .. _settings,
    ]);

    private Process Start(string ns, params string[] command)
    {
        Process process = Shell.Start(["ip", "netns", "exec", ns, .. command]);
        _processes.Add(process);
        return process;
    }
}
