using System.Diagnostics;

namespace PersonalVpn.Kernel.Lab;

/// <summary>
/// The lab of Scripts/lab.sh under a prefix and state directory of its own, with pvpn-server and pvpnd running
/// in it. One lab serves all test classes of a variant; <see cref="ResetAsync"/> gives each test a clean one.
/// </summary>
public abstract class LabFixture(string name, string ownerLookup, string inject, bool fastPath = false) : IAsyncLifetime
{
    /// <summary>The gateway's address on the wire.</summary>
    public const string Gateway = "10.99.1.1";

    /// <summary>Reachable by everybody, and through a tunnel by its owner.</summary>
    public const string Inner4 = "10.99.2.2", Inner6 = "fd99:2::2";

    /// <summary>Reachable through a tunnel only.</summary>
    public const string Hidden4 = "10.99.3.2", Hidden6 = "fd99:3::2";

    private string[]? _idleState;
    private string[] _serverLines = [];
    private string[] _forwarderLines = [];

    /// <summary>OwnerLookup of forwarder.conf: kernel or procfs.</summary>
    public string OwnerLookup => ownerLookup;

    /// <summary>FastPath of forwarder.conf: the owner's process reads its tunnel's device.</summary>
    public bool FastPath => fastPath;

    /// <summary>Inject of server.conf: raw or tun.</summary>
    public string Inject => inject;

    /// <summary>Keys, configuration, logs, pids.</summary>
    public string State { get; } = $"/tmp/pvpn-lab-test-{Environment.ProcessId}-{name}";

    /// <summary>Prefix of the namespaces' names.</summary>
    public string Prefix { get; } = $"pvt{Environment.ProcessId}{name}-";

    /// <summary>Scripts/lab/enter.sh of this checkout.</summary>
    public static string EnterScript => Path.Combine(Checkout, "Scripts", "lab", "enter.sh");

    /// <summary>The running server; null when a test has stopped it.</summary>
    public LabProcess? Server { get; private set; }

    /// <summary>The running Forwarder; null when a test has stopped it.</summary>
    public LabProcess? Forwarder { get; private set; }

    private static string Checkout { get; } = FindCheckout();

    /// <summary>Where a tool of tests/Kernel/Lab/tools lies for the lab's users.</summary>
    public string Tool(string file) => Path.Combine(State, "tools", file);

    /// <summary>Brings the lab and both daemons up.</summary>
    public async Task InitializeAsync()
    {
        await ScriptAsync("up");
        foreach (string tool in Directory.GetFiles(Path.Combine(Checkout, "tests", "Kernel", "Lab", "tools")))
        {
            File.Copy(tool, Tool(Path.GetFileName(tool)), overwrite: true);
            File.SetUnixFileMode(Tool(Path.GetFileName(tool)), (UnixFileMode)0b111_101_101);
        }
        HostStateBefore = await KernelStateAsync("host");
        GatewayStateBefore = await KernelStateAsync("gw");
        await StartServerAsync();
        await StartForwarderAsync();
        // From here on everybody knows the server's key, and nothing but what a test is about is said.
        foreach (string user in new[] { "alice", "bob", "carol" })
            await (await ConnectAsync(user)).DisposeAsync();
    }

    /// <summary>Stops the daemons and removes the lab.</summary>
    public async Task DisposeAsync()
    {
        if (Forwarder is not null)
            await Forwarder.DisposeAsync();
        if (Server is not null)
            await Server.DisposeAsync();
        await ScriptAsync("down");
    }

    /// <summary>
    /// Both daemons run with their usual configuration and nothing of a former test is left in the kernel;
    /// whatever is not so is started anew. Called before each test.
    /// </summary>
    public async Task ResetAsync()
    {
        if (Server is null || Server.HasExited || _serverLines.Length > 0)
            await StartServerAsync();
        string[] idle = await IdleStateAsync();
        bool dirty = !Enumerable.SequenceEqual(await KernelStateAsync("host"), idle);
        if (Forwarder is null || Forwarder.HasExited || _forwarderLines.Length > 0 || dirty)
            await StartForwarderAsync();
    }

    /// <summary>Starts pvpn-server anew; each line replaces the usual setting of its keyword.</summary>
    public async Task StartServerAsync(params string[] lines)
    {
        await StopServerAsync();
        _serverLines = lines;
        string file = Path.Combine(State, "gw", "server.conf");
        await File.WriteAllLinesAsync(file, Configuration(
            [
                "Port 443",
                $"HostKey {State}/gw/host_key.pem",
                $"AuthorizedKeysFile {State}/gw/authorized_keys/%u",
                $"LeaseFile {State}/gw/leases",
                "AddressPool 10.77.0.0/16", "AddressPool6 fd77::/64",
                "Route 10.99.2.0/24", "Route 10.99.3.0/24", "Route fd99:2::/64", "Route fd99:3::/64",
                "Egress routed", $"Inject {Inject}",
            ], lines));
        Server = LabProcess.Start(this, "pvpn-server", "gw", "pvpn-server", "--config", file);
        await Server.ErrorLineAsync("pvpn-server: ready");
    }

    /// <summary>SIGTERM to the server, if it runs.</summary>
    public async Task StopServerAsync()
    {
        if (Server is { } server)
            await server.DisposeAsync();
        Server = null;
    }

