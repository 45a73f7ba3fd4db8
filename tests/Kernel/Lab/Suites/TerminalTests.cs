using System.Text.RegularExpressions;

namespace PersonalVpn.Kernel.Lab.Suites;

/// <summary>pvpn as a person at a terminal meets it: typed into a tmux session, read from its screen.</summary>
[Collection(KernelTun.Name)]
public sealed partial class TerminalTests(KernelTunLab lab) : LabTests(lab)
{
    private string Key => $"{Lab.State}/home/alice/.ssh/id_rsa";

    [Fact]
    public async Task The_first_five_minutes()
    {
        string known = $"{Lab.State}/home/alice/first-{Guid.NewGuid():N}";
        await using (Tmux tunnel = await Tmux.OpenAsync(Lab, "alice"))
        {
            await tunnel.TypeAsync($"pvpn -o UserKnownHostsFile={known} -i {Key} {LabFixture.Gateway}");
            string asked = await tunnel.SeesAsync("(yes/no");
            Assert.Contains("SHA256:", asked, StringComparison.Ordinal);
            await tunnel.TypeAsync("yes");
            await tunnel.SeesAsync("pvpn: connected to " + LabFixture.Gateway);
            // nothing of the progress stays
            Assert.DoesNotContain(" ... ", await tunnel.ScreenAsync(), StringComparison.Ordinal);

            await using Tmux watch = await Tmux.OpenAsync(Lab, "alice");
            await watch.TypeAsync("echo before; pvpn status --watch");
            await watch.SeesAsync("TUNNEL");
            await using LabProcess ping = LabProcess.Start(Lab, "ping", "alice", "ping", "-n", "-q", "-i", "0.2", "-s", "1000", LabFixture.Hidden4);
            string first = await watch.SeesAsync(s => Rates().Match(s) is { Success: true } m && m.Groups[1].Value != "0" && m.Groups[3].Value != "0", "rates that are not zero");
            string second = await watch.SeesAsync(s => Clock().Match(s).Value != Clock().Match(first).Value && Rates().IsMatch(s), "the next second");
            Assert.DoesNotContain("before", second, StringComparison.Ordinal);
            foreach (string part in new[] { "pvpn status", "alice@" + LabFixture.Gateway, "up", "OUT", "IN", "DROPPED" }) Assert.Contains(part, second, StringComparison.Ordinal);
            Assert.All(second.TrimEnd('\n').Split('\n'), l => Assert.InRange(l.Length, 0, 80));

            await watch.PressAsync("C-c");
            string after = await watch.SeesAsync(s => s.Contains("before", StringComparison.Ordinal) && !s.Contains("TUNNEL", StringComparison.Ordinal), "the screen as it was");
            Assert.DoesNotContain("Unhandled", after, StringComparison.Ordinal);
            await watch.TypeAsync("echo status $?");
            await watch.SeesAsync("status 0");

            await watch.TypeAsync("pvpn status --watch & sleep 2; kill $!; wait $!; echo status $?");
            await watch.SeesAsync(s => s.Contains("status 143", StringComparison.Ordinal) && !s.Contains("TUNNEL", StringComparison.Ordinal), "the screen as it was after SIGTERM");
        }
        // the tunnel's terminal is closed
        await NothingIsLeftAsync();
    }

    [Fact]
    public async Task Progress_is_shown_while_connecting_and_ctrl_c_leaves_nothing()
    {
        await using Tmux tmux = await Tmux.OpenAsync(Lab, "alice");
        await tmux.TypeAsync($"pvpn -o ConnectTimeout=60 -i {Key} 10.99.1.77");
        await tmux.SeesAsync(s => Regex.IsMatch(s, @"^pvpn: connecting to 10\.99\.1\.77 \.\.\. 1\.\d s$", RegexOptions.Multiline), "the step and its time");
        await tmux.PressAsync("C-c");
        await tmux.TypeAsync("echo status $?");
        string screen = await tmux.SeesAsync("status 130", 5);
        Assert.DoesNotContain("connecting", screen, StringComparison.Ordinal);
        await NothingIsLeftAsync();

        foreach (string quiet in new[] { "TERM=dumb pvpn", "pvpn -q" })
        {
            await tmux.TypeAsync($"clear; {quiet} -o ConnectTimeout=2 -i {Key} 10.99.1.77");
            screen = await tmux.SeesAsync("pvpn: 10.99.1.77 port 443: ");
            Assert.DoesNotContain("connecting", screen, StringComparison.Ordinal);
        }
    }

