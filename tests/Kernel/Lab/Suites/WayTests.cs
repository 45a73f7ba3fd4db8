using System.Diagnostics;
using PersonalVpn.Kernel.Support;

namespace PersonalVpn.Kernel.Lab.Suites;

/// <summary>ProxyCommand, several addresses of a name, several gateways under one name, and who is blamed when one hangs.</summary>
[Collection(KernelTun.Name)]
public sealed class WayTests(KernelTunLab lab) : LabTests(lab), IAsyncLifetime
{
    private readonly string _etc = "/etc/netns/" + lab.Prefix + "host";

    private string Home => Path.Combine(Lab.State, "home", "alice");

    async Task IAsyncLifetime.DisposeAsync()
    {
        (await Lab.RunAsync("alice", "rm", "-rf", ".config", "carrier")).Succeeded();
        if (Directory.Exists(_etc)) Directory.Delete(_etc, recursive: true);
        await base.DisposeAsync();
    }

    [Theory]
    [InlineData("socat - TCP:%h:%p")]
    [InlineData("sh -c 'socat - TCP:%h:%p; true'")] // not its own process: a child's socket
    public async Task A_command_carries_the_tunnel_that_covers_its_peer(string command)
    {
        await Lab.StartServerAsync("Permit 10.99.0.0/16");
        await ConfigAsync($"ProxyCommand {command}\n");
        await using WireTap tap = await WireTap.StartAsync(Lab);
        await using LabProcess pvpn = LabProcess.Start(Lab, "command", "alice", "pvpn", $"alice@{LabFixture.Gateway}", "10.99.0.0/16");
        await pvpn.ErrorLineAsync("pvpn: connected", 30);
        Assert.DoesNotContain("no TCP connection", pvpn.Error, StringComparison.Ordinal);
        const string Marker = "by the command";
        for (int i = 0; i < 3; i++) Assert.Contains(Marker, await TalkAsync("alice", "tcp", LabFixture.Hidden4, Marker), StringComparison.Ordinal);
        Assert.Contains(Marker, await TalkAsync("alice", "udp", LabFixture.Hidden4, Marker), StringComparison.Ordinal);
        (await Lab.RunAsync("alice", "ping", "-c", "1", "-W", "5", LabFixture.Hidden4)).Succeeded();
        Assert.Equal("tls via ProxyCommand", Assert.Single(await Lab.StatusAsync("alice")).Transport);
        Assert.NotEmpty(Processes("socat"));
        pvpn.Signal("TERM");
        Assert.Equal(0, (await pvpn.ExitAsync()).ExitCode);
        await EventuallyAsync(() => Task.FromResult(Processes("socat").Count == 0), "the command's end");
        IReadOnlyList<WirePacket> seen = await tap.StopAsync();
        Assert.Empty(TlsWitness.Complaints(seen, LabFixture.Gateway));
        Assert.Equal(await Lab.IdleStateAsync(), await Lab.KernelStateAsync("host"));
    }

    // The terminal's Ctrl-C reaches the whole process group, and the command must not die before the tunnel has been closed.
    [Fact]
    public async Task Ctrl_C_ends_the_tunnel_before_the_command()
    {
        await ConfigAsync("ProxyCommand socat - TCP:%h:%p\n");
        await using LabProcess pvpn = LabProcess.Start(Lab, "command", "alice", "setsid", "pvpn", $"alice@{LabFixture.Gateway}");
        await pvpn.ErrorLineAsync("pvpn: connected", 30);
        Shell.Run($"kill -INT -- -{pvpn.Id}");
        CommandResult result = await pvpn.ExitAsync();
        Assert.Equal((0, 1), (result.ExitCode, result.ErrorLines.Count(l => !l.Contains(" is now known: ", StringComparison.Ordinal))));
        Assert.Empty(await Lab.StatusAsync("host"));
        await EventuallyAsync(() => Task.FromResult(Processes("socat").Count == 0), "the command's end");
        await Lab.Server!.ErrorLineContainingAsync("the user ended the tunnel");
    }

