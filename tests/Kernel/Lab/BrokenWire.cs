namespace PersonalVpn.Kernel.Lab;

/// <summary>
/// What breaks on the way from the lab's shared host: its address, its link, and silence on it or on the link behind the gateway.
/// Everything is put back at the end. A route by which packets in clear would leave is always there, or their absence would say nothing.
/// </summary>
public sealed class BrokenWire : IAsyncDisposable
{
    /// <summary>The shared host's usual address.</summary>
    public const string UsualAddress = "10.99.1.2";

    private readonly LabFixture _lab;
    private readonly string[] _routes;
    private readonly HashSet<string> _silent = [];

    private BrokenWire(LabFixture lab, string[] routes) => (_lab, _routes) = (lab, routes);

    /// <summary>The shared host's address now.</summary>
    public string Address { get; private set; } = UsualAddress;

    /// <summary>Nothing is broken yet.</summary>
    /// <param name="lab">The lab.</param>
    /// <param name="routes">Further IPv4 destinations that the shared host sends to the gateway, for this object's life.</param>
    public static async Task<BrokenWire> StartAsync(LabFixture lab, params string[] routes)
    {
        var wire = new BrokenWire(lab, routes);
        foreach (string route in routes) await wire.IpAsync($"route replace {route} via {LabFixture.Gateway}");
        return wire;
    }

    /// <summary>The host gets another IPv4 address in the same network, as from DHCP: the old one goes first, and its routes with it.</summary>
    public async Task ChangeAddressAsync(string address)
    {
        await IpAsync($"addr del {Address}/24 dev wire");
        Address = address;
        await IpAsync($"addr add {address}/24 dev wire");
        await RoutesAsync();
    }

    /// <summary>The host's end goes down: no address of IPv6, no route by it any more.</summary>
    public Task DownAsync() => IpAsync("link set wire down");

    /// <summary>The host's end comes back, with what the host's network configuration would put there.</summary>
    public async Task UpAsync()
    {
        await IpAsync("link set wire up");
        await IpAsync("addr replace fd99:1::2/64 dev wire nodad");
        await RoutesAsync();
    }

    /// <summary>Nothing passes any more on a device of the gateway ("wire" to the host, "down2" to the next gateway), and nobody is told.</summary>
    public async Task SilenceAsync(string device)
    {
        _silent.Add(device);
        foreach (string rule in Rules(device)) await FilterAsync("-I " + rule);
    }

    /// <summary>Everything passes there again.</summary>
    public async Task EndSilenceAsync(string device)
    {
        if (!_silent.Remove(device)) return;
        foreach (string rule in Rules(device)) await FilterAsync("-D " + rule);
    }

    /// <summary>Mends what is broken.</summary>
    public async Task MendAsync()
    {
        foreach (string device in _silent.ToArray()) await EndSilenceAsync(device);
        if (Address != UsualAddress) await ChangeAddressAsync(UsualAddress);
    }

    /// <summary>Mends everything.</summary>
    public async ValueTask DisposeAsync()
    {
        await MendAsync();
        await UpAsync();
        foreach (string route in _routes) await IpAsync($"route del {route}");
    }

    private static string[] Rules(string device) => [$"INPUT -i {device} -j DROP", $"OUTPUT -o {device} -j DROP", $"FORWARD -i {device} -j DROP"];

    private async Task RoutesAsync()
    {
        foreach (string route in _routes.Prepend("10.99.2.0/24")) await IpAsync($"route replace {route} via {LabFixture.Gateway}");
        await IpAsync("-6 route replace fd99:2::/64 via fd99:1::1");
    }

    private async Task IpAsync(string words) => (await _lab.RunAsync("host", ["ip", .. words.Split(' ')])).Succeeded();

    private async Task FilterAsync(string words)
    {
        foreach (string command in new[] { "iptables", "ip6tables" }) (await _lab.RunAsync("gw", [command, "-w", .. words.Split(' ')])).Succeeded();
    }
}
