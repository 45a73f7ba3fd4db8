namespace PersonalVpn.Packets;

/// <summary>IP protocol numbers that the packet path names (IANA "Assigned Internet Protocol Numbers").</summary>
public static class IpProtocol
{
    /// <summary>IPv6 hop-by-hop options (RFC 8200 4.3).</summary>
    public const byte HopByHop = 0;

    /// <summary>ICMP for IPv4 (RFC 792).</summary>
    public const byte Icmp = 1;

    /// <summary>TCP (RFC 9293).</summary>
    public const byte Tcp = 6;

    /// <summary>UDP (RFC 768).</summary>
    public const byte Udp = 17;

    /// <summary>IPv6 routing header (RFC 8200 4.4).</summary>
    public const byte Routing = 43;

    /// <summary>IPv6 fragment header (RFC 8200 4.5).</summary>
    public const byte Fragment = 44;

    /// <summary>Encapsulating security payload (RFC 4303): opaque.</summary>
    public const byte Esp = 50;

    /// <summary>Authentication header (RFC 4302).</summary>
    public const byte Authentication = 51;

    /// <summary>ICMP for IPv6 (RFC 4443).</summary>
    public const byte IcmpV6 = 58;

    /// <summary>IPv6 "no next header" (RFC 8200 4.7).</summary>
    public const byte NoNextHeader = 59;

    /// <summary>IPv6 destination options (RFC 8200 4.6).</summary>
    public const byte DestinationOptions = 60;

    /// <summary>UDP-Lite (RFC 3828).</summary>
    public const byte UdpLite = 136;
}

/// <summary>The control bits of a TCP header, byte 13 (RFC 9293 3.1, RFC 3168 6.1 for ECE and CWR).</summary>
public static class TcpFlags
{
    /// <summary>No more data from the sender.</summary>
    public const byte Fin = 0x01;

    /// <summary>Synchronise sequence numbers.</summary>
    public const byte Syn = 0x02;

    /// <summary>Reset the connection.</summary>
    public const byte Rst = 0x04;

    /// <summary>Push function.</summary>
    public const byte Psh = 0x08;

    /// <summary>The acknowledgement field is significant.</summary>
    public const byte Ack = 0x10;

    /// <summary>The urgent pointer is significant.</summary>
    public const byte Urg = 0x20;

    /// <summary>ECN echo.</summary>
    public const byte Ece = 0x40;

    /// <summary>Congestion window reduced.</summary>
    public const byte Cwr = 0x80;
}

/// <summary>Sizes and offsets of the headers, in bytes.</summary>
internal static class HeaderLayout
{
    public const int Ipv4Minimum = 20;
    public const int Ipv6 = 40;
    public const int TcpMinimum = 20;
    public const int Udp = 8;
    public const int Icmp = 8;
    public const int Ipv6Fragment = 8;
    public const int MaxIpPayload = 65535;

    // Where the 16-bit checksum lies within its header.
    public const int TcpChecksum = 16;
    public const int UdpChecksum = 6;
    public const int IcmpChecksum = 2;
    public const int Ipv4Checksum = 10;

    /// <summary>Offset of the checksum in the transport header, or -1 for a protocol that is opaque to us.</summary>
    public static int ChecksumOffset(in PacketInfo info) => info.Protocol switch
    {
        IpProtocol.Tcp => TcpChecksum,
        IpProtocol.Udp or IpProtocol.UdpLite => UdpChecksum,
        IpProtocol.Icmp when info.Version == 4 => IcmpChecksum,
        IpProtocol.IcmpV6 when info.Version == 6 => IcmpChecksum,
        _ => -1,
    };
}
