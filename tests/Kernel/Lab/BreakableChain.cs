namespace PersonalVpn.Kernel.Lab;

/// <summary>
/// host ── g1 ── g2 ── far: four namespaces, two gateways, and everything on the way can break. The host has no way to g2 but through
/// g1's pvpn-server: g1's kernel forwards nothing to it, though the host's routes would send there what is in clear.
/// </summary>
public sealed class BreakableChain : IAsyncDisposable
{
    private readonly LabFixture _lab;
    private readonly GatewayChain _chain;
    private readonly string[] _first;

    private BreakableChain(LabFixture lab, GatewayChain chain, BrokenWire wire, string[] first) => (_lab, _chain, Wire, _first) = (lab, chain, wire, first);

    /// <summary>The host's link.</summary>
    public BrokenWire Wire { get; }

    /// <summary>The host behind g2.</summary>
    public string Far => _chain.Far;

    /// <summary>Builds it; both gateways notice a dead client within three seconds.</summary>
    public static async Task<BreakableChain> StartAsync(LabFixture lab)
    {
        string[] alive = ["ClientAliveInterval 1", "ClientAliveCountMax 3"];
        string[] first = [$"AllowRelay {GatewayChain.Address(2)}:{GatewayChain.Port}", .. alive];
        await lab.StartServerAsync(first);
        var chain = new GatewayChain(lab, 2, alive);
        (await lab.RunAsync("gw", "iptables", "-w", "-I", "FORWARD", "-o", "down2", "-j", "DROP")).Succeeded();
        return new BreakableChain(lab, chain, await BrokenWire.StartAsync(lab, "10.98.0.0/16"), first);
    }

    /// <summary>Opens alice's tunnel through g1 to g2: notices a dead gateway within two seconds.</summary>
    public LabProcess Connect(params string[] more)
    {
        (string jumps, string target) = _chain.Names("alice");
        return LabProcess.Start(_lab, "pvpn-chain", "alice",
            ["pvpn", "-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=2", "-J", jumps, target, .. more]);
    }

    /// <summary>SIGKILL to a gateway's server (1 or 2), and its start after a while.</summary>
    public async Task RestartAsync(int gateway, TimeSpan gone)
    {
        if (gateway == 1) _lab.Server!.Signal("KILL");
        else _chain.Kill(gateway);
        await Task.Delay(gone);
        if (gateway == 1) await _lab.StartServerAsync(_first);
        else _chain.Start(gateway);
    }

    /// <summary>All that a gateway's server (1 or 2) has logged since its last start (1) or its first (2).</summary>
    public string Log(int gateway) => gateway == 1 ? _lab.Server!.Error : _chain.Log(gateway);

    /// <summary>Mends and removes everything.</summary>
    public async ValueTask DisposeAsync()
    {
        await Wire.DisposeAsync();
        _chain.Dispose();
        (await _lab.RunAsync("gw", "iptables", "-w", "-D", "FORWARD", "-o", "down2", "-j", "DROP")).Succeeded();
    }
}
