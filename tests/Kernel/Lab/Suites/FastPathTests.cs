namespace PersonalVpn.Kernel.Lab.Suites;

/// <summary>
/// The fast path attacked: by another user, and by the owner with a program of her own that holds the descriptor of her device
/// (tools/fast_attacks.py). Nothing leaves or arrives that the way through pvpnd would not let pass.
/// </summary>
[Collection(KernelTun.Name)]
public sealed class FastPathTests(KernelTunLab lab) : LabTests(lab)
{
    [Theory]
    [InlineData("stranger")] // bob by her address and device
    [InlineData("flush")] // the same, and what she writes, while the packet filter is gone
    [InlineData("inject")] // what she writes that is no TCP of a connection of hers, with each setting of rp_filter
    [InlineData("lies")] // superpackets with false metadata
    [InlineData("kept")] // the descriptor after down, when blocked, beside a new tunnel
    [InlineData("ioctl")] // what the descriptor lets her change of the device
    public async Task Nothing_passes_that_should_not(string scene)
    {
        CommandResult result = (await Lab.RunAsync(30, "host", "fast_attacks.py", scene)).Succeeded();
        Assert.Equal("done\n", result.Output);
        Assert.False(Lab.Forwarder!.HasExited, "pvpnd ended: " + Lab.Forwarder.Error);
    }

    [Fact]
    public async Task What_the_host_forwards_is_not_roots()
    {
        await Lab.StartForwarderAsync("AllowUsers root");
        await ForwardingAsync(true);
        try
        {
            await using LabProcess root = LabProcess.Start(Lab, "root", "host", "fast_attacks.py", "root");
            await EventuallyAsync(() => Task.FromResult(root.Output.StartsWith("open", StringComparison.Ordinal)), "root's tunnel");
            foreach (string target in new[] { "10.99.3.99", "fd99:3::99" })
                await Lab.RunAsync("gw", "talk.py", "udp", target, "forward me", "--timeout", "0.2");
            Assert.Equal("open\ndone\n", (await root.ExitAsync()).Succeeded().Output);
        }
        finally
        {
            await ForwardingAsync(false);
        }
    }

    [Fact]
    public async Task Pvpnd_starts_again_while_a_process_still_holds_the_device()
    {
        await using LabProcess holder = LabProcess.Start(Lab, "holder", "host", "fast_attacks.py", "hold");
        await EventuallyAsync(() => Task.FromResult(holder.Output.StartsWith("holding", StringComparison.Ordinal)), "the tunnel");
        Lab.Forwarder!.Signal("KILL");
        await EventuallyAsync(() => Task.FromResult(Lab.Forwarder!.HasExited), "the end of pvpnd");
        await Lab.StartForwarderAsync();
        Assert.Equal(2, (await Lab.RunAsync("alice", "pvpn", "check", LabFixture.Hidden4)).ExitCode);
        (await Lab.RunAsync("alice", "pvpn", "down", "--all")).Succeeded();
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
        Assert.StartsWith(tunnel.Address4 + " ", await TalkAsync("alice", "tcp", LabFixture.Hidden4, "hello"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(LabFixture.Hidden4)]
    [InlineData(LabFixture.Hidden6)]
    public async Task Short_connections_end_on_both_sides_whoever_closes_first(string address)
    {
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
        Assert.Equal("failed 0\n", (await Lab.RunAsync(30, "alice", "closers.py", address, "200")).Succeeded().Output);
        Assert.Empty((await Lab.StatusAsync("alice")).Single().Dropped);
        string source = address == LabFixture.Hidden4 ? tunnel.Address4 : $"[{tunnel.Address6}]";
        await EventuallyAsync(async () => (await Lab.RunAsync("inner", "ss", "-HtnO", "state", "all", "exclude", "time-wait", "exclude", "listening", "dst", source))
            .Succeeded().Output.Length == 0, "the inner host has no half of a connection left");
    }

    [Fact]
    public async Task One_owners_flood_of_new_flows_costs_another_owner_no_answer()
    {
        await using LabTunnel alice = await Lab.ConnectAsync("alice");
        await using LabTunnel bob = await Lab.ConnectAsync("bob");
        await using LabProcess flood = LabProcess.Start(Lab, "flood", "alice", "flow_flood.py", LabFixture.Hidden4, "2");
        await EventuallyAsync(() => Task.FromResult(flood.Output.StartsWith("flooding", StringComparison.Ordinal)), "the flood");
        for (int i = 0; i < 10; i++)
            Assert.StartsWith(bob.Address4 + " ", await TalkAsync("bob", i % 2 == 0 ? "udp" : "tcp", LabFixture.Hidden4, $"hello {i}"), StringComparison.Ordinal);
        await flood.ExitAsync();
        Assert.Empty((await Lab.StatusAsync("bob")).Single().Dropped);
    }

    [Theory(Skip = "not held on a busy machine: about one answer in eighty reached the heir; see the residual risks in docs/security.md")]
    [InlineData(LabFixture.Hidden4)]
    [InlineData(LabFixture.Hidden6)]
    public async Task An_answer_does_not_reach_who_takes_the_port_over_at_once(string address)
    {
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
        string source = address == LabFixture.Hidden4 ? tunnel.Address4 : tunnel.Address6;
        await using LabProcess leaver = LabProcess.Start(Lab, "leaver", "alice", "port_heir.py", "leave", source, "30300", "20", address);
        await EventuallyAsync(() => Task.FromResult(leaver.Output.StartsWith("bound", StringComparison.Ordinal)), "alice has the ports");
        await using LabProcess heir = LabProcess.Start(Lab, "heir", "bob", "port_heir.py", "inherit", source, "30300", "20");
        string heard = (await heir.ExitAsync()).Succeeded().Output;
        Assert.EndsWith("inherited 20\n", heard, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", heard, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_log_group_that_another_process_has_is_told_at_the_start()
    {
        await Lab.StopForwarderAsync();
        await using LabProcess other = LabProcess.Start(Lab, "ulog", "host", "log_group.py", "7571");
        await EventuallyAsync(() => Task.FromResult(other.Output.StartsWith("listening", StringComparison.Ordinal)), "the group is taken");
        CommandResult result = await Lab.RunAsync("host", "pvpnd", "--config", Path.Combine(Lab.State, "host", "forwarder.conf"));
        Assert.NotEqual(0, result.ExitCode);
        Assert.Contains("log group 7571", result.Error, StringComparison.Ordinal);
        Assert.Contains("another process", result.Error, StringComparison.Ordinal);
    }

    // The gateway asks for two addresses of the tunnelled networks by way of the shared host.
    private async Task ForwardingAsync(bool on)
    {
        (await Lab.RunAsync("host", "sysctl", "-qw", $"net.ipv4.ip_forward={(on ? 1 : 0)}", $"net.ipv6.conf.all.forwarding={(on ? 1 : 0)}")).Succeeded();
        foreach ((string route, string via) in new[] { ("10.99.3.99/32", "10.99.1.2"), ("fd99:3::99/128", "fd99:1::2") })
            (await Lab.RunAsync("gw", "ip", "route", on ? "add" : "del", route, "via", via)).Succeeded();
    }
}