    [Fact]
    public async Task In_the_background_the_command_goes_on()
    {
        await ConfigAsync("ProxyCommand sh -c 'echo it speaks >&2; socat -d -d - TCP:%h:%p; true'\n");
        CommandResult started = await Lab.RunAsync(30, "alice", "pvpn", "-f", $"alice@{LabFixture.Gateway}");
        Assert.Equal(0, started.ExitCode);
        Assert.Contains("it speaks", started.ErrorLines);
        Assert.StartsWith("pvpn: connected", started.ErrorLines[^1], StringComparison.Ordinal);
        for (int i = 0; i < 3; i++) await TalkAsync("alice", "tcp", LabFixture.Hidden4, "in the background");
        (await Lab.RunAsync("alice", "pvpn", "down", "--all")).Succeeded();
        await EventuallyAsync(() => Task.FromResult(Processes("socat").Count == 0), "the command's end");
    }

    // A tunnel inside a tunnel: what carries the second stays in the first.
    [Fact]
    public async Task A_connection_that_goes_by_another_tunnel_stays_there()
    {
        await Lab.StartServerAsync("Permit 10.98.0.0/16", "Egress masquerade");
        using var chain = new GatewayChain(Lab, 2);
        await using LabTunnel first = await Lab.ConnectAsync("alice", "10.98.1.0/24");
        await ConfigAsync("ProxyCommand socat - TCP:%h:%p\n");
        await using WireTap tap = await WireTap.StartAsync(Lab);
        await using LabProcess second = LabProcess.Start(Lab, "second", "alice", "pvpn", $"alice@{GatewayChain.Address(2)}:{GatewayChain.Port}");
        await second.ErrorLineAsync("pvpn: connected", 30);
        for (int i = 0; i < 3; i++) await TalkAsync("alice", "tcp", chain.Far, "inside both");
        second.Signal("TERM");
        await second.ExitAsync();
        first.Process.Signal("TERM");
        await first.Process.ExitAsync();
        Assert.Empty(TlsWitness.Complaints(await tap.StopAsync(), LabFixture.Gateway));
    }

    // A datagram socket may be what carries it, and gets no mark: before anything is opened, and nothing stays blocked.
    [Fact]
    public async Task A_connection_that_cannot_be_kept_out_is_refused()
    {
        await Lab.StartServerAsync("Permit 10.99.0.0/16");
        await ConfigAsync("ProxyCommand bash -c 'exec 7<>/dev/udp/10.99.1.1/9; exec socat - TCP:%h:%p'\n");
        CommandResult result = await Lab.RunAsync("alice", "pvpn", $"alice@{LabFixture.Gateway}", "10.99.0.0/16");
        Assert.Equal(255, result.ExitCode);
        Assert.Equal("pvpn: the ProxyCommand's connection to 10.99.1.1 lies within the tunnel's routes and cannot be kept out of it; narrow the destinations, or use Proxy", result.ErrorLines[^1]);
        Assert.Empty(await Lab.StatusAsync("host"));
    }

    // What carries it belongs to another process: nothing can be done for it but to say so, and nothing leaks.
    [Fact]
    public async Task A_connection_that_cannot_be_found_is_warned_of_and_fails_closed()
    {
        await Lab.StartServerAsync("Permit 10.99.0.0/16");
        await using LabProcess carrier = LabProcess.Start(Lab, "carrier", "alice", "socat", $"UNIX-LISTEN:{Home}/carrier,fork", $"TCP:{LabFixture.Gateway}:443");
        await EventuallyAsync(() => Task.FromResult(File.Exists($"{Home}/carrier")), "the carrier listens");
        await ConfigAsync($"ProxyCommand socat - UNIX-CONNECT:{Home}/carrier\nServerAliveInterval 1\nServerAliveCountMax 2\nReconnect no\n");
        await using WireTap tap = await WireTap.StartAsync(Lab);
        await using LabProcess pvpn = LabProcess.Start(Lab, "command", "alice", "pvpn", $"alice@{LabFixture.Gateway}", "10.99.0.0/16");
        await pvpn.ErrorLineContainingAsync("the ProxyCommand has no TCP connection that could be kept out of the tunnel", 30);
        CommandResult result = await pvpn.ExitAsync(30);
        Assert.Equal(255, result.ExitCode);
        Assert.NotEqual(0, (await Lab.RunAsync("alice", "talk.py", "tcp", LabFixture.Inner4, "in clear?", "--timeout", "0.5")).ExitCode);
        (await Lab.RunAsync("alice", "pvpn", "down", "--all")).Succeeded();
        Assert.False(TlsWitness.Contains(await tap.StopAsync(), "in clear?"));
    }

