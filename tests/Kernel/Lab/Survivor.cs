using System.Text.Json;

namespace PersonalVpn.Kernel.Lab;

/// <summary>
/// alice's tunnel that is about to break, with her traffic in it and a tap beside it: whatever happens between <see cref="StartAsync"/> and
/// the end, nothing of hers is seen in clear, and <see cref="IsBackAsync"/> finds the same tunnel again, with the same sockets.
/// </summary>
public sealed class Survivor : IAsyncDisposable
{
    /// <summary>A server that notices a dead client within three seconds.</summary>
    public static readonly string[] Alive = ["ClientAliveInterval 1", "ClientAliveCountMax 3"];

    /// <summary>A client that notices a dead server within two seconds.</summary>
    public static readonly string[] Quick = ["-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=2"];

    private const string BobsPort = "40999";

    private readonly LabFixture _lab;
    private readonly WireTap _tap;
    private int _breaks;

    private Survivor(LabFixture lab, BrokenWire wire, WireTap tap, LabTunnel tunnel, SteadyTraffic traffic) =>
        (_lab, Wire, _tap, Tunnel, Traffic) = (lab, wire, tap, tunnel, traffic);

    /// <summary>The way to the gateway.</summary>
    public BrokenWire Wire { get; }

    /// <summary>The tunnel as it came up first.</summary>
    public LabTunnel Tunnel { get; }

    /// <summary>What goes through it.</summary>
    public SteadyTraffic Traffic { get; }

    /// <summary>Starts the server anew, opens the tunnel and waits until it carries everything.</summary>
    /// <param name="lab">The lab.</param>
    /// <param name="more">Further arguments of pvpn.</param>
    public static async Task<Survivor> StartAsync(LabFixture lab, params string[] more)
    {
        await lab.StartServerAsync(Alive);
        BrokenWire wire = await BrokenWire.StartAsync(lab);
        WireTap tap = await WireTap.StartOnAsync(lab, "gw", "wire", $"not tcp port 443 and not port {BobsPort}");
        LabTunnel tunnel = await lab.ConnectAsync("alice", [.. Quick, .. more]);
        return new Survivor(lab, wire, tap, tunnel, await SteadyTraffic.StartAsync(lab, "alice", LabFixture.Inner4, LabFixture.Inner6, LabFixture.Hidden4));
    }

    /// <summary>Waits until the loss is noticed; then everything is blocked, and one line has said so.</summary>
    public async Task IsReconnectingAsync(double seconds = 10)
    {
        _breaks++;
        await UntilAsync(async () => (await _lab.StatusAsync("alice")).Single().State == "reconnecting", "the state 'reconnecting'", seconds);
        foreach (string host in new[] { LabFixture.Inner4 + ":80", $"[{LabFixture.Inner6}]:80", LabFixture.Hidden4 + ":80" })
        {
            CommandResult check = await _lab.RunAsync("alice", "pvpn", "check", host);
            Assert.True(check.ExitCode == 2 && check.Output.Contains("blocked", StringComparison.Ordinal), $"{host}: {check}");
        }
        foreach (string address in new[] { LabFixture.Inner4, LabFixture.Inner6 })
            Assert.NotEqual(0, (await _lab.RunAsync("alice", "talk.py", "tcp", address, "not in clear", "--timeout", "0.3")).ExitCode);
        await UntilAsync(() => Task.FromResult(Lines("; reconnecting") == _breaks), "the line about the loss", 2);
        Assert.All(Tunnel.Process.Error.Split('\n').Where(l => l.Contains("; reconnecting", StringComparison.Ordinal)),
            l => Assert.Matches(@"^pvpn: the connection to 10\.99\.1\.1 was lost.*; reconnecting", l));
    }

    /// <summary>The same where the return may be quicker than a look at the state: the line about the loss tells.</summary>
    public async Task IsReconnectingOrBackAsync(double seconds = 10)
    {
        _breaks++;
        await UntilAsync(() => Task.FromResult(Lines("; reconnecting") == _breaks), "the line about the loss", seconds);
    }

