namespace PersonalVpn.Kernel.Lab.Suites;

/// <summary>The benchmark's load generator is a client of its own: it speaks the protocol as it is today.</summary>
[Collection(KernelTun.Name)]
public sealed class LoadGeneratorTests(KernelTunLab lab) : LabTests(lab)
{
    [Theory]
    [InlineData("tcp")]
    [InlineData("udp")]
    public async Task Logs_in_sends_and_probes(string kind)
    {
        CommandResult result = (await Lab.RunAsync(60, "host", "dotnet", Path.Combine(AppContext.BaseDirectory, "pvpn-load.dll"), "run",
            "--server", $"{LabFixture.Gateway}:443", "--user", "alice", "--key", $"{Lab.State}/home/alice/.ssh/id_rsa", "--to", LabFixture.Inner4,
            "--sessions", "3", "--active", "2", "--kind", kind, "--seconds", "1", "--probes", "2")).Succeeded();
        Assert.Contains("login: 3 sessions", result.Output, StringComparison.Ordinal);
        Assert.Contains($"upload {kind}: 2 active", result.Output, StringComparison.Ordinal);
        Assert.Empty(await Lab.StatusAsync("host"));
    }
}
