using System.Globalization;
using PersonalVpn.Packets;
using PersonalVpn.Tunnel.Configuration;

namespace PersonalVpn.Server.Relay;

/// <summary>
/// One place that AllowRelay names: <c>host:port</c>, matched by the name as the client says it, or <c>CIDR:port</c>, matched by the
/// address that the name has here. IPv6: <c>[fd00::1]:443</c>, <c>[fd00::/64]:443</c>.
/// </summary>
internal sealed record RelayRule(string? Host, IpPrefix Network, ushort Port)
{
    /// <summary>Reads one.</summary>
    /// <exception cref="ConfigurationException">It is neither.</exception>
    public static RelayRule Parse(KeywordLine line, string text)
    {
        int colon = text.LastIndexOf(':');
        if (colon > 0 && ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out ushort port) && port > 0)
        {
            string place = text[..colon];
            bool bracketed = place.StartsWith('[') && place.EndsWith(']');
            if (bracketed) place = place[1..^1];
            if (IpPrefix.TryParse(place, out IpPrefix network) && network.IsV6 == bracketed) return new RelayRule(null, network, port);
            if (!bracketed && Uri.CheckHostName(place) == UriHostNameType.Dns) return new RelayRule(place, default, port);
        }
        throw line.Error($"'{text}' is not host:port or CIDR:port such as gw2.example.org:443, 10.1.0.0/16:443 or [fd00::/64]:443");
    }
}
