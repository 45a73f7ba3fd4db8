using System.Text.RegularExpressions;
using PersonalVpn.Daemon.Control;
using PersonalVpn.Packets;
using PersonalVpn.Tunnel.Local;
using PersonalVpn.Tunnel.Protocol;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Daemon.Tunnels;

/// <summary>
/// Judges a request for a tunnel. The request comes from the user's own process and repeats what a server said: neither is trusted.
/// What it may not do: take an address that somebody on this host uses or wants to reach, carry loopback, multicast or link-local
/// destinations, exceed forwarder.conf, or disturb another tunnel.
/// </summary>
internal sealed partial class TunnelRequest(TunnelTable table, KernelState kernel, Func<ForwarderConfig> config)
{
    private static readonly IpPrefix[] NeverTunnelled =
    [
        IpPrefix.Parse("0.0.0.0/8"), IpPrefix.Parse("127.0.0.0/8"), IpPrefix.Parse("169.254.0.0/16"), IpPrefix.Parse("224.0.0.0/4"),
        IpPrefix.Parse("255.255.255.255/32"), IpPrefix.Parse("::/127"), IpPrefix.Parse("::ffff:0:0/96"), IpPrefix.Parse("fe80::/10"), IpPrefix.Parse("ff00::/8"),
    ];

    /// <summary>The tunnel asked for, and the blocked one of the same owner and gateway that it replaces, if any.</summary>
    /// <exception cref="RequestException">It is refused.</exception>
    public (TunnelState Tunnel, TunnelState? Replaced) Check(uint uid, ForwarderRequest request)
    {
        string gateway = Name(request.Gateway, "gateway"), user = Name(request.User, "user");
        var mine = table.All.Where(t => t.Uid == uid).ToList();
        TunnelState? same = mine.FirstOrDefault(t => t.Gateway == gateway);
        if (same is { IsUp: true }) throw new RequestException(ForwarderError.TooManyTunnels, $"you have a tunnel to {gateway} already; take it down first: pvpn down {gateway}");
        int limit = config().MaxTunnelsPerUser;
        if (mine.Count(t => t != same) >= limit) throw new RequestException(ForwarderError.TooManyTunnels, limit == 0 ? "forwarder.conf allows no tunnel (MaxTunnelsPerUser 0); ask this host's administrator"
            : $"you have {mine.Count} tunnels, and forwarder.conf allows {limit} (MaxTunnelsPerUser); take one down first");

        IpAddr? v4 = Address(request.AddressV4, false, same), v6 = Address(request.AddressV6, true, same);
        if (v4 is null && v6 is null) throw new RequestException(ForwarderError.BadRequest, "a tunnel needs an inner address");
        IReadOnlyList<IpPrefix> routes = Routes(request.Routes, v4 is not null, v6 is not null);
        foreach (TunnelState other in mine.Where(t => t != same))
            if (KernelPlan.Claimed(routes).Intersect(KernelPlan.Claimed(other.Routes)).FirstOrDefault() is var clash && clash != default)
                throw new RequestException(ForwarderError.DestinationRefused, $"{clash} goes through your tunnel to {other.Gateway} already; narrow the destinations, or take that one down");
        if (request.Mtu is < 1280 or > 65535) throw new RequestException(ForwarderError.BadRequest, $"an MTU of {request.Mtu} is not between 1280 and 65535");

        var tunnel = new TunnelState
        {
            Uid = uid,
            Gateway = gateway,
            User = user,
            AddressV4 = v4,
            AddressV6 = v6,
            Routes = routes,
            Mtu = request.Mtu,
            // Always a new one: the process that read the old one may not have let go of it.
            Device = FreeDevice(),
            FastPath = request.FastPath && config() is { FastPath: true, OwnerLookup: OwnerLookupMode.Kernel } && kernel.CanGuardDevices,
            Table = mine.Count > 0 ? mine[0].Table : FreeTable(),
            Transport = request.Transport is { } transport && TransportText().IsMatch(transport) ? transport : "unknown",
            Chain = [.. (request.Chain ?? []).Take(16).Select(c => Name(c, "chain"))],
        };
        return (tunnel, same);
    }

