using System.Globalization;
using PersonalVpn.Daemon.Flows;
using PersonalVpn.Daemon.Inbound;
using PersonalVpn.Linux;
using PersonalVpn.Packets;
using PersonalVpn.Tunnel.Local;

namespace PersonalVpn.Daemon.Tunnels;

/// <summary>
/// One tunnel: whose it is, what it carries, its flows and counters. What it is about never changes; whether it is up does. The
/// control thread alone opens and closes it; the packet threads see it through <see cref="TunnelTable"/>.
/// </summary>
internal sealed class TunnelState
{
    private volatile LinuxSocket? _channel;

    public required uint Uid { get; init; }
    public required string Gateway { get; init; }
    public required string User { get; init; }
    public required IpAddr? AddressV4 { get; init; }
    public required IpAddr? AddressV6 { get; init; }
    public required IReadOnlyList<IpPrefix> Routes { get; init; }
    public required int Mtu { get; init; }
    public required string Device { get; init; }
    public required int Table { get; init; }
    public string Transport { get; init; } = "tls";

    /// <summary>The device has a reader, the owner's process, which the owner's TCP reaches without passing through pvpnd.</summary>
    public bool FastPath { get; init; }
    public IReadOnlyList<string> Chain { get; init; } = [];
    public DateTimeOffset Since { get; init; } = DateTimeOffset.UtcNow;

    /// <summary>Interface index of <see cref="Device"/>, known once it exists.</summary>
    public int InterfaceIndex { get; set; }

    /// <summary>
    /// Our end of the packet channel to the user's process; null while the tunnel blocks its destinations. Owned by the tunnel.
    /// </summary>
    public LinuxSocket? Channel
    {
        get => _channel;
        set => _channel = value;
    }

    public bool IsUp => Channel is not null;

    public FlowTable Flows { get; } = new();
    public FragmentMemory Fragments { get; } = new();
    public TunnelCounters Counters { get; } = new();

    /// <summary>The inner addresses there are.</summary>
    public IEnumerable<IpAddr> Addresses => new[] { AddressV4, AddressV6 }.OfType<IpAddr>();

    public IpAddr? Address(bool v6) => v6 ? AddressV6 : AddressV4;

    public TunnelStatus ToStatus() => new()
    {
        Gateway = Gateway,
        User = User,
        Uid = Uid,
        State = IsUp ? "up" : "down",
        Address = string.Join(',', Addresses),
        Routes = [.. Routes.Select(r => r.ToString())],
        Transport = Transport,
        Since = Since.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
        BytesIn = Counters.BytesIn,
        BytesOut = Counters.BytesOut,
        PacketsIn = Counters.PacketsIn,
        PacketsOut = Counters.PacketsOut,
        PacketsDropped = Counters.Drops(),
        Chain = Chain,
        Device = Device,
    };
}
