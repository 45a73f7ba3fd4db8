using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace PersonalVpn.Kernel.Lab.Suites;

/// <summary>
/// 500 MB in each direction through two gateways while everything on the way breaks, one thing after the other: all of it arrives over the
/// same two connections, and no tap sees any of it.
/// </summary>
[Collection(KernelTun.Name)]
public sealed class SurvivalTransferTests(KernelTunLab lab) : LabTests(lab), IAsyncLifetime
{
    private const string Marker = "nobody-but-far-reads-this";
    private const int Megabytes = 500, Pace = 14;

    private LabProcess? _transfer, _pvpn;

    /// <summary>What is on the command line is about the last gateway, as in ssh: the hops' settings are in a file.</summary>
    async Task IAsyncLifetime.InitializeAsync()
    {
        await base.InitializeAsync();
        (await Lab.RunAsync("alice", "sh", "-c",
            "mkdir -p .config/pvpn && printf 'StrictHostKeyChecking accept-new\nUserKnownHostsFile ~/.config/pvpn/chain_hosts\nServerAliveInterval 1\nServerAliveCountMax 2\n' >.config/pvpn/config")).Succeeded();
    }

    async Task IAsyncLifetime.DisposeAsync()
    {
        (await Lab.RunAsync("alice", "rm", "-rf", ".config")).Succeeded();
        await base.DisposeAsync();
    }

    [Fact]
    public async Task A_transfer_of_500_MB_through_two_gateways_survives_everything()
    {
        await using BreakableChain chain = await BreakableChain.StartAsync(Lab);
        await using WireTap clearFirst = await WireTap.StartOnAsync(Lab, "gw", "wire", "not tcp port 443"),
            clearSecond = await WireTap.StartOnAsync(Lab, "gw", "down2", $"not tcp port {GatewayChain.Port}");
        await using WireTap first = await WireTap.StartOnAsync(Lab, "gw", "wire", "", 160), second = await WireTap.StartOnAsync(Lab, "gw", "down2", "", 160);
        await using LabProcess pvpn = _pvpn = chain.Connect();
        await pvpn.ErrorLineAsync("pvpn: connected", 30);
        TunnelStatus before = Assert.Single(await Lab.StatusAsync("alice"));
        await using LabProcess transfer = _transfer = LabProcess.Start(Lab, "transfer", "alice", "paced_transfer.py", chain.Far,
            Megabytes.ToString(CultureInfo.InvariantCulture), Pace.ToString(CultureInfo.InvariantCulture), Marker);

        await ReachesAsync(50);
        await chain.Wire.ChangeAddressAsync("10.99.1.3");
        await FlowsAgainAsync();
        await ReachesAsync(130);
        await chain.RestartAsync(2, TimeSpan.FromSeconds(3));
        await FlowsAgainAsync();
        await ReachesAsync(210);
        await chain.RestartAsync(1, TimeSpan.FromSeconds(3));
        await FlowsAgainAsync();
        await ReachesAsync(290);
        await chain.Wire.ChangeAddressAsync("10.99.1.4");
        await FlowsAgainAsync();
        await ReachesAsync(370);
        await chain.Wire.SilenceAsync("down2");
        await Task.Delay(15000);
        Assert.Equal("reconnecting", Assert.Single(await Lab.StatusAsync("alice")).State);
        Assert.Equal(2, (await Lab.RunAsync("alice", "pvpn", "check", chain.Far + ":7008")).ExitCode);
        await Task.Delay(15000);
        await chain.Wire.EndSilenceAsync("down2");
        await FlowsAgainAsync();

        CommandResult result = (await transfer.ExitAsync(120)).Succeeded();
        string up = result.Output.Split('\n').Single(l => l.StartsWith("up done ", StringComparison.Ordinal));
        string down = result.Output.Split('\n').Single(l => l.StartsWith("down done ", StringComparison.Ordinal));
        Assert.Equal($"down done {Megabytes}000000 {PatternHash()}", down);
        string got = Assert.Single(await File.ReadAllLinesAsync($"{Lab.State}/chain/sink"));
        Assert.EndsWith($" {up["up done ".Length..]} eof", got, StringComparison.Ordinal);
        TunnelStatus after = Assert.Single(await Lab.StatusAsync("alice"));
        Assert.Equal(before.Addresses, after.Addresses);
        pvpn.Signal("TERM");
        Assert.Equal(0, (await pvpn.ExitAsync()).ExitCode);
        Assert.Equal(pvpn.Error.Split("; reconnecting").Length, pvpn.Error.Split("pvpn: reconnected to ").Length);

        foreach (WireTap tap in new[] { clearFirst, clearSecond })
        {
            IReadOnlyList<WirePacket> seen = [.. (await tap.StopAsync()).Where(p => !p.IsLinkHousekeeping)];
            Assert.True(seen.Count == 0, $"{seen.Count} packets in clear, the first: {string.Join("; ", seen.Take(3))}");
        }
        foreach (WireTap tap in new[] { first, second })
        {
            (int[] found, long bytes) = await tap.StopAndSearchAsync(Encoding.ASCII.GetBytes(Marker), [.. Enumerable.Range(32, 24).Select(b => (byte)b)]);
            Assert.True(bytes > 1_000_000, $"the tap saw {bytes} bytes only");
            Assert.Equal([0, 0], found);
        }
    }

    // Both directions have come so far: breaks are tied to what was sent, not to the clock.
    private Task ReachesAsync(int megabytes) => UntilAsync(() => Done("up") >= megabytes && Done("down") >= megabytes, $"{megabytes} MB in both directions", 90);

    private Task FlowsAgainAsync()
    {
        int up = Done("up"), down = Done("down");
        return UntilAsync(() => Done("up") >= Math.Min(up + 8, Megabytes) && Done("down") >= Math.Min(down + 8, Megabytes), $"more than {up} MB up and {down} MB down", 120);
    }

    private int Done(string direction) => _transfer!.Output.Split('\n').Where(l => l.StartsWith(direction + " ", StringComparison.Ordinal))
        .Select(l => l.Split(' ')).Select(w => w is [_, "done", ..] ? Megabytes : int.TryParse(w[1], out int n) ? n : 0).DefaultIfEmpty().Max();

    private async Task UntilAsync(Func<bool> condition, string what, double seconds)
    {
        DateTime end = DateTime.UtcNow.AddSeconds(seconds);
        while (!condition())
        {
            Assert.False(_transfer!.HasExited && !condition(), $"the transfer ended before: {what}\n{_transfer.Output[Math.Max(0, _transfer.Output.Length - 300)..]}\npvpn: {_pvpn!.Error}");
            Assert.True(DateTime.UtcNow < end, $"not within {seconds} s: {what}\npvpn: {_pvpn!.Error}\ng1: {Lab.Server?.Error}");
            await Task.Delay(100);
        }
    }

    private static string PatternHash()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        // What the source sends: inner.py's PATTERN again and again.
        byte[] whole = [.. Enumerable.Range(0, 1 << 20).Select(i => (byte)i)];
        for (long left = Megabytes * 1_000_000L; left > 0; left -= whole.Length) hash.AppendData(whole.AsSpan(0, (int)Math.Min(left, whole.Length)));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
