
namespace PersonalVpn.Kernel.Lab.Suites;

/// <summary>
/// Killing each program at any moment under load: none of the owner's packets for tunnelled destinations goes out in
/// clear, the tunnel stays blocked until its owner takes it down or opens it again, and then nothing is left.
/// </summary>
public abstract class CrashTests(LabFixture lab) : LabTests(lab)
{
    private const string Mark = "alices-load";

    [Fact]
    public async Task Pvpn_killed_blocks_and_down_leaves_nothing()
    {
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
        await using (WireTap tap = await WireTap.StartAsync(Lab, "not tcp port 443"))
        {
            await using LabProcess load = await LoadAsync();
            tunnel.Process.Signal("KILL");
            await Task.Delay(1000);
            await IsBlockedAsync();
            await NothingInClearAsync(tap);
        }
        await DownLeavesNothingAsync();
    }

    [Fact]
    public async Task Pvpn_killed_and_started_again_takes_its_tunnel_over()
    {
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
        await using (WireTap tap = await WireTap.StartAsync(Lab, "not tcp port 443"))
        {
            await using LabProcess load = await LoadAsync();
            tunnel.Process.Signal("KILL");
            await Task.Delay(300);
            await using LabTunnel second = await Lab.ConnectAsync("alice");
            await FlowsAgainAsync(load);
            Assert.Single(await Lab.StatusAsync("alice"));
            await load.DisposeAsync();
            await NothingInClearAsync(tap);
        }
        await DownLeavesNothingAsync();
    }

    [Fact]
    public async Task Pvpnd_killed_blocks_also_after_its_restart()
    {
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
        await using (WireTap tap = await WireTap.StartAsync(Lab, "not tcp port 443"))
        {
            await using LabProcess load = await LoadAsync();
            Lab.Forwarder!.Signal("KILL");
            CommandResult pvpn = await tunnel.Process.ExitAsync();
            Assert.Equal(255, pvpn.ExitCode);
            Assert.Equal(2, pvpn.ErrorLines.Length); // "connected" and what ended it
            await Task.Delay(700);
            await Lab.StartForwarderAsync();
            await IsBlockedAsync();
            await Task.Delay(700);
            await NothingInClearAsync(tap);
        }
        await DownLeavesNothingAsync();
    }

    [Fact]
    public async Task Pvpnd_killed_and_everything_started_again_works_again()
    {
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
        await using (WireTap tap = await WireTap.StartAsync(Lab, "not tcp port 443"))
        {
            await using LabProcess load = await LoadAsync();
            Lab.Forwarder!.Signal("KILL");
            await tunnel.Process.ExitAsync();
            await Lab.StartForwarderAsync();
            await using LabTunnel second = await Lab.ConnectAsync("alice");
            await FlowsAgainAsync(load);
            await load.DisposeAsync();
            await NothingInClearAsync(tap);
        }
        await DownLeavesNothingAsync();
    }

    [Fact]
    public async Task The_server_killed_blocks_until_it_is_back_and_the_tunnel_is_resumed()
    {
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
        await using (WireTap tap = await WireTap.StartAsync(Lab, "not tcp port 443"))
        {
            await using LabProcess load = await LoadAsync();
            Lab.Server!.Signal("KILL");
            await tunnel.Process.ErrorLineAsync("pvpn: the connection to");
            await EventuallyAsync(async () => (await Lab.StatusAsync("alice")).Single().State == "reconnecting", "pvpnd knows", 5);
            await IsBlockedAsync("reconnecting");
            await Lab.StartServerAsync();
            await tunnel.Process.ErrorLineAsync("pvpn: reconnected to");
            TunnelStatus status = Assert.Single(await Lab.StatusAsync("alice"));
            Assert.Equal(("up", string.Join(' ', tunnel.Status.Addresses)), (status.State, string.Join(' ', status.Addresses)));
            await FlowsAgainAsync(load);
            await load.DisposeAsync();
            await NothingInClearAsync(tap);
        }
        await tunnel.DisposeAsync();
        Assert.Empty(await Lab.StatusAsync("host"));
    }

    [Fact]
    public async Task The_server_killed_ends_a_pvpn_that_is_not_to_reconnect_and_blocks_until_the_owner_does()
    {
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice", "-o", "Reconnect=no");
        await using (WireTap tap = await WireTap.StartAsync(Lab, "not tcp port 443"))
        {
            await using LabProcess load = await LoadAsync();
            Lab.Server!.Signal("KILL");
            CommandResult pvpn = await tunnel.Process.ExitAsync();
            Assert.Equal(255, pvpn.ExitCode);
            Assert.Equal(2, pvpn.ErrorLines.Length);
            await IsBlockedAsync();
            await Lab.StartServerAsync();
            await using LabTunnel second = await Lab.ConnectAsync("alice");
            await FlowsAgainAsync(load);
            await load.DisposeAsync();
            await NothingInClearAsync(tap);
        }
        await DownLeavesNothingAsync();
    }

    [Fact]
    public async Task Killed_again_and_again_at_random_moments_nothing_leaks()
    {
        await using WireTap tap = await WireTap.StartAsync(Lab, "not tcp port 443");
        LabTunnel tunnel = await Lab.ConnectAsync("alice");
        await using LabProcess load = await LoadAsync();
        var random = new Random(2002);
        for (int i = 0; i < 6; i++)
        {
            (i switch { 0 or 3 => tunnel.Process, 1 or 4 => Lab.Forwarder!, _ => Lab.Server! }).Signal("KILL");
            await Task.Delay(random.Next(400));
            if (i % 3 == 1)
                await Lab.StartForwarderAsync();
            if (i % 3 == 2)
                await Lab.StartServerAsync();
            tunnel.Process.Signal("KILL"); // SIGTERM would open the ordinary way, as it should
            await tunnel.DisposeAsync();
            tunnel = await Lab.ConnectAsync("alice");
            await Task.Delay(random.Next(300));
        }
        await load.DisposeAsync();
        await NothingInClearAsync(tap);
        await tunnel.DisposeAsync();
        await DownLeavesNothingAsync();
    }