    /// <summary>bob's packets go the ordinary way, now as ever.</summary>
    public async Task BobIsNotAffectedAsync()
    {
        CommandResult check = await _lab.RunAsync("bob", "pvpn", "check", LabFixture.Inner4 + ":80");
        Assert.True(check.ExitCode == 1, $"{check}");
        CommandResult talk = await _lab.RunAsync("bob", "talk.py", "udp", LabFixture.Inner4, "bob", "--sport", BobsPort);
        Assert.True(talk.ExitCode == 0 && talk.Output.StartsWith(Wire.Address, StringComparison.Ordinal), $"{talk}");
    }

    /// <summary>The same tunnel carries the same sockets again, and the server knows of one session alone.</summary>
    public async Task IsBackAsync(double seconds = 40)
    {
        await UntilAsync(() => Task.FromResult(Lines("pvpn: reconnected to 10.99.1.1 after ") == _breaks), "the line about the return", seconds);
        TunnelStatus now = Assert.Single(await _lab.StatusAsync("alice"));
        Assert.Equal("up", now.State);
        Assert.Equal(Tunnel.Status.Addresses, now.Addresses);
        Assert.Equal(Tunnel.Status.Routes, now.Routes);
        Assert.Equal(_breaks, Lines("; reconnecting"));
        await Traffic.FlowsAsync(30); // a connection's next try may be as far away as the outage was long
        Traffic.AreTheSameSockets();
        CommandResult sessions = (await _lab.RunAsync("gw", "pvpn-server", "sessions", "--config", $"{_lab.State}/gw/server.conf", "--json")).Succeeded();
        using JsonDocument json = JsonDocument.Parse(sessions.Output);
        Assert.True(json.RootElement.EnumerateArray().Count(s => s.GetProperty("user").GetString() == "alice") == 1, sessions.Output);
    }

    /// <summary>Ends the tunnel as its user would: nothing is left, nothing was seen in clear, nothing else was said.</summary>
    public async Task EndsCleanlyAsync()
    {
        await Traffic.DisposeAsync();
        Tunnel.Process.Signal("TERM");
        CommandResult result = await Tunnel.Process.ExitAsync();
        Assert.True(result.ExitCode == 0 && result.ErrorLines.Length == 1 + (2 * _breaks), $"{result}");
        await Wire.MendAsync();
        Assert.Equal(await _lab.IdleStateAsync(), await _lab.KernelStateAsync("host"));
        await NothingInClearAsync();
    }

    /// <summary>Nothing but the tunnel's own connection, and bob, was on the wire since the start.</summary>
    public async Task NothingInClearAsync()
    {
        IReadOnlyList<WirePacket> leaked = [.. (await _tap.StopAsync()).Where(p => !p.IsLinkHousekeeping)];
        Assert.True(leaked.Count == 0, $"{leaked.Count} packets in clear, the first: {string.Join("; ", leaked.Take(3))}");
    }

    /// <summary>Ends everything and mends the wire.</summary>
    public async ValueTask DisposeAsync()
    {
        await Traffic.DisposeAsync();
        await Wire.DisposeAsync();
        await Tunnel.DisposeAsync();
        await _tap.DisposeAsync();
    }

    private int Lines(string text) => Tunnel.Process.Error.Split('\n').Count(l => l.Contains(text, StringComparison.Ordinal));

    private async Task UntilAsync(Func<Task<bool>> condition, string what, double seconds)
    {
        DateTime end = DateTime.UtcNow.AddSeconds(seconds);
        while (!await condition())
        {
            Assert.True(DateTime.UtcNow < end, $"not within {seconds} s: {what}\npvpn: {Tunnel.Process.Error}\nserver: {_lab.Server?.Error}");
            await Task.Delay(50);
        }
    }
}
