namespace PersonalVpn.Kernel.Lab.Suites;

/// <summary>A broken tunnel that does not come back: because its user ends it, because it may not, or because it was told not to.</summary>
[Collection(KernelTun.Name)]
public sealed class SurvivalEndTests(KernelTunLab lab) : LabTests(lab)
{
    private string Authorized => $"{Lab.State}/gw/authorized_keys/alice";

    [Theory]
    [InlineData("TERM")]
    [InlineData("INT")]
    [InlineData("HUP")]
    public async Task A_signal_while_reconnecting_leaves_nothing(string signal)
    {
        await using Survivor alice = await Survivor.StartAsync(Lab);
        Lab.Server!.Signal("KILL");
        await alice.IsReconnectingAsync();
        await alice.Traffic.DisposeAsync();
        await alice.NothingInClearAsync(); // from here on the ordinary way is open
        alice.Tunnel.Process.Signal(signal);
        CommandResult result = await alice.Tunnel.Process.ExitAsync(3);
        Assert.Equal(0, result.ExitCode);
        Assert.Equal(2, result.ErrorLines.Length);
        await NothingIsLeftAsync();
    }

    [Fact]
    public async Task A_signal_during_a_connect_that_gets_no_answer_ends_it_at_once()
    {
        await using Survivor alice = await Survivor.StartAsync(Lab);
        await alice.Wire.SilenceAsync("wire");
        await alice.IsReconnectingAsync();
        await alice.Traffic.DisposeAsync();
        await Task.Delay(1500);
        alice.Tunnel.Process.Signal("INT");
        Assert.Equal(0, (await alice.Tunnel.Process.ExitAsync(3)).ExitCode);
        await alice.Wire.EndSilenceAsync("wire");
        await NothingIsLeftAsync();
    }

    [Fact]
    public async Task Killed_while_reconnecting_it_stays_blocked()
    {
        await using Survivor alice = await Survivor.StartAsync(Lab);
        Lab.Server!.Signal("KILL");
        await alice.IsReconnectingAsync();
        alice.Tunnel.Process.Signal("KILL");
        await alice.Tunnel.Process.ExitAsync();
        await Lab.StartServerAsync();
        await Task.Delay(1000);
        await IsBlockedAsync();
        await alice.NothingInClearAsync();
        await alice.Traffic.DisposeAsync();
        await DownLeavesNothingAsync();
    }

    [Fact]
    public async Task The_forwarder_killed_while_reconnecting_blocks()
    {
        await using Survivor alice = await Survivor.StartAsync(Lab);
        Lab.Server!.Signal("KILL");
        await alice.IsReconnectingAsync();
        Lab.Forwarder!.Signal("KILL");
        CommandResult result = await alice.Tunnel.Process.ExitAsync(5);
        Assert.Equal(255, result.ExitCode);
        Assert.Contains("the forwarder died", result.ErrorLines[^1], StringComparison.Ordinal);
        await Lab.StartForwarderAsync();
        await IsBlockedAsync();
        await alice.NothingInClearAsync();
        await alice.Traffic.DisposeAsync();
        await DownLeavesNothingAsync();
    }

    [Fact]
    public async Task A_gateway_that_carries_less_than_before_brings_nothing_back_and_opens_nothing()
    {
        await using Survivor alice = await Survivor.StartAsync(Lab);
        Lab.Server!.Signal("KILL");
        await alice.IsReconnectingAsync();
        // Another one, by all that can be seen of it: it knows no ticket and gives other addresses.
        await Lab.StartServerAsync([.. Survivor.Alive, "AddressPool 10.78.0.0/16", $"LeaseFile {Lab.State}/gw/other-leases", "Route 10.99.3.0/24", "Route fd99:3::/64"]);
        CommandResult result = await alice.Tunnel.Process.ExitAsync(20);
        Assert.Equal(255, result.ExitCode);
        Assert.Contains("does not carry 10.99.2.0/24", result.ErrorLines[^1], StringComparison.Ordinal);
        await IsBlockedAsync();
        await alice.NothingInClearAsync();
        await alice.Traffic.DisposeAsync();
        await DownLeavesNothingAsync();
    }