    [Theory]
    [InlineData("TERM")]
    [InlineData("KILL")]
    public async Task Ended_under_load_its_connections_are_aborted_and_send_nothing_again_in_clear(string signal)
    {
        // What a connection has not delivered yet, the kernel sends again for minutes: not by another route.
        await using WireTap tap = await WireTap.StartAsync(Lab, "net 10.77.0.0/16 or net fd77::/64");
        await using (LabTunnel tunnel = await Lab.ConnectAsync("alice"))
        {
            await using LabProcess load = await LoadAsync();
            tunnel.Process.Signal(signal);
            await tunnel.Process.ExitAsync();
            (await Lab.RunAsync(5, "alice", "pvpn", "down", "--all")).Succeeded();
            await Task.Delay(1500);
        }
        Assert.DoesNotContain(await tap.StopAsync(), p => p.Protocol is 6 or 17);
        CommandResult left = (await Lab.RunAsync("host", "ss", "-Hatn", "state", "connected", "exclude", "time-wait")).Succeeded();
        Assert.DoesNotContain("10.77.", left.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("fd77:", left.Output, StringComparison.Ordinal);
        Assert.Equal(await Lab.IdleStateAsync(), await Lab.KernelStateAsync("host"));
    }

    [Fact]
    public async Task An_idle_connection_of_the_owners_does_not_hold_up_the_end()
    {
        // A received packet's route entry stays in the socket; it must not keep the tunnel's device, and with it all of pvpnd.
        string script = $"exec 3<>/dev/tcp/{LabFixture.Inner6}/7007; echo hello >&3; read -r line <&3; echo \"$line\"; sleep 60";
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
        await using LabProcess idle = LabProcess.Start(Lab, "idle", "alice", "bash", "-c", script);
        await EventuallyAsync(() => Task.FromResult(idle.Output.Contains("hello", StringComparison.Ordinal)), "an answer");
        tunnel.Process.Signal("TERM");
        await tunnel.Process.ExitAsync(3);
        await using LabTunnel bob = await Lab.ConnectAsync("bob");
        Assert.StartsWith(bob.Address6 + " ", await TalkAsync("bob", "tcp", LabFixture.Inner6, "hello"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_users_tunnel_survives_the_death_of_a_neighbours_pvpn()
    {
        await using LabTunnel alice = await Lab.ConnectAsync("alice");
        await using LabTunnel bob = await Lab.ConnectAsync("bob");
        await using LabProcess load = await LoadAsync();
        alice.Process.Signal("KILL");
        Assert.StartsWith(bob.Address4 + " ", await TalkAsync("bob", "tcp", LabFixture.Hidden4, "hello"), StringComparison.Ordinal);
        Assert.StartsWith(bob.Address6 + " ", await TalkAsync("bob", "udp", LabFixture.Inner6, "hello"), StringComparison.Ordinal);
    }

    private async Task<LabProcess> LoadAsync()
    {
        LabProcess load = LabProcess.Start(Lab, "load", "alice", "load.py", Mark, LabFixture.Inner4, LabFixture.Inner6);
        await EventuallyAsync(() => Task.FromResult(load.Output.StartsWith("flowing", StringComparison.Ordinal)), "the load flows through the tunnel", 10);
        await Task.Delay(Random.Shared.Next(300));
        return load;
    }

    private static Task FlowsAgainAsync(LabProcess load) =>
        EventuallyAsync(() => Task.FromResult(load.Output.Contains("again", StringComparison.Ordinal)), "the load flows again", 10);

    private static async Task NothingInClearAsync(WireTap tap)
    {
        IEnumerable<WirePacket> leaked = (await tap.StopAsync()).Where(p => !p.IsLinkHousekeeping);
        Assert.True(!leaked.Any(), $"{leaked.Count()} packets in clear, the first: {string.Join("; ", leaked.Take(3))}");
    }

    private async Task IsBlockedAsync(string state = "down")
    {
        foreach (string address in new[] { LabFixture.Inner4, LabFixture.Inner6, LabFixture.Hidden4 })
        {
            CommandResult check = await Lab.RunAsync("alice", "pvpn", "check", address.Contains(':', StringComparison.Ordinal) ? $"[{address}]:80" : $"{address}:80");
            Assert.True(check.ExitCode == 2 && check.Output.Contains("blocked", StringComparison.Ordinal), $"{check}");
            Assert.NotEqual(0, (await Lab.RunAsync("alice", "talk.py", "tcp", address, Mark, "--timeout", "0.5")).ExitCode);
        }
        Assert.Equal(state, Assert.Single(await Lab.StatusAsync("alice")).State);
    }

    private async Task DownLeavesNothingAsync()
    {
        (await Lab.RunAsync("alice", "pvpn", "down", "--all")).Succeeded();
        Assert.Empty(await Lab.StatusAsync("host"));
        Assert.Equal(await Lab.IdleStateAsync(), await Lab.KernelStateAsync("host"));
        Assert.StartsWith("10.99.1.2 ", await TalkAsync("alice", "tcp", LabFixture.Inner4, "hello"), StringComparison.Ordinal);
        CommandResult check = await Lab.RunAsync("alice", "pvpn", "check", LabFixture.Inner4 + ":80");
        Assert.True(check.ExitCode == 1 && check.Output.Contains("direct", StringComparison.Ordinal), $"{check}");
    }
}
