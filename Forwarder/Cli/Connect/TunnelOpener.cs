using PersonalVpn.Cli.Connect.Dial;
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
internal static class TunnelOpener
{
    public static async Task<OpenedTunnel> RunAsync(ControlChannel control, Way way, ForwarderClient forwarder, string gateway, string user,
        IEnumerable<string> chain, IReadOnlyList<IpPrefix> destinations, Messages messages, CancellationToken cancel)
    {
        var avoid = new List<IpAddr>();
        while (true)
        {
            await control.SendAsync(new OpenMessage(avoid, destinations).Encode(), cancel).ConfigureAwait(false);
            FrameType type;
            byte[] body;
            // The address may be one that others still send to; those packets may come before the answer that gives it to us.
            do (type, body) = await control.ReceiveAsync(FrameType.Config, cancel, FrameType.Packet).ConfigureAwait(false);
            while (type == FrameType.Packet);
            ConfigMessage config = ConfigMessage.Decode(body);
            IReadOnlyList<IpPrefix> routes = Usable(config, messages.Verbose);
            if (routes.Count == 0) throw new UserError($"{gateway} pushes no route that this tunnel's addresses can use; name a destination, or ask its administrator");
            if (avoid.Count == 0) way.BeforeOpening(forwarder, routes, messages.Say);
            try
            {
                ForwarderReply reply = forwarder.Ask(new ForwarderRequest
                {
                    Operation = ForwarderOperation.Open,
                    Gateway = gateway,
                    User = user,
                    AddressV4 = config.AddressV4?.ToString(),
                    AddressV6 = config.AddressV6?.ToString(),
                    Routes = [.. routes.Select(r => r.ToString())],
                    Mtu = config.Mtu,
                    Transport = way.Transport,
                    Chain = [.. chain],
                    FastPath = true,
                }, -1, out int[] fds);
                if (fds.Length == 0) throw new UserError("the forwarder sent no packet channel; are pvpn and pvpnd of the same version?");
                return new OpenedTunnel(config, routes, LinuxSocket.FromFd(fds[0]), fds.Length > 1 ? TunDevice.FromFd(fds[1], reply.Device ?? "") : null);
            }
            catch (ForwarderRefusedException e) when (e.Code == ForwarderError.AddressInUse && avoid.Count + 2 <= ProtocolConstants.MaxAvoid)
            {
                messages.Verbose($"{e.Message}; asking {gateway} for another one");
                avoid.AddRange(new[] { config.AddressV4, config.AddressV6 }.OfType<IpAddr>());
            }
        }
    }

    private static List<IpPrefix> Usable(ConfigMessage config, Action<string> verbose)
    {
        var routes = new List<IpPrefix>();
        foreach (IpPrefix route in config.Routes)
        {
            if ((route.IsV6 ? config.AddressV6 : config.AddressV4) is not null) routes.Add(route);
            else verbose($"route {route} left out: the server gave no {(route.IsV6 ? "IPv6" : "IPv4")} address");
        }
        return routes;
    }
}