    [Fact]
    public async Task Taken_down_while_reconnecting_it_ends()
    {
        await using Survivor alice = await Survivor.StartAsync(Lab);
        Lab.Server!.Signal("KILL");
        await alice.IsReconnectingAsync();
        await alice.Traffic.DisposeAsync();
        (await Lab.RunAsync("alice", "pvpn", "down", LabFixture.Gateway)).Succeeded();
        CommandResult result = await alice.Tunnel.Process.ExitAsync(5);
        Assert.Equal(0, result.ExitCode);
        Assert.Contains("was taken down", result.ErrorLines[^1], StringComparison.Ordinal);
        await NothingIsLeftAsync();
    }

    [Fact]
    public async Task Told_not_to_reconnect_it_ends_and_blocks()
    {
        await using Survivor alice = await Survivor.StartAsync(Lab, "-o", "Reconnect=no");
        Lab.Server!.Signal("KILL");
        await EndedAsync(alice, "was lost");
    }

    [Fact]
    public async Task Disconnected_by_the_administrator_it_ends_and_blocks()
    {
        await using Survivor alice = await Survivor.StartAsync(Lab);
        (await Lab.RunAsync("gw", "pvpn-server", "disconnect", "--config", $"{Lab.State}/gw/server.conf", "alice")).Succeeded();
        await EndedAsync(alice, "administrator");
    }

    [Fact]
    public async Task A_key_that_was_taken_away_meanwhile_ends_it_and_blocks()
    {
        await using Survivor alice = await Survivor.StartAsync(Lab);
        string line = await File.ReadAllTextAsync(Authorized);
        Lab.Server!.Signal("KILL");
        try
        {
            await File.WriteAllTextAsync(Authorized, "");
            await Lab.StartServerAsync(Survivor.Alive);
            await EndedAsync(alice, "permission denied", afterLoss: true);
            string refused = await Lab.Server!.ErrorLineContainingAsync("ticket refused");
            Assert.Contains("'alice' from 10.99.1.2", refused, StringComparison.Ordinal);
            Assert.Contains("key no longer", refused, StringComparison.Ordinal);
        }
        finally
        {
            await File.WriteAllTextAsync(Authorized, line);
        }
    }

    [Fact]
    public async Task A_host_key_that_changed_meanwhile_ends_it_and_blocks()
    {
        await using Survivor alice = await Survivor.StartAsync(Lab);
        string key = $"{Lab.State}/gw/host_key.pem";
        Lab.Server!.Signal("KILL");
        File.Move(key, key + ".away");
        try
        {
            await Lab.StartServerAsync(Survivor.Alive);
            await EndedAsync(alice, "HAS CHANGED", afterLoss: true);
        }
        finally
        {
            await Lab.StopServerAsync();
            File.Move(key + ".away", key, overwrite: true);
        }
    }

    /// <summary>No file remembers the key; the process that came up with it does.</summary>
    [Theory]
    [InlineData("accept-new")]
    [InlineData("ask")]
    public async Task A_host_key_that_no_file_knows_may_not_change_meanwhile(string setting)
    {
        string known = $"{Lab.State}/home/alice/for-a-while", key = $"{Lab.State}/gw/host_key.pem";
        await Lab.StartServerAsync(Survivor.Alive);
        (await Lab.RunAsync("alice", "cp", "known_hosts", known)).Succeeded();
        await using LabProcess pvpn = LabProcess.Start(Lab, "pvpn-unknown", "alice", "pvpn", "-o", $"StrictHostKeyChecking={setting}", "-o", $"UserKnownHostsFile={known}",
            "-i", $"{Lab.State}/home/alice/.ssh/id_rsa", $"alice@{LabFixture.Gateway}", Survivor.Quick[0], Survivor.Quick[1], Survivor.Quick[2], Survivor.Quick[3]);
        await pvpn.ErrorLineAsync("pvpn: connected");
        File.Delete(known);
        Lab.Server!.Signal("KILL");
        await Lab.StartServerAsync(Survivor.Alive);
        await pvpn.ErrorLineAsync("pvpn: reconnected to ", 20); // the same key is believed all the same
        Lab.Server!.Signal("KILL");
        File.Move(key, key + ".away");
        try
        {
            await Lab.StartServerAsync(Survivor.Alive);
            CommandResult result = await pvpn.ExitAsync(20);
            Assert.Equal(255, result.ExitCode);
            Assert.Contains("HAS CHANGED", result.ErrorLines[^1], StringComparison.Ordinal);
            await IsBlockedAsync();
        }
        finally
        {
            await Lab.StopServerAsync();
            File.Move(key + ".away", key, overwrite: true);
        }
    }