    // "tls", or the way in front of it: text for a status list, in which nothing may mean anything to a shell or terminal.
    [GeneratedRegex(@"\Atls( via (ProxyCommand|(http|socks5) proxy [A-Za-z0-9._:%\[\]-]{1,255}))?\z")]
    internal static partial Regex TransportText();

    // Root reads these names in a status list, perhaps by a script: nothing in them may mean anything to a shell.
    private static string Name(string? text, string what) =>
        text is { Length: > 0 and <= 255 } && !text.Any(c => char.IsControl(c) || char.IsWhiteSpace(c) || "$`;&|<>()'\"*?!{}".Contains(c, StringComparison.Ordinal))
            ? text : throw new RequestException(ForwarderError.BadRequest, $"the {what} name is empty, too long or holds characters that no name has");

    private IpAddr? Address(string? text, bool v6, TunnelState? replaced)
    {
        if (text is null) return null;
        if (!IpAddr.TryParse(text, out IpAddr a) || a.IsV6 != v6) throw new RequestException(ForwarderError.BadRequest, $"'{text}' is not an IPv{(v6 ? 6 : 4)} address");
        if (!config().PermitAddress.Any(p => p.Contains(a)))
            throw new RequestException(ForwarderError.Denied, $"the server gives the inner address {a}, which is not for private use; other users' packets to it would suffer (PermitAddress in forwarder.conf)");
        if (v6 && !KernelState.HasIpv6) return null;
        if (replaced?.Address(v6) == a) return a;
        if (table.All.Any(t => t.Address(v6) == a)) throw new RequestException(ForwarderError.AddressInUse, $"the inner address {a} is in use by another tunnel on this host");
        if (kernel.Netlink.ListAddresses().Any(l => l.Address == a || (l.Address.IsV6 == v6 && new IpPrefix(l.Address, l.PrefixLength).Contains(a))))
            throw new RequestException(ForwarderError.AddressInUse, $"the inner address {a} lies in a network of this host");
        if (kernel.Netlink.ListRoutes(254).Any(r => !r.Destination.IsDefault && r.Destination.Contains(a)))
            throw new RequestException(ForwarderError.AddressInUse, $"this host has a route to the inner address {a}");
        if (InnerAddressUse.IsWanted(a)) throw new RequestException(ForwarderError.AddressInUse, $"programs of this host talk to the address {a}, or it is a name server of the host");
        return a;
    }

    private IReadOnlyList<IpPrefix> Routes(IReadOnlyList<string>? texts, bool v4, bool v6)
    {
        if (texts is null || texts.Count is 0 or > ProtocolConstants.MaxRoutes) throw new RequestException(ForwarderError.BadRequest, $"a tunnel carries 1 to {ProtocolConstants.MaxRoutes} destinations");
        var routes = new List<IpPrefix>();
        foreach (string text in texts)
        {
            if (!IpPrefix.TryParse(text, out IpPrefix p)) throw new RequestException(ForwarderError.BadRequest, $"'{text}' is not a CIDR block");
            if (!(p.IsV6 ? v6 : v4)) throw new RequestException(ForwarderError.BadRequest, $"{p} cannot be carried without an inner IPv{(p.IsV6 ? 6 : 4)} address");
            if (NeverTunnelled.Any(n => n.Contains(p))) throw new RequestException(ForwarderError.DestinationRefused, $"{p} stays on this host or link and is never tunnelled");
            if (!config().PermitDestination.Any(c => c.Contains(p))) throw new RequestException(ForwarderError.DestinationRefused, $"{p} is not within PermitDestination of forwarder.conf; name narrower destinations, or ask this host's administrator");
            if (!routes.Contains(p)) routes.Add(p);
        }
        return routes;
    }

    private string FreeDevice()
    {
        var taken = kernel.Netlink.ListLinks().Select(l => l.Name).Concat(table.All.Select(t => t.Device)).ToHashSet();
        return Enumerable.Range(0, int.MaxValue).Select(i => Marks.DevicePrefix + i).First(n => !taken.Contains(n));
    }

    private int FreeTable()
    {
        var taken = table.All.Select(t => t.Table).ToHashSet();
        return Enumerable.Range(Marks.FirstTable, int.MaxValue - Marks.FirstTable).First(t => !taken.Contains(t));
    }
}
