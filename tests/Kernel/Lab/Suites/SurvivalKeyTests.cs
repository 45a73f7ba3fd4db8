namespace PersonalVpn.Kernel.Lab.Suites;

/// <summary>A tunnel that comes back asks nobody for a passphrase, with or without a ticket that is still good.</summary>
[Collection(KernelTun.Name)]
public sealed class SurvivalKeyTests(KernelTunLab lab) : LabTests(lab)
{
    private const string Passphrase = "correct horse battery", Prompt = "Enter passphrase for";

    private string Home => $"{Lab.State}/home/alice";

    private string Authorized => $"{Lab.State}/gw/authorized_keys/alice";

    private string Leases => $"{Lab.State}/gw/key-leases";

    [Theory]
    [InlineData("rsa", "2048", "-m", "PKCS8")]
    [InlineData("ed25519", "256")]
    public async Task A_passphrase_is_typed_once(string type, string bits, params string[] more)
    {
        await StartAsync();
        string key = await KeyAsync(type, bits, Passphrase, more);
        await using IAsyncDisposable line = await AuthorizeAsync(key);
        await using Tmux tmux = await ConnectAtTerminalAsync(key);
        TunnelStatus before = Assert.Single(await Lab.StatusAsync("alice"));
        for (int i = 0; i < 2; i++)
        {
            Lab.Server!.Signal("KILL");
            await EventuallyAsync(async () => (await Lab.StatusAsync("alice")).Single().State == "reconnecting", "the state 'reconnecting'");
            await StartAsync();
            await EventuallyAsync(async () => (await Lab.StatusAsync("alice")).Single().State == "up", "the state 'up'", 30);
        }
        Assert.Equal(before.Addresses, Assert.Single(await Lab.StatusAsync("alice")).Addresses);
        string screen = await tmux.SeesAsync("reconnected to 10.99.1.1");
        Assert.Equal(2, screen.Split(Prompt).Length); // asked once
        await tmux.PressAsync("C-c");
        await tmux.SeesAsync(s => s.TrimEnd().EndsWith('$'), "the shell's prompt");
        Assert.Empty(await Lab.StatusAsync("host"));
    }