    /// <summary>Starts pvpnd anew; each line replaces the usual setting of its keyword.</summary>
    public async Task StartForwarderAsync(params string[] lines)
    {
        await StopForwarderAsync();
        _forwarderLines = lines;
        string file = Path.Combine(State, "host", "forwarder.conf");
        await File.WriteAllLinesAsync(file, Configuration([$"OwnerLookup {OwnerLookup}", $"FastPath {(FastPath ? "yes" : "no")}"], lines));
        Forwarder = LabProcess.Start(this, "pvpnd", "host", "pvpnd", "--config", file);
        await Forwarder.ErrorLineAsync("pvpnd: ready");
    }

    /// <summary>SIGTERM to pvpnd, if it runs.</summary>
    public async Task StopForwarderAsync()
    {
        if (Forwarder is { } forwarder)
            await forwarder.DisposeAsync();
        Forwarder = null;
    }

    /// <summary>Runs a command to its end.</summary>
    public async Task<CommandResult> RunAsync(double seconds, string who, params IEnumerable<string> command)
    {
        await using LabProcess process = LabProcess.Start(this, command.First().Split('/')[^1], who, command);
        return await process.ExitAsync(seconds);
    }

    /// <summary>Runs a command that ends within 15 seconds.</summary>
    public Task<CommandResult> RunAsync(string who, params IEnumerable<string> command) => RunAsync(15, who, command);

    /// <summary>The arguments of pvpn for a tunnel of <paramref name="user"/> to the gateway.</summary>
    public string[] PvpnArguments(string user, params string[] more) =>
        ["pvpn", "-o", "StrictHostKeyChecking=accept-new", "-o", $"UserKnownHostsFile={State}/home/{user}/known_hosts",
            "-i", $"{State}/home/{user}/.ssh/id_rsa", $"{user}@{Gateway}", .. more];

    /// <summary>Opens a tunnel of <paramref name="user"/> and waits until it carries traffic.</summary>
    public async Task<LabTunnel> ConnectAsync(string user, params string[] more)
    {
        LabProcess pvpn = LabProcess.Start(this, $"pvpn-{user}", user, PvpnArguments(user, more));
        try
        {
            string line = await pvpn.ErrorLineAsync("pvpn: connected");
            TunnelStatus status = (await StatusAsync(user)).Single(s => s.State == "up");
            return new LabTunnel(pvpn, line, status);
        }
        catch (Exception)
        {
            await pvpn.DisposeAsync();
            throw;
        }
    }

    /// <summary><c>pvpn status --json</c> as seen by a user (root: who = host).</summary>
    public async Task<TunnelStatus[]> StatusAsync(string who)
    {
        CommandResult result = (await RunAsync(who, "pvpn", "status", "--json")).Succeeded();
        return TunnelStatus.Parse(result.Output);
    }

    /// <summary>All packets that pvpnd has dropped, over all tunnels and reasons.</summary>
    public async Task<long> DroppedAsync() => (await StatusAsync("host")).Sum(s => s.Dropped.Values.Sum());

    /// <summary>
    /// Everything a tunnel may leave in a node's kernel, one line each: see Scripts/lab/kernel-state.sh.
    /// </summary>
    public async Task<string[]> KernelStateAsync(string node)
    {
        CommandResult result = (await RunAsync(node, Path.Combine(Checkout, "Scripts", "lab", "kernel-state.sh"))).Succeeded();
        return result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>Kernel state of the shared host before pvpnd was ever started.</summary>
    public string[] HostStateBefore { get; private set; } = [];

    /// <summary>Kernel state of the gateway before pvpn-server was ever started.</summary>
    public string[] GatewayStateBefore { get; private set; } = [];

    /// <summary>Kernel state of the shared host while pvpnd runs and nobody has a tunnel; learnt once.</summary>
    public async Task<string[]> IdleStateAsync()
    {
        if (_idleState is null)
        {
            await StartForwarderAsync();
            _idleState = await KernelStateAsync("host");
        }
        return _idleState;
    }

    private static IEnumerable<string> Configuration(IEnumerable<string> usual, string[] lines)
    {
        HashSet<string> replaced = [.. lines.Select(Keyword)];
        return usual.Where(line => !replaced.Contains(Keyword(line))).Concat(lines.Where(line => !line.StartsWith('-')));
    }

    // "-Keyword" takes a usual line away and puts none in its place.
    private static string Keyword(string line) => line.TrimStart('-').Split(' ')[0];

    private async Task ScriptAsync(string command)
    {
        var start = new ProcessStartInfo(Path.Combine(Checkout, "Scripts", "lab.sh"), [command])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        start.Environment["LAB_PREFIX"] = Prefix;
        start.Environment["LAB_STATE"] = State;
        start.Environment["PVPN_OUT"] = Environment.GetEnvironmentVariable("PVPN_OUT") ?? Path.Combine(Checkout, "out");
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        // The lab's servers inherit neither pipe: lab.sh gives them log files.
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"lab.sh {command} ended with {process.ExitCode}: {await output}{await error}");
    }

    private static string FindCheckout()
    {
        for (DirectoryInfo? directory = new(AppContext.BaseDirectory); directory is not null; directory = directory.Parent)
        {
            if (File.Exists(Path.Combine(directory.FullName, "PersonalVpn.sln")))
                return directory.FullName;
        }
        throw new InvalidOperationException($"no PersonalVpn.sln in any directory above {AppContext.BaseDirectory}");
    }
}