    [Fact]
    public async Task Leaving_takes_no_longer_than_it_must()
    {
        await using LabTunnel alice = await Lab.ConnectAsync("alice");
        await Task.Delay(300);
        var watch = System.Diagnostics.Stopwatch.StartNew();
        alice.Process.Signal("TERM");
        await alice.Process.ExitAsync(3);
        Assert.InRange(watch.Elapsed.TotalSeconds, 0, 0.4);
    }

    [Fact]
    public async Task Routes_that_are_not_permitted_any_more_end_it_and_block()
    {
        await using Survivor alice = await Survivor.StartAsync(Lab, "10.99.2.0/24", "10.99.3.0/24", "fd99:2::/64");
        Lab.Server!.Signal("KILL");
        await Lab.StartServerAsync([.. Survivor.Alive, "Route 10.99.3.0/24", "Route fd99:2::/64"]);
        await EndedAsync(alice, "10.99.2.0/24 is not permitted", afterLoss: true);
    }

    [Fact]
    public async Task A_command_goes_on_and_gives_its_status()
    {
        await Lab.StartServerAsync(Survivor.Alive);
        const string Script = "talk.py tcp 10.99.3.2 first && echo ready && read -r go <fifo; " +
            "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do talk.py tcp 10.99.3.2 second --timeout 1 && exit 7; done; exit 8";
        (await Lab.RunAsync("alice", "sh", "-c", "rm -f fifo; mkfifo fifo")).Succeeded();
        await using LabProcess pvpn = LabProcess.Start(Lab, "pvpn-command", "alice", [.. Lab.PvpnArguments("alice", Survivor.Quick), "--", "sh", "-c", Script]);
        await EventuallyAsync(() => Task.FromResult(pvpn.Output.Contains("ready", StringComparison.Ordinal)), "the command runs", 15);
        Lab.Server!.Signal("KILL");
        await pvpn.ErrorLineContainingAsync("; reconnecting");
        await Lab.StartServerAsync(Survivor.Alive);
        (await Lab.RunAsync("alice", "sh", "-c", "echo go >fifo")).Succeeded();
        CommandResult result = await pvpn.ExitAsync(30);
        Assert.Equal(7, result.ExitCode);
        Assert.Contains("second", result.Output, StringComparison.Ordinal);
        await NothingIsLeftAsync();
    }

    [Fact]
    public async Task A_command_that_ends_while_reconnecting_ends_it_cleanly()
    {
        await Lab.StartServerAsync(Survivor.Alive);
        await using LabProcess pvpn = LabProcess.Start(Lab, "pvpn-command", "alice", [.. Lab.PvpnArguments("alice", Survivor.Quick), "--", "sh", "-c", "echo ready; sleep 4; exit 6"]);
        await EventuallyAsync(() => Task.FromResult(pvpn.Output.Contains("ready", StringComparison.Ordinal)), "the command runs", 15);
        Lab.Server!.Signal("KILL");
        await pvpn.ErrorLineContainingAsync("; reconnecting");
        Assert.Equal(6, (await pvpn.ExitAsync(10)).ExitCode);
        await NothingIsLeftAsync();
    }

