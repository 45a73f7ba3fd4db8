namespace PersonalVpn.Kernel.Lab.Suites;

/// <summary>A user who takes a tunnel down on the connection that holds it gets an answer, and pvpnd goes on for everybody.</summary>
[Collection(KernelTun.Name)]
public sealed class OwnDownTests(KernelTunLab lab) : LabTests(lab)
{
    [Fact]
    public async Task Down_on_the_holding_connection_is_answered_and_harms_nobody()
    {
        await using LabTunnel bob = await Lab.ConnectAsync("bob");
        CommandResult result = (await Lab.RunAsync("alice", "own_down.py", Path.Combine(Lab.State, "host", "run", "pvpn", "forwarder.sock"))).Succeeded();
        Assert.Equal(["Open None", "Down None", "Status None"], result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Trim()));
        Assert.False(Lab.Forwarder!.HasExited, "pvpnd ended");
        Assert.StartsWith(bob.Address4 + " ", await TalkAsync("bob", "tcp", LabFixture.Hidden4, "hello"), StringComparison.Ordinal);
    }
}
