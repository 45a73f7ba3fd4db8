using PersonalVpn.Cli.Local;
using PersonalVpn.Cli.Terminal;
using PersonalVpn.Linux;
using PersonalVpn.Packets;
using PersonalVpn.Tunnel.Local;
using PersonalVpn.Tunnel.Protocol;

namespace PersonalVpn.Cli.Connect;

/// <summary>What the two sides agreed on.</summary>
internal sealed record OpenedTunnel(ConfigMessage Config, IReadOnlyList<IpPrefix> Routes, LinuxSocket Channel, TunDevice? Device);

/// <summary>
/// Asks the server for addresses and routes and the daemon for a tunnel with them. When an address is in use on this host (another
/// user's tunnel to another server, a network of the host's), the server is asked for another one.
/// </summary>
/// <param name="arrival">The connection to the last gateway.</param>
/// <param name="name">What pvpnd and the user call the gateway.</param>
/// <param name="destinations">What the user wants; none: what the server pushes.</param>
/// <param name="messages">For warnings and details.</param>
/// <param name="carried">What a tunnel carries whose place this one takes; none: it takes nobody's.</param>
internal sealed class TunnelOpener(Arrival arrival, string name, IReadOnlyList<IpPrefix> destinations, Messages messages, IReadOnlyList<IpPrefix>? carried = null)
{
    /// <summary>Both.</summary>
    /// <param name="forwarder">Holds the tunnel from then on.</param>
    /// <param name="config">The server's answer if it was asked already; else null.</param>
    /// <param name="cancel">Gives up.</param>
    public async Task<OpenedTunnel> OpenAsync(ForwarderClient forwarder, ConfigMessage? config, CancellationToken cancel)
    {
        var avoid = new List<IpAddr>();
        while (true)
        {
            config ??= await AskAsync(avoid, cancel).ConfigureAwait(false);
            IReadOnlyList<IpPrefix> routes = Usable(config);
            if (routes.Count == 0) throw new UserError($"{name} pushes no route that this tunnel's addresses can use; name a destination, or ask its administrator");
            // What it did not carry would go in the clear, and nobody would notice.
            if (Left(routes, [.. destinations, .. carried ?? []]) is { } left)
                throw new UserError($"{name} does not carry {left}, which was asked for or carried before; name destinations that it carries, or ask its administrator");
            if (avoid.Count == 0) arrival.Connection.Way.BeforeOpening(forwarder, routes, messages.Say);
            try
            {
                return Open(forwarder, config, routes);
            }
            catch (ForwarderRefusedException e) when (e.Code == ForwarderError.AddressInUse && avoid.Count + 2 <= ProtocolConstants.MaxAvoid)
            {
                messages.Verbose($"{e.Message}; asking {name} for another one");
                avoid.AddRange(new[] { config.AddressV4, config.AddressV6 }.OfType<IpAddr>());
                config = null;
            }
        }
    }

    /// <summary>The server's half: addresses and routes.</summary>
    /// <param name="avoid">Addresses that cannot be used here.</param>
    /// <param name="cancel">Gives up.</param>
    public async Task<ConfigMessage> AskAsync(IReadOnlyList<IpAddr> avoid, CancellationToken cancel)
    {
        ControlChannel control = arrival.Connection.Control;
        await control.SendAsync(new OpenMessage(avoid, destinations).Encode(), cancel).ConfigureAwait(false);
        FrameType type;
        byte[] body;
        // The address may be one that others still send to; those packets may come before the answer that gives it to us.
        do (type, body) = await control.ReceiveAsync(FrameType.Config, cancel, FrameType.Packet).ConfigureAwait(false);
        while (type == FrameType.Packet);
        return ConfigMessage.Decode(body);
    }

    /// <summary>The first of the destinations that routes leave in the clear; null when there is none. A whole family carried closes the other one.</summary>
    public static IpPrefix? Left(IReadOnlyList<IpPrefix> routes, IReadOnlyList<IpPrefix> wanted) =>
        wanted.Where(w => !routes.Any(r => r.Contains(w) || (r.IsDefault && r.IsV6 != w.IsV6))).Select(w => (IpPrefix?)w).FirstOrDefault();

    private OpenedTunnel Open(ForwarderClient forwarder, ConfigMessage config, IReadOnlyList<IpPrefix> routes)
    {
        ForwarderReply reply = forwarder.Ask(new ForwarderRequest
        {
            Operation = ForwarderOperation.Open,
            Gateway = name,
            User = arrival.Last.User,
            AddressV4 = config.AddressV4?.ToString(),
            AddressV6 = config.AddressV6?.ToString(),
            Routes = [.. routes.Select(r => r.ToString())],
            Mtu = config.Mtu,
            Transport = arrival.Connection.Way.Transport,
            Chain = [.. arrival.Chain.SkipLast(1).Select(h => h.Name)],
            FastPath = true,
        }, -1, out int[] fds);
        if (fds.Length == 0) throw new UserError("the forwarder sent no packet channel; are pvpn and pvpnd of the same version?");
        return new OpenedTunnel(config, routes, LinuxSocket.FromFd(fds[0]), fds.Length > 1 ? TunDevice.FromFd(fds[1], reply.Device ?? "") : null);
    }

    private List<IpPrefix> Usable(ConfigMessage config)
    {
        var routes = new List<IpPrefix>();
        foreach (IpPrefix route in config.Routes)
        {
            if ((route.IsV6 ? config.AddressV6 : config.AddressV4) is not null) routes.Add(route);
            else messages.Verbose($"route {route} left out: the server gave no {(route.IsV6 ? "IPv6" : "IPv4")} address");
        }
        return routes;
    }
}
