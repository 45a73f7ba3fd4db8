namespace PersonalVpn.Packets;

/// <summary>
/// What <see cref="PacketParser.TryParse"/> learned of one IP packet. A value without references: it stays valid as long as
/// the packet's bytes do. All offsets and lengths are in bytes from the start of the packet; ports are host-order numbers.
/// </summary>
public struct PacketInfo
{
    /// <summary>4 or 6.</summary>
    public byte Version { readonly get; internal set; }

    /// <summary>
    /// The upper-layer protocol, after any IPv6 extension headers. In a later fragment: what the fragment header names,
    /// which may be an extension header.
    /// </summary>
    public byte Protocol { readonly get; internal set; }

    /// <summary>The header's source address.</summary>
    public IpAddr Source { readonly get; internal set; }

    /// <summary>The header's destination address.</summary>
    public IpAddr Destination { readonly get; internal set; }

    /// <summary>Where the transport header begins; in a later fragment, where its data begins.</summary>
    public int TransportOffset { readonly get; internal set; }

    /// <summary>Length of the whole packet: always the length of the span that was parsed.</summary>
    public int TotalLength { readonly get; internal set; }

    /// <summary>Source port; the identifier of an ICMP echo; 0 for other protocols and later fragments.</summary>
    public ushort SourcePort { readonly get; internal set; }

    /// <summary>Destination port; the identifier of an ICMP echo; 0 for other protocols and later fragments.</summary>
    public ushort DestinationPort { readonly get; internal set; }

    /// <summary>TCP control bits (<see cref="Packets.TcpFlags"/>), 0 for other protocols.</summary>
    public byte TcpFlags { readonly get; internal set; }

    /// <summary>Transport header with its options; 0 for opaque protocols and later fragments.</summary>
    public int TransportHeaderLength { readonly get; internal set; }

    /// <summary>Where the transport's payload begins: also the length of all headers together.</summary>
    public int PayloadOffset { readonly get; internal set; }

    /// <summary>Payload bytes in this packet. For UDP what its length field says (RFC 9868 allows a surplus behind it).</summary>
    public int PayloadLength { readonly get; internal set; }

    /// <summary>One of several fragments. An IPv6 atomic fragment (RFC 6946) is a whole packet, so false.</summary>
    public bool IsFragment { readonly get; internal set; }

    /// <summary>A fragment at offset 0: it has the transport header.</summary>
    public bool IsFirstFragment { readonly get; internal set; }

    /// <summary>More fragments follow (MF or M flag).</summary>
    public bool MoreFragments { readonly get; internal set; }

    /// <summary>Offset of this fragment's data in the original's fragmentable part, in bytes.</summary>
    public int FragmentOffset { readonly get; internal set; }

    /// <summary>IPv4 identification (16 bits, also of whole packets) or the one of the IPv6 fragment header (32 bits).</summary>
    public uint FragmentId { readonly get; internal set; }

    /// <summary>IPv4 "don't fragment". False for IPv6, whose routers never fragment.</summary>
    public bool DontFragment { readonly get; internal set; }

    /// <summary>ICMP or ICMPv6 type; 0 when <see cref="IsIcmp"/> is false.</summary>
    public byte IcmpType { readonly get; internal set; }

    /// <summary>ICMP or ICMPv6 code; 0 when <see cref="IsIcmp"/> is false.</summary>
    public byte IcmpCode { readonly get; internal set; }

    /// <summary>IPv4 TTL or IPv6 hop limit.</summary>
    public byte HopLimit { readonly get; internal set; }

    /// <summary>The packet's direction of its flow: source to destination.</summary>
    public readonly FlowKey Flow => new(Protocol, Source, SourcePort, Destination, DestinationPort);

    /// <summary>True for IPv6.</summary>
    public readonly bool IsV6 => Version == 6;

    /// <summary>Bytes from the transport header to the end of the packet.</summary>
    public readonly int TransportLength => TotalLength - TransportOffset;

    /// <summary>The transport header is here: a whole packet or the first fragment of one.</summary>
    public readonly bool HasTransportHeader => !IsFragment || IsFirstFragment;

    /// <summary>TCP, in a later fragment too.</summary>
    public readonly bool IsTcp => Protocol == IpProtocol.Tcp;

    /// <summary>UDP, in a later fragment too.</summary>
    public readonly bool IsUdp => Protocol == IpProtocol.Udp;

    /// <summary>ICMP in IPv4 or ICMPv6 in IPv6, in a later fragment too; the other way round is an opaque protocol.</summary>
    public readonly bool IsIcmp => Protocol == (Version == 4 ? IpProtocol.Icmp : IpProtocol.IcmpV6);

    /// <summary>
    /// An ICMP error, with the beginning of the packet it is about: destination unreachable, source quench, redirect, time exceeded,
    /// parameter problem (RFC 1122 3.2.2); ICMPv6 types below 128 (RFC 4443 2.1).
    /// </summary>
    public readonly bool IsIcmpError => HasTransportHeader && IsIcmp && IsErrorType(Version, IcmpType);

    /// <summary>An ICMP echo request or reply: the identifier stands for both ports.</summary>
    public readonly bool IsIcmpEcho => HasTransportHeader && IsIcmp && IsEchoType(Version, IcmpType);

    /// <summary>A TCP segment that opens a connection: SYN without ACK.</summary>
    public readonly bool IsTcpOpen => IsTcp && (TcpFlags & (Packets.TcpFlags.Syn | Packets.TcpFlags.Ack)) == Packets.TcpFlags.Syn;

    internal static bool IsErrorType(byte version, byte type) => version == 4 ? type is 3 or 4 or 5 or 11 or 12 : type < 128;

    internal static bool IsEchoType(byte version, byte type) => version == 4 ? type is 0 or 8 : type is 128 or 129;
}
