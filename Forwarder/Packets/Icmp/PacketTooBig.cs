using System.Buffers.Binary;

namespace PersonalVpn.Packets;

/// <summary>Path MTU discovery's message: ICMP "fragmentation needed" (RFC 1191 4) and ICMPv6 "packet too big" (RFC 4443 3.2).</summary>
public static class PacketTooBig
{
    /// <summary>The smallest MTU that may be believed in IPv4 (RFC 1191 3).</summary>
    public const int MinimumV4 = 68;

    /// <summary>The smallest MTU that may be believed in IPv6 (RFC 8201 4).</summary>
    public const int MinimumV6 = 1280;

    /// <summary>
    /// Reads the MTU that such a message announces. Whether it is about a flow of ours is told by
    /// <see cref="PacketParser.TryParseEmbedded"/>, and must be asked before it is believed.
    /// </summary>
    /// <returns>False for other packets, and for an MTU that must not be believed: below the minimum (routers older than
    /// RFC 1191 say 0), or beyond any IP packet.</returns>
    public static bool TryGetMtu(ReadOnlySpan<byte> packet, in PacketInfo info, out int mtu)
    {
        mtu = 0;
        if (!info.IsIcmpError) return false;
        ReadOnlySpan<byte> icmp = packet[info.TransportOffset..];
        if (!info.IsV6)
        {
            if (info.IcmpType != 3 || info.IcmpCode != 4) return false;
            mtu = BinaryPrimitives.ReadUInt16BigEndian(icmp[6..]);
            return mtu >= MinimumV4;
        }

        if (info.IcmpType != 2) return false;
        uint announced = BinaryPrimitives.ReadUInt32BigEndian(icmp[4..]);
        if (announced is < MinimumV6 or > HeaderLayout.Ipv6 + HeaderLayout.MaxIpPayload) return false;
        mtu = (int)announced;
        return true;
    }
}
