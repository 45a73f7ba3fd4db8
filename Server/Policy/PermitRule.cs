using System.Globalization;
using PersonalVpn.Packets;
using PersonalVpn.Tunnel.Configuration;

namespace PersonalVpn.Server;

/// <summary><c>CIDR[:ports]</c>: destinations a user may reach; ports are one number or <c>from-to</c> and mean TCP and UDP alone.</summary>
internal readonly record struct PermitRule(IpPrefix Destination, ushort FirstPort, ushort LastPort)
{
    public bool AllPorts => FirstPort == 0 && LastPort == ushort.MaxValue;

    /// <summary>True when a packet to this place matches. A rule with ports matches no other protocol than TCP, UDP and UDP-Lite.</summary>
    public bool Matches(in PacketInfo packet) =>
        Destination.Contains(packet.Destination) &&
        (AllPorts || (packet.Protocol is IpProtocol.Tcp or IpProtocol.Udp or IpProtocol.UdpLite &&
            packet.DestinationPort >= FirstPort && packet.DestinationPort <= LastPort));

    public static PermitRule All(IpPrefix destination) => new(destination, 0, ushort.MaxValue);

    public static PermitRule Parse(KeywordLine line)
    {
        string text = line.Value, ports = "";
        int slash = text.IndexOf('/', StringComparison.Ordinal);
        // The port follows the prefix length; without one, only an IPv4 address can be told from its port.
        int colon = slash >= 0 ? text.IndexOf(':', slash) : text.Count(c => c == ':') == 1 ? text.IndexOf(':', StringComparison.Ordinal) : -1;
        if (colon >= 0)
        {
            ports = text[(colon + 1)..];
            text = text[..colon];
        }
        if (!IpPrefix.TryParse(text, out IpPrefix prefix)) throw line.Error($"'{line.Value}' is not CIDR[:ports] such as 10.0.0.0/8 or 10.1.0.0/16:443 or fd00::/64:8000-8080");
        if (colon < 0) return All(prefix);
        string[] ends = ports.Split('-');
        if (ends.Length > 2 || !TryPort(ends[0], out ushort first) || !TryPort(ends[^1], out ushort last) || last < first)
            throw line.Error($"'{ports}' is not a port or a range such as 8000-8080");
        return new PermitRule(prefix, first, last);
    }

    private static bool TryPort(string text, out ushort port) =>
        ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out port) && port > 0;
}
