using System.Text;

namespace PersonalVpn.Kernel.Lab.Suites;

/// <summary>Through gateways to gateways: end to end, hops see ciphertext only, and reach nothing but what they are told to.</summary>
[Collection(KernelTun.Name)]
public sealed class ChainTests(KernelTunLab lab) : LabTests(lab), IAsyncLifetime
{
    private string ConfigDirectory => Path.Combine(Lab.State, "home", "alice", ".config");

    /// <summary>What is on the command line is about the last gateway, as in ssh: the hops' settings are in a file.</summary>
    async Task IAsyncLifetime.InitializeAsync()
    {
        await base.InitializeAsync();
        (await Lab.RunAsync("alice", "sh", "-c",
            "mkdir -p .config/pvpn && printf 'StrictHostKeyChecking accept-new\\nUserKnownHostsFile ~/.config/pvpn/chain_hosts\\n' >.config/pvpn/config")).Succeeded();
    }

    async Task IAsyncLifetime.DisposeAsync()
    {
        (await Lab.RunAsync("alice", "rm", "-rf", ConfigDirectory)).Succeeded();
        await base.DisposeAsync();
    }

    [Theory]
    [InlineData(2)]
    [InlineData(5)]
    public async Task A_chain_carries_everything_and_its_hops_read_nothing(int length)
    {
        await Lab.StartServerAsync($"AllowRelay {GatewayChain.Address(2)}:{GatewayChain.Port}");
        using var chain = new GatewayChain(Lab, length);
        (string jumps, string target) = chain.Names("alice");
        Assert.NotEqual(0, (await Lab.RunAsync("alice", "talk.py", "tcp", chain.Far, "no way there", "--timeout", "0.5")).ExitCode);

        const string Marker = "a marker that only the ends may read";
        await using WireTap tap = await WireTap.StartAsync(Lab);
        await using (LabProcess pvpn = LabProcess.Start(Lab, "chain", "alice", "pvpn", "-J", jumps, target))
        {
            string connected = await pvpn.ErrorLineAsync("pvpn: connected", 30);
            Assert.Contains(" through 10.99.1.1", connected, StringComparison.Ordinal);
            Assert.Contains(Marker, await TalkAsync("alice", "tcp", chain.Far, Marker), StringComparison.Ordinal);
            Assert.Contains(Marker, await TalkAsync("alice", "udp", chain.Far, Marker), StringComparison.Ordinal);
            (await Lab.RunAsync("alice", "ping", "-c", "1", "-W", "5", chain.Far)).Succeeded();
            Assert.NotEqual(0, (await Lab.RunAsync("bob", "talk.py", "tcp", chain.Far, "not bob", "--timeout", "0.5")).ExitCode);

            TunnelStatus status = Assert.Single(await Lab.StatusAsync("alice"));
            Assert.Equal(length - 1, status.Chain.Length);
            CommandResult sessions = (await Lab.RunAsync("gw", "pvpn-server", "sessions", "--config", $"{Lab.State}/gw/server.conf", "--json")).Succeeded();
            Assert.Contains($"\"relayTo\":\"{GatewayChain.Address(2)}:{GatewayChain.Port}\"", sessions.Output, StringComparison.Ordinal);
            // The witness first: her user name, which the hop is told, is in its memory; what she sends is not.
            Assert.True(ProcessMemory.Holds(Lab.Server!.Id, Encoding.Unicode.GetBytes("is relayed to")), "the search finds nothing at all");
            Assert.False(ProcessMemory.Holds(Lab.Server!.Id, Encoding.UTF8.GetBytes(Marker)), "the hop's memory holds what she sent");
            pvpn.Signal("TERM");
            await pvpn.ExitAsync();
        }
        IReadOnlyList<WirePacket> seen = await tap.StopAsync();
        Assert.NotEmpty(seen);
        Assert.DoesNotContain(seen, p => p.Bytes.Span.IndexOf(Encoding.UTF8.GetBytes(Marker)) >= 0);
        Assert.Equal(await Lab.IdleStateAsync(), await Lab.KernelStateAsync("host"));
        await EventuallyAsync(async () => (await Lab.RunAsync("gw", "pvpn-server", "sessions", "--config", $"{Lab.State}/gw/server.conf", "--json")).Output.Trim() == "[]", "the relay's end");
    }

    [Theory]
    [InlineData("10.98.1.2:22")] // the host, another port
    [InlineData("10.99.2.2:7443")] // not named
    [InlineData("127.0.0.1:7443")]
    [InlineData("10.99.1.1:7443")] // the hop itself, by its own address
    [InlineData("localhost:7443")]
    [InlineData("169.254.169.254:80")]
    public async Task A_hop_relays_to_nothing_else(string target)
    {
        await Lab.StartServerAsync("AllowRelay 10.98.1.2:7443", "AllowRelay 127.0.0.0/8:7443", "AllowRelay 169.254.0.0/16:80", "AllowRelay 10.99.1.0/24:7443", "AllowRelay localhost:7443");
        CommandResult result = await Lab.RunAsync("alice", "pvpn", "-J", $"alice@{LabFixture.Gateway}", $"alice@{target}");
        Assert.Equal(255, result.ExitCode);
        Assert.Contains("is not permitted for user alice", result.ErrorLines[^1], StringComparison.Ordinal);
        await Lab.Server!.ErrorLineContainingAsync("is not permitted for user alice");
        Assert.Equal(await Lab.IdleStateAsync(), await Lab.KernelStateAsync("host"));
    }

    [Fact]
    public async Task By_default_nothing_is_relayed_and_a_key_can_say_no()
    {
        CommandResult result = await Lab.RunAsync("alice", "pvpn", "-J", $"alice@{LabFixture.Gateway}", $"alice@{LabFixture.Inner4}:80");
        Assert.Equal(255, result.ExitCode);
        Assert.Contains("not permitted", result.ErrorLines[^1], StringComparison.Ordinal);

        await Lab.StartServerAsync($"AllowRelay {LabFixture.Inner4}:80");
        string file = Path.Combine(Lab.State, "gw", "authorized_keys", "alice");
        string line = await File.ReadAllTextAsync(file);
        try
        {
            foreach (string option in new[] { "no-relay ", "restrict ", "relay=\"10.99.2.3:80\" " })
            {
                await File.WriteAllTextAsync(file, option + line);
                result = await Lab.RunAsync("alice", "pvpn", "-J", $"alice@{LabFixture.Gateway}", $"alice@{LabFixture.Inner4}:80");
                Assert.Contains("not permitted", result.ErrorLines[^1], StringComparison.Ordinal);
            }
        }
        finally
        {
            await File.WriteAllTextAsync(file, line);
        }
        // Permitted, and no pvpn-server there.
        result = await Lab.RunAsync("alice", "pvpn", "-J", $"alice@{LabFixture.Gateway}", $"alice@{LabFixture.Inner4}:80");
        Assert.Equal(255, result.ExitCode);
        Assert.Contains("is a pvpn-server listening there?", result.ErrorLines[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_loop_is_refused_before_anything_is_done()
    {
        CommandResult result = await Lab.RunAsync("alice", "pvpn", "-J", $"alice@{LabFixture.Gateway},alice@{LabFixture.Gateway}", "alice@10.98.1.2");
        Assert.Equal(2, result.ExitCode);
        Assert.Contains("passes 10.99.1.1 twice", Assert.Single(result.ErrorLines), StringComparison.Ordinal);
    }
}