    [Theory]
    [InlineData("ProxyCommand sh -c 'echo no way >&2; exit 3'\n", "no way", "pvpn: the ProxyCommand ended with status 3 before the gateway had answered; try it by hand, what it says on its own stands before this line")]
    [InlineData("ProxyCommand echo hello\n", null, "pvpn: the ProxyCommand ended with status 0 before the gateway had answered; try it by hand, what it says on its own stands before this line")]
    [InlineData("ProxyCommand sleep 100\nConnectTimeout 2\n", null, "pvpn: 10.99.1.1 port 443: no TLS 1.3 handshake; is a pvpn-server listening there?")]
    public async Task A_command_that_fails_is_named(string config, string? said, string expected)
    {
        await ConfigAsync(config);
        CommandResult result = await Lab.RunAsync("alice", "pvpn", $"alice@{LabFixture.Gateway}");
        Assert.Equal(255, result.ExitCode);
        Assert.StartsWith(expected, result.ErrorLines[^1], StringComparison.Ordinal);
        Assert.Equal(said is null ? [] : [said], result.ErrorLines[..^1]);
        Assert.Empty(Processes("sleep 100"));
    }

    [Fact]
    public async Task A_signal_while_it_connects_ends_the_command_too()
    {
        await ConfigAsync("ProxyCommand sleep 100\n");
        await using LabProcess pvpn = LabProcess.Start(Lab, "command", "alice", "pvpn", $"alice@{LabFixture.Gateway}");
        await EventuallyAsync(() => Task.FromResult(Processes("sleep 100").Count == 1), "the command runs");
        pvpn.Signal("TERM");
        Assert.Equal(143, (await pvpn.ExitAsync()).ExitCode);
        Assert.Empty(Processes("sleep 100"));
    }

    [Fact]
    public async Task A_family_that_goes_nowhere_costs_a_quarter_of_a_second()
    {
        Directory.CreateDirectory(_etc);
        await File.WriteAllTextAsync(Path.Combine(_etc, "hosts"), "127.0.0.1 localhost\nfd99:1::1 gateway.lab\n10.99.1.1 gateway.lab\n");
        // The lab's IPv6 addresses are unique local ones, which the resolver puts behind IPv4 unless told otherwise.
        await File.WriteAllTextAsync(Path.Combine(_etc, "gai.conf"), "precedence ::1/128 50\nprecedence fd00::/8 45\nprecedence ::/0 40\nprecedence ::ffff:0:0/96 10\n");
        string gateway = Lab.Prefix + "gw";
        Shell.Run($"ip netns exec {gateway} ip6tables -I INPUT -p tcp --dport 443 -j DROP");
        try
        {
            await ConfigAsync("");
            var watch = Stopwatch.StartNew();
            await using LabProcess pvpn = LabProcess.Start(Lab, "eyeballs", "alice", "pvpn", "-v", "alice@gateway.lab");
            await pvpn.ErrorLineContainingAsync("connecting to fd99:1::1 port 443");
            long began = watch.ElapsedMilliseconds;
            await pvpn.ErrorLineAsync("pvpn: connected");
            long took = watch.ElapsedMilliseconds - began;
            Assert.Contains("connecting to 10.99.1.1 port 443", pvpn.Error, StringComparison.Ordinal);
            Assert.InRange(took, 200, 1000);
            pvpn.Signal("TERM");
            await pvpn.ExitAsync();
        }
        finally
        {
            Shell.Run($"ip netns exec {gateway} ip6tables -D INPUT -p tcp --dport 443 -j DROP");
        }
    }

