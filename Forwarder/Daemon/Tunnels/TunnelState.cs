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
    public IReadOnlyList<string> Chain { get; init; } = [];
    public DateTimeOffset Since { get; init; } = DateTimeOffset.UtcNow;

    /// <summary>
    /// The owner's process reads and writes <see cref="Device"/> itself; the kernel proves the owner of every packet. The channel
    /// carries what the kernel cannot prove, and what comes in for sockets that have no connection.
    /// </summary>
    public bool FastPath { get; init; }

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

    /// <summary>The owner's process is there, but has no connection to the server now; it says so itself. Changes no packet's way.</summary>
    public bool Reconnecting { get; set; }

    public FlowTable Flows { get; } = new();
    public FragmentMemory Fragments { get; } = new();
    public TunnelCounters Counters { get; } = new();

    /// <summary>The inner addresses there are.</summary>
    public IEnumerable<IpAddr> Addresses => new[] { AddressV4, AddressV6 }.OfType<IpAddr>();

    public IpAddr? Address(bool v6) => v6 ? AddressV6 : AddressV4;

    /// <summary>What is known of the tunnel now.</summary>
    /// <param name="device">Counters of its device when the owner's process is its reader: what did not pass the channel.</param>
    public TunnelStatus ToStatus(LinkCounters? device) => new()
    {
        Gateway = Gateway,
        User = User,
        Uid = Uid,
        State = !IsUp ? "down" : Reconnecting ? "reconnecting" : "up",
        Address = string.Join(',', Addresses),
        Routes = [.. Routes.Select(r => r.ToString())],
        Transport = Transport,
        Since = Since.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
        BytesIn = Counters.BytesIn + (device?.BytesIn ?? 0),
        BytesOut = Counters.BytesOut + (device?.BytesOut ?? 0),
        PacketsIn = Counters.PacketsIn + (device?.PacketsIn ?? 0),
        PacketsOut = Counters.PacketsOut + (device?.PacketsOut ?? 0),
        PacketsDropped = Drops(device),
        Chain = Chain,
        Device = Device,
    };

    private Dictionary<string, long> Drops(LinkCounters? device)
    {
        Dictionary<string, long> drops = Counters.Drops();
        if (device is { DroppedOut: > 0 }) drops["deviceFull"] = device.DroppedOut;
        return drops;
    }
}