    [Fact]
    public async Task Without_a_good_ticket_a_key_that_needs_a_passphrase_ends_it_and_blocks_and_nobody_is_asked()
    {
        await StartAsync();
        string key = await KeyAsync("rsa", "2048", Passphrase, "-m", "PKCS8");
        await using IAsyncDisposable line = await AuthorizeAsync(key);
        await using Tmux tmux = await ConnectAtTerminalAsync(key);
        Lab.Server!.Signal("KILL");
        await ForgetAsync();
        await StartAsync();
        string screen = await tmux.SeesAsync(s => s.TrimEnd().EndsWith('$'), "the shell's prompt", 20);
        Assert.Equal(2, screen.Split(Prompt).Length); // asked once, at the start
        Assert.Equal("down", Assert.Single(await Lab.StatusAsync("alice")).State);
        Assert.Equal(2, (await Lab.RunAsync("alice", "pvpn", "check", LabFixture.Inner4 + ":80")).ExitCode);
        (await Lab.RunAsync("alice", "pvpn", "down", "--all")).Succeeded();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Without_a_good_ticket_a_key_that_is_at_hand_logs_in_again(bool agent)
    {
        await StartAsync();
        string socket = $"{Home}/agent-{Guid.NewGuid():N}", key = await KeyAsync("ed25519", "256", "");
        await using LabProcess daemon = LabProcess.Start(Lab, "agent", "alice", "ssh-agent", "-D", "-a", socket);
        await EventuallyAsync(() => Task.FromResult(File.Exists(socket)), "the agent listens");
        (await Lab.RunAsync("alice", "env", $"SSH_AUTH_SOCK={socket}", "ssh-add", "-q", key)).Succeeded();
        await using IAsyncDisposable line = await AuthorizeAsync(key);
        if (agent) File.Delete(key);
        await using LabProcess pvpn = LabProcess.Start(Lab, "pvpn-keys", "alice",
            ["env", $"SSH_AUTH_SOCK={(agent ? socket : "")}", .. Command(key)]);
        await pvpn.ErrorLineAsync("pvpn: connected");
        Lab.Server!.Signal("KILL");
        await ForgetAsync();
        await StartAsync();
        await pvpn.ErrorLineAsync("pvpn: reconnected to ", 20);
        await Lab.Server.ErrorLineContainingAsync("ticket refused");
        TunnelStatus now = Assert.Single(await Lab.StatusAsync("alice"));
        Assert.Equal("up", now.State);
        // Without its lease the server has no reason to give another address than the one that the name leads to.
        Assert.StartsWith(now.Addresses.First(a => !a.Contains(':', StringComparison.Ordinal)) + " ", await TalkAsync("alice", "tcp", LabFixture.Hidden4, "again"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_forgot_gives_other_addresses_and_nothing_is_in_clear_on_the_way_there()
    {
        // There is no room for a second tunnel of hers.
        await Lab.StartForwarderAsync("MaxTunnelsPerUser 1");
        await StartAsync();
        await using WireTap tap = await WireTap.StartOnAsync(Lab, "gw", "wire", "not tcp port 443");
        await using LabTunnel alice = await Lab.ConnectAsync("alice", Survivor.Quick);
        await using LabProcess load = LabProcess.Start(Lab, "load", "alice", "load.py", "alices-load", LabFixture.Inner4);
        await EventuallyAsync(() => Task.FromResult(load.Output.StartsWith("flowing", StringComparison.Ordinal)), "the load flows", 10);
        Lab.Server!.Signal("KILL");
        await ForgetAsync();
        await Lab.StartServerAsync([.. Survivor.Alive, $"LeaseFile {Leases}", "AddressPool 10.77.128.0/24"]);
        await alice.Process.ErrorLineAsync("pvpn: reconnected to ", 40);
        await EventuallyAsync(() => Task.FromResult(load.Output.Contains("again", StringComparison.Ordinal)), "the load flows again", 10);
        TunnelStatus now = Assert.Single(await Lab.StatusAsync("alice"));
        Assert.Equal("up", now.State);
        Assert.Contains(now.Addresses, a => a.StartsWith("10.77.128.", StringComparison.Ordinal));
        Assert.Contains("gave other addresses: ", alice.Process.Error, StringComparison.Ordinal);
        await load.DisposeAsync();
        IReadOnlyList<WirePacket> leaked = [.. (await tap.StopAsync()).Where(p => !p.IsLinkHousekeeping)];
        Assert.True(leaked.Count == 0, $"{leaked.Count} packets in clear, the first: {string.Join("; ", leaked.Take(3))}");
    }

    private Task StartAsync() => Lab.StartServerAsync([.. Survivor.Alive, $"LeaseFile {Leases}"]);

    // After a kill: what the server knew of the session is lost.
    private async Task ForgetAsync()
    {
        await Lab.StopServerAsync();
        File.Delete(Leases);
    }

    private async Task<Tmux> ConnectAtTerminalAsync(string key)
    {
        Tmux tmux = await Tmux.OpenAsync(Lab, "alice");
        await tmux.TypeAsync("clear; " + string.Join(' ', Command(key)));
        await tmux.SeesAsync(Prompt);
        await Task.Delay(200); // the echo goes off right after the prompt
        await tmux.TypeAsync(Passphrase);
        await tmux.SeesAsync("pvpn: connected to " + LabFixture.Gateway);
        return tmux;
    }

    private string[] Command(string key) =>
        ["pvpn", "-o", "StrictHostKeyChecking=accept-new", "-o", $"UserKnownHostsFile={Home}/known_hosts", "-o", "IdentitiesOnly=yes",
            "-i", File.Exists(key) ? key : key + ".pub", .. Survivor.Quick, $"alice@{LabFixture.Gateway}"];

    private async Task<string> KeyAsync(string type, string bits, string passphrase, params string[] more)
    {
        string file = $"{Home}/key-{Guid.NewGuid():N}";
        (await Lab.RunAsync("alice", ["ssh-keygen", "-q", "-t", type, "-b", bits, "-N", passphrase, "-f", file, .. more])).Succeeded();
        return file;
    }

    private async Task<IAsyncDisposable> AuthorizeAsync(string key)
    {
        string before = await File.ReadAllTextAsync(Authorized);
        await File.WriteAllTextAsync(Authorized, await File.ReadAllTextAsync(key + ".pub"));
        return new Restored(Authorized, before);
    }

    private sealed class Restored(string file, string text) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync() => await File.WriteAllTextAsync(file, text);
    }
}