    [Theory]
    [InlineData("10.99.1.1:4 10.99.1.1", "10.99.1.1 port 4: connection refused; is pvpn-server running there, on that port?; trying 10.99.1.1")]
    [InlineData("10.99.1.77 10.99.1.1", "10.99.1.77 port 443: no answer within 2 s; check the address and the firewalls on the way; trying 10.99.1.1")]
    [InlineData("nowhere.invalid 10.99.1.1", "cannot resolve 'nowhere.invalid': check the name, or the host's DNS; trying 10.99.1.1")]
    public async Task Of_several_gateways_the_first_that_works_is_used(string names, string said)
    {
        await ConfigAsync($"HostName {names}\nConnectTimeout 2\n");
        await using LabProcess pvpn = LabProcess.Start(Lab, "several", "alice", "pvpn", "-v", "alice@office");
        Assert.StartsWith("pvpn: connected to office as alice", await pvpn.ErrorLineAsync("pvpn: connected", 20), StringComparison.Ordinal);
        Assert.Contains(said, pvpn.Error, StringComparison.Ordinal);
        Assert.Equal("office", Assert.Single(await Lab.StatusAsync("alice")).Gateway);
        await TalkAsync("alice", "tcp", LabFixture.Hidden4, "by the second");
        (await Lab.RunAsync("alice", "pvpn", "down", "office")).Succeeded();
        await pvpn.ExitAsync();
        Assert.Contains("10.99.1.1 ", await File.ReadAllTextAsync($"{Home}/.config/pvpn/way_hosts"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_last_failure_is_the_one_that_is_told_and_a_refused_user_tries_no_other()
    {
        await ConfigAsync("HostName 10.99.1.1:4 10.99.1.1:5\nConnectTimeout 2\n");
        Assert.Equal("pvpn: 10.99.1.1 port 5: connection refused; is pvpn-server running there, on that port?", Assert.Single((await Lab.RunAsync("alice", "pvpn", "alice@office")).ErrorLines));
        await ConfigAsync("HostName 10.99.1.1 10.99.1.1:5\nConnectTimeout 2\n");
        CommandResult result = await Lab.RunAsync("alice", "pvpn", "-v", "mallory@office");
        Assert.Contains("permission denied", result.ErrorLines[^1], StringComparison.Ordinal);
        Assert.DoesNotContain("port 5", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_silent_gateway_behind_a_hop_is_not_blamed_on_the_hop()
    {
        await Lab.StartServerAsync("AllowRelay 10.99.2.2:4433");
        await using LabProcess silent = LabProcess.Start(Lab, "silent", "inner", "socat", "TCP-LISTEN:4433,fork,reuseaddr", "EXEC:sleep 100");
        await EventuallyAsync(async () => (await Lab.RunAsync("inner", "ss", "-Hltn", "sport = :4433")).Output.Length > 0, "the silent one listens");
        await ConfigAsync("ConnectTimeout 2\n");
        CommandResult result = await Lab.RunAsync("alice", "pvpn", "-J", $"alice@{LabFixture.Gateway}", "alice@10.99.2.2:4433");
        Assert.Equal("pvpn: connecting to 10.99.2.2:4433 through 10.99.1.1: no answer within 2 s (ConnectTimeout); is it up, not overloaded, and reachable from where it is asked?", result.ErrorLines[^1]);
    }

    private async Task ConfigAsync(string text)
    {
        (await Lab.RunAsync("alice", "sh", "-c", "umask 077; mkdir -p .config/pvpn; : >.config/pvpn/config")).Succeeded();
        await File.WriteAllTextAsync($"{Home}/.config/pvpn/config", $"StrictHostKeyChecking accept-new\nUserKnownHostsFile ~/.config/pvpn/way_hosts\n{text}");
    }

    // Processes of the lab's alice whose command line begins so.
    private static List<string> Processes(string command) =>
        [.. Shell.Exec(5_000, "sh", "-c", "ps -u alice -o args= || true").Split('\n').Where(l => l.StartsWith(command, StringComparison.Ordinal))];
}
