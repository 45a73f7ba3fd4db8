using System.Globalization;
using System.Text.RegularExpressions;

namespace PersonalVpn.Kernel.Lab.Suites;

/// <summary>Coming up, going down, and leaving nothing behind.</summary>
[Collection(KernelRaw.Name)]
public sealed class LifecycleTests(KernelRawLab lab) : LabTests(lab)
{
    [Theory]
    [InlineData("TERM")]
    [InlineData("INT")]
    [InlineData("HUP")]
    public async Task A_signal_to_pvpn_takes_the_tunnel_down(string signal)
    {
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
        await TalkAsync("alice", "tcp", LabFixture.Hidden4, "hello");
        tunnel.Process.Signal(signal);
        CommandResult result = await tunnel.Process.ExitAsync();
        Assert.NotEqual(255, result.ExitCode);
        Assert.Single(result.ErrorLines); // "connected" stays the only line
        Assert.Empty(result.Output);
        Assert.Equal(await Lab.IdleStateAsync(), await Lab.KernelStateAsync("host"));
        Assert.StartsWith("10.99.1.2 ", await TalkAsync("alice", "tcp", LabFixture.Inner4, "hello"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task SIGTERM_to_pvpnd_undoes_everything()
    {
        await using LabTunnel alice = await Lab.ConnectAsync("alice");
        await using LabTunnel bob = await Lab.ConnectAsync("bob");
        Assert.NotEqual(Lab.HostStateBefore, await Lab.KernelStateAsync("host"));
        Lab.Forwarder!.Signal("TERM");
        CommandResult result = await Lab.Forwarder.ExitAsync();
        Assert.True(result.ExitCode == 0, $"{result}");
        Assert.Equal(Lab.HostStateBefore, await Lab.KernelStateAsync("host"));
        Assert.Equal(0, (await alice.Process.ExitAsync()).ExitCode); // taken down in order: nothing of theirs is blocked
        Assert.Equal(0, (await bob.Process.ExitAsync()).ExitCode);
        Assert.StartsWith("10.99.1.2 ", await TalkAsync("alice", "tcp", LabFixture.Inner4, "hello"), StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(Lab.State, "host", "run", "pvpn", "forwarder.sock")), "the control socket is still there");
    }

    [Fact]
    public async Task What_lies_in_the_working_directory_is_not_taken_for_the_hosts_tools()
    {
        string directory = Path.Combine(Lab.State, "host", "decoys");
        (await Lab.RunAsync("host", "sh", "-c",
            $"mkdir -p {directory} && cd {directory} && for t in nft iptables ip6tables iptables-restore ip6tables-restore ip tc; do printf '#!/bin/sh\ntouch {directory}/ran\n' >$t; chmod 755 $t; done")).Succeeded();
        await Lab.StopForwarderAsync();
        await using LabProcess forwarder = LabProcess.Start(Lab, "pvpnd", "host", "sh", "-c", $"cd {directory} && exec pvpnd");
        await forwarder.ErrorLineAsync("pvpnd: ready");
        Assert.False(File.Exists(Path.Combine(directory, "ran")));
    }

    [Theory]
    [InlineData("nft", "flush", "ruleset")]
    [InlineData("iptables", "-t", "raw", "-F")]
    [InlineData("nft", "flush", "chain", "inet", "pvpn", "output")]
    public async Task A_flushed_packet_filter_is_put_back_within_seconds(params string[] flush)
    {
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
        string[] before = await Lab.KernelStateAsync("host");
        (await Lab.RunAsync("host", flush)).Succeeded();
        Assert.NotEqual(before, await Lab.KernelStateAsync("host"));
        await EventuallyAsync(async () => (await Lab.KernelStateAsync("host")).SequenceEqual(before), "the rules as they were");
        await TalkAsync("alice", "tcp", LabFixture.Hidden4, "hello");
        Assert.Contains("putting them back", Lab.Forwarder!.Error, StringComparison.Ordinal);
    }

    private const string Liberal = "/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal";

    [Theory]
    [InlineData("routed")]
    [InlineData("masquerade")]
    public async Task SIGTERM_to_the_server_undoes_everything(string egress)
    {
        // A server that was killed before has left it as it was.
        (await Lab.RunAsync("gw", "sh", "-c", $"echo 0 >{Liberal}")).Succeeded();
        await Lab.StartServerAsync($"Egress {egress}");
        await using (LabTunnel alice = await Lab.ConnectAsync("alice"))
        {
            Assert.NotEqual(Lab.GatewayStateBefore, await Lab.KernelStateAsync("gw"));
            // Without it, users' connections hang after a restart of a server that masquerades.
            if (egress == "masquerade") Assert.Equal("1\n", (await Lab.RunAsync("gw", "cat", Liberal)).Output);
            Lab.Server!.Signal("TERM");
            CommandResult result = await Lab.Server.ExitAsync();
            Assert.True(result.ExitCode == 0, $"{result}");
            Assert.Equal(Lab.GatewayStateBefore, await Lab.KernelStateAsync("gw"));
            if (egress == "masquerade") Assert.Equal("0\n", (await Lab.RunAsync("gw", "cat", Liberal)).Output);
            Assert.Contains("the server shuts down; reconnecting", await alice.Process.ErrorLineAsync("pvpn: the connection to"), StringComparison.Ordinal);
        }
        Assert.Empty(await Lab.StatusAsync("host"));
    }

    [Fact]
    public async Task A_server_killed_and_started_again_cleans_what_it_left()
    {
        await Lab.StartServerAsync("Egress masquerade");
        await using (LabTunnel alice = await Lab.ConnectAsync("alice"))
        {
            Lab.Server!.Signal("KILL");
            await alice.Process.ErrorLineAsync("pvpn: the connection to");
        }
        await Lab.StartServerAsync("Egress masquerade");
        await Lab.StopServerAsync();
        Assert.Equal(Lab.GatewayStateBefore, await Lab.KernelStateAsync("gw"));
    }

    [Fact]
    public async Task A_command_runs_inside_its_tunnel_and_gives_its_exit_status()
    {
        CommandResult result = await Lab.RunAsync("alice", [.. Lab.PvpnArguments("alice"), "--", "talk.py", "tcp", LabFixture.Hidden4, "hello"]);
        Assert.Equal(0, result.ExitCode);
        Assert.Matches(@"^10\.77\.\d+\.\d+ \d+ hello\n$", result.Output);
        result = await Lab.RunAsync("alice", [.. Lab.PvpnArguments("alice"), "--", "sh", "-c", "exit 17"]);
        Assert.Equal(17, result.ExitCode);
        Assert.Equal(await Lab.IdleStateAsync(), await Lab.KernelStateAsync("host"));
    }

    [Fact]
    public async Task What_a_server_says_before_the_login_does_not_pass_for_a_tunnel()
    {
        string banner = $"{Lab.State}/gw/banner";
        await File.WriteAllTextAsync(banner, "connected to gw as alice\n");
        await Lab.StartServerAsync($"Banner {banner}");
        CommandResult result = await Lab.RunAsync("alice", [.. Lab.PvpnArguments("alice").Select(a => a.Replace("alice@", "nobody@", StringComparison.Ordinal)), "-f"]);
        Assert.Equal(255, result.ExitCode);
        Assert.Contains("says: connected to gw as alice", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task With_f_it_goes_to_the_background_once_up()
    {
        await using LabProcess pvpn = LabProcess.Start(Lab, "pvpn-f", "alice", [.. Lab.PvpnArguments("alice"), "-f"]);
        CommandResult result = (await pvpn.ExitAsync()).Succeeded();
        Assert.True(pvpn.OutputIsClosed, "the background process keeps its starter's stdout or stderr: a pipe would wait for it for ever");
        Assert.StartsWith("pvpn: connected", Assert.Single(result.ErrorLines), StringComparison.Ordinal);
        await TalkAsync("alice", "tcp", LabFixture.Hidden4, "hello");
        (await Lab.RunAsync("alice", "pvpn", "down", LabFixture.Gateway)).Succeeded();
        string[] idle = await Lab.IdleStateAsync();
        await EventuallyAsync(async () => Enumerable.SequenceEqual(await Lab.KernelStateAsync("host"), idle), "nothing is left");
    }

    [Fact]
    public async Task The_connected_line_names_gateway_user_address_and_routes()
    {
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
        foreach (string part in new[] { LabFixture.Gateway, "alice", tunnel.Address4, tunnel.Address6, "10.99.2.0/24", "fd99:3::/64" })
            Assert.Contains(part, tunnel.ConnectedLine, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_destination_narrows_the_pushed_routes()
    {
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice", "10.99.3.0/24");
        Assert.Equal(["10.99.3.0/24"], tunnel.Status.Routes);
        Assert.StartsWith(tunnel.Address4 + " ", await TalkAsync("alice", "tcp", LabFixture.Hidden4, "hello"), StringComparison.Ordinal);
        Assert.StartsWith("10.99.1.2 ", await TalkAsync("alice", "tcp", LabFixture.Inner4, "hello"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_tells_protected_from_direct()
    {
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice", "10.99.2.0/24");
        CommandResult inside = await Lab.RunAsync("alice", "pvpn", "check", LabFixture.Inner4 + ":80");
        Assert.True(inside.ExitCode == 0 && inside.Output.Contains("protected via " + LabFixture.Gateway, StringComparison.Ordinal), $"{inside}");
        CommandResult outside = await Lab.RunAsync("alice", "pvpn", "check", $"[{LabFixture.Inner6}]:80");
        Assert.True(outside.ExitCode == 1 && outside.Output.Contains("direct", StringComparison.Ordinal), $"{outside}");
        CommandResult other = await Lab.RunAsync("bob", "pvpn", "check", LabFixture.Inner4 + ":80");
        Assert.True(other.ExitCode == 1, $"{other}");
    }

    [Theory]
    [InlineData("0.0.0.0/0", LabFixture.Inner4, LabFixture.Inner6)]
    [InlineData("::/0", LabFixture.Inner6, LabFixture.Inner4)]
    public async Task Default_in_one_family_closes_the_other(string route, string open, string closed)
    {
        await Lab.StartServerAsync($"Route {route}");
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
        await using WireTap tap = await WireTap.StartAsync(Lab, "not tcp port 443");
        await TalkAsync("alice", "tcp", open, "hello");
        foreach (string protocol in new[] { "tcp", "udp" })
            Assert.NotEqual(0, (await Lab.RunAsync("alice", "talk.py", protocol, closed, "hello", "--timeout", "1")).ExitCode);
        Assert.NotEqual(0, (await Lab.RunAsync("alice", "ping", "-n", "-c", "1", "-W", "1", closed)).ExitCode);
        Assert.DoesNotContain(await tap.StopAsync(), p => !p.IsLinkHousekeeping);
        await TalkAsync("bob", "tcp", closed, "hello"); // nobody else is concerned
    }

    [Fact]
    public async Task Default_carries_everything_but_the_tunnel_itself()
    {
        await Lab.StartServerAsync("Route 0.0.0.0/0", "Route ::/0");
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice", "default");
        await using WireTap tap = await WireTap.StartAsync(Lab, "not tcp port 443");
        Assert.StartsWith(tunnel.Address4 + " ", await TalkAsync("alice", "tcp", LabFixture.Hidden4, "hello"), StringComparison.Ordinal);
        Assert.StartsWith(tunnel.Address6 + " ", await TalkAsync("alice", "udp", LabFixture.Hidden6, "hello"), StringComparison.Ordinal);
        // not even packets for the gateway's own address go in clear (TunnelCrack: ServerIP)
        await Lab.RunAsync("alice", "ping", "-n", "-c", "1", "-W", "1", LabFixture.Gateway);
        await Lab.RunAsync("alice", "talk.py", "tcp", LabFixture.Gateway, "hello", "--port", "80", "--timeout", "1");
        Assert.DoesNotContain(await tap.StopAsync(), p => !p.IsLinkHousekeeping);
    }

    [Fact]
    public async Task Other_users_throughput_is_within_noise_of_no_pvpnd()
    {
        double with = 0, without = 0;
        for (int attempt = 0; attempt < 2 && !(with >= 0.85 * without && with > 0); attempt++)
        {
            (with, without) = (0, 0);
            for (int round = 0; round < 3; round++)
            {
                await Lab.StopForwarderAsync();
                without = Math.Max(without, await GigabitsAsync());
                await Lab.StartForwarderAsync();
                await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
                with = Math.Max(with, await GigabitsAsync());
            }
        }
        Assert.True(with >= 0.85 * without, $"{with:F1} Gb/s beside a tunnel, {without:F1} Gb/s without pvpnd");

        async Task<double> GigabitsAsync()
        {
            CommandResult result = (await Lab.RunAsync("bob", "iperf3", "-c", LabFixture.Inner4, "-t", "1", "-f", "g")).Succeeded();
            return double.Parse(Regex.Match(result.Output, @"([\d.]+) Gbits/sec\s+receiver").Groups[1].Value, CultureInfo.InvariantCulture);
        }
    }

    [Fact]
    public async Task A_new_tunnel_aborts_the_owners_older_connections_to_its_destinations()
    {
        string script = $"exec 3<>/dev/tcp/{LabFixture.Inner4}/7007; echo open; while echo still >&3 && read -r -t 5 line <&3; do sleep 0.05; done; echo closed";
        await using LabProcess alices = LabProcess.Start(Lab, "older-alice", "alice", "bash", "-c", script);
        await using LabProcess bobs = LabProcess.Start(Lab, "older-bob", "bob", "bash", "-c", script);
        await EventuallyAsync(() => Task.FromResult(alices.Output.Contains("open", StringComparison.Ordinal) && bobs.Output.Contains("open", StringComparison.Ordinal)), "both are connected");
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
        await EventuallyAsync(() => Task.FromResult(alices.Output.Contains("closed", StringComparison.Ordinal)), "alice's old connection is gone", 2);
        await Task.Delay(200);
        Assert.DoesNotContain("closed", bobs.Output, StringComparison.Ordinal);
    }
}