    [Fact]
    public async Task In_the_background_it_reconnects_too()
    {
        await Lab.StartServerAsync(Survivor.Alive);
        (await Lab.RunAsync("alice", [.. Lab.PvpnArguments("alice", Survivor.Quick), "-f"])).Succeeded();
        TunnelStatus before = Assert.Single(await Lab.StatusAsync("alice"));
        Lab.Server!.Signal("KILL");
        await EventuallyAsync(async () => (await Lab.StatusAsync("alice")).Single().State == "reconnecting", "the state 'reconnecting'");
        await Lab.StartServerAsync(Survivor.Alive);
        await EventuallyAsync(async () => (await Lab.StatusAsync("alice")).Single().State == "up", "the state 'up'", 30);
        Assert.Equal(before.Addresses, (await Lab.StatusAsync("alice")).Single().Addresses);
        Assert.StartsWith(before.Addresses.First(a => !a.Contains(':', StringComparison.Ordinal)) + " ", await TalkAsync("alice", "tcp", LabFixture.Hidden4, "again"), StringComparison.Ordinal);
        (await Lab.RunAsync("alice", "pvpn", "down", "--all")).Succeeded();
        await NothingIsLeftAsync();
    }

    [Fact]
    public async Task After_a_restart_another_user_who_is_first_does_not_get_her_address()
    {
        // Five addresses to give; alice's and carol's names lead to the same one of them.
        string[] small = [.. Survivor.Alive, "AddressPool 10.77.0.0/29", "-AddressPool6", "Route 10.99.2.0/24"];
        await Lab.StartServerAsync(small);
        string natural;
        await using (LabTunnel carol = await Lab.ConnectAsync("carol", Survivor.Quick)) natural = carol.Status.Addresses.Single();
        await using LabTunnel alice = await Lab.ConnectAsync("alice", Survivor.Quick);
        Assert.Equal(natural, Assert.Single(alice.Status.Addresses));
        alice.Process.Signal("STOP");
        Lab.Server!.Signal("KILL");
        await Lab.StartServerAsync(small);
        await using LabTunnel first = await Lab.ConnectAsync("carol", Survivor.Quick);
        Assert.NotEqual(natural, Assert.Single(first.Status.Addresses));
        alice.Process.Signal("CONT");
        await alice.Process.ErrorLineAsync("pvpn: reconnected to ", 40);
        Assert.Equal(natural, Assert.Single(Assert.Single(await Lab.StatusAsync("alice")).Addresses));
    }

    private async Task EndedAsync(Survivor alice, string last, bool afterLoss = false)
    {
        CommandResult result = await alice.Tunnel.Process.ExitAsync(20);
        Assert.Equal(255, result.ExitCode);
        Assert.Contains(last, result.ErrorLines[^1], StringComparison.OrdinalIgnoreCase);
        Assert.Contains("pvpn down", result.ErrorLines[^1], StringComparison.Ordinal);
        Assert.Equal(afterLoss ? 3 : 2, result.ErrorLines.Length);
        await IsBlockedAsync();
        await alice.NothingInClearAsync();
        await alice.Traffic.DisposeAsync();
        await DownLeavesNothingAsync();
    }

    private async Task IsBlockedAsync()
    {
        Assert.Equal("down", Assert.Single(await Lab.StatusAsync("alice")).State);
        CommandResult check = await Lab.RunAsync("alice", "pvpn", "check", LabFixture.Inner4 + ":80");
        Assert.True(check.ExitCode == 2, $"{check}");
        Assert.NotEqual(0, (await Lab.RunAsync("alice", "talk.py", "tcp", LabFixture.Inner4, "not in clear", "--timeout", "0.3")).ExitCode);
    }

    private async Task DownLeavesNothingAsync()
    {
        (await Lab.RunAsync("alice", "pvpn", "down", "--all")).Succeeded();
        await NothingIsLeftAsync();
    }

    private async Task NothingIsLeftAsync()
    {
        Assert.Empty(await Lab.StatusAsync("host"));
        Assert.Equal(await Lab.IdleStateAsync(), await Lab.KernelStateAsync("host"));
        Assert.StartsWith("10.99.1.2 ", await TalkAsync("alice", "tcp", LabFixture.Inner4, "hello"), StringComparison.Ordinal);
    }
}