    /// <summary>A shell user's expectations: Ctrl-C is the command's, Ctrl-Z stops both, fg continues both, and the terminal is the shell's again after.</summary>
    [Fact]
    public async Task A_command_has_the_terminal()
    {
        await using Tmux tmux = await Tmux.OpenAsync(Lab, "alice");
        string pvpn = string.Join(' ', Lab.PvpnArguments("alice"));
        await tmux.TypeAsync($"{pvpn} -- sh -c 'trap \"echo interrupted; exit 5\" INT; echo ready; read line; echo got $line; while :; do sleep 0.1; done'");
        await tmux.SeesAsync(s => s.Contains("\nready", StringComparison.Ordinal), "ready");
        await tmux.TypeAsync("typed");
        await tmux.SeesAsync("got typed");
        await tmux.PressAsync("C-z");
        await tmux.SeesAsync("Stopped");
        await tmux.TypeAsync("fg");
        await Task.Delay(300);
        await tmux.PressAsync("C-c");
        await tmux.SeesAsync(s => Regex.IsMatch(s, @"^(\^C)?interrupted\n\$", RegexOptions.Multiline), "interrupted, and the shell's prompt");
        await tmux.TypeAsync("echo status $?");
        await tmux.SeesAsync("status 5");
        await NothingIsLeftAsync();
    }

    [Fact]
    public async Task Closing_the_terminal_while_connecting_leaves_nothing()
    {
        await using (Tmux tmux = await Tmux.OpenAsync(Lab, "alice"))
        {
            await tmux.TypeAsync($"pvpn -o ConnectTimeout=60 -i {Key} 10.99.1.77");
            await tmux.SeesAsync("connecting to");
        }
        await NothingIsLeftAsync();
    }

    [Fact]
    public async Task A_command_gives_its_exit_status_and_leaves_nothing()
    {
        CommandResult result = await Lab.RunAsync("alice", [.. Lab.PvpnArguments("alice"), "--", "sh", "-c", "exit 7"]);
        Assert.Equal(7, result.ExitCode);
        await NothingIsLeftAsync();
        result = await Lab.RunAsync("alice", [.. Lab.PvpnArguments("alice"), "--", "sh", "-c", "kill -9 $$"]);
        Assert.Equal(137, result.ExitCode);
        await NothingIsLeftAsync();
    }

    [Theory]
    [InlineData("TERM")]
    [InlineData("HUP")]
    [InlineData("INT")]
    [InlineData("QUIT")]
    [InlineData("USR1")]
    [InlineData("USR2")]
    public async Task Signals_to_pvpn_reach_the_command(string signal)
    {
        await using LabProcess pvpn = LabProcess.Start(Lab, "pvpn-command", "alice",
            [.. Lab.PvpnArguments("alice"), "--", "bash", "-c", $"trap 'exit 9' {signal}; echo ready; while :; do sleep 0.05; done"]);
        await EventuallyAsync(() => Task.FromResult(pvpn.Output.Contains("ready", StringComparison.Ordinal)), "the command runs", 15);
        pvpn.Signal(signal);
        Assert.Equal(9, (await pvpn.ExitAsync()).ExitCode);
        await NothingIsLeftAsync();
    }

    [Fact]
    public async Task A_command_in_the_working_directory_is_not_found()
    {
        CommandResult result = await Lab.RunAsync("alice", "sh", "-c", $"echo 'exit 0' >planted; chmod +x planted; exec {string.Join(' ', Lab.PvpnArguments("alice"))} -- planted");
        Assert.Equal((255, "pvpn: planted: command not found; check its name and PATH"), (result.ExitCode, Assert.Single(result.ErrorLines)));
    }

    [Fact]
    public async Task Status_of_very_many_tunnels_comes_in_several_messages()
    {
        await Lab.StartForwarderAsync("MaxTunnelsPerUser 100");
        // 250 routes each: two such tunnels are most of a message
        await using LabProcess holder = LabProcess.Start(Lab, "many", "alice", "/usr/bin/python3", Lab.Tool("many_tunnels.py"), "14", "250");
        await EventuallyAsync(() => Task.FromResult(holder.Output.Contains("ready", StringComparison.Ordinal)), "the tunnels stand", 30);
        TunnelStatus[] all = await Lab.StatusAsync("alice");
        Assert.Equal(14, all.Length);
        Assert.Equal(14, all.Select(t => t.Device).Distinct().Count());
        CommandResult down = (await Lab.RunAsync("alice", "pvpn", "down", "--all")).Succeeded();
        Assert.Empty(await Lab.StatusAsync("alice"));
        Assert.Contains("more", down.ErrorLines[^1], StringComparison.Ordinal);
    }

    private async Task NothingIsLeftAsync()
    {
        string[] idle = await Lab.IdleStateAsync();
        await EventuallyAsync(async () => Enumerable.SequenceEqual(await Lab.KernelStateAsync("host"), idle), "the kernel is as before");
        Assert.Empty(await Lab.StatusAsync("host"));
        // Of this lab: other labs on the machine have the same accounts.
        await EventuallyAsync(async () => !(await Lab.RunAsync("host", "ps", "-u", "alice", "-o", "args=")).Output.Split('\n')
            .Any(l => l.Contains("pvpn ", StringComparison.Ordinal) && l.Contains(Lab.State, StringComparison.Ordinal)), "no process is left");
    }

    [GeneratedRegex(@"alice@\S+ +up +\S+ +([0-9.]+) (B|KiB|MiB)/s +([0-9.]+) (B|KiB|MiB)/s")]
    private static partial Regex Rates();

    [GeneratedRegex(@"\d\d:\d\d:\d\d")]
    private static partial Regex Clock();
}
