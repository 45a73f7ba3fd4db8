namespace PersonalVpn.Packets;

/// <summary>
/// The 5-tuple of one direction of a flow. Ports are host-order numbers; for an ICMP echo both carry the identifier
/// (RFC 792, RFC 4443 4.1); for protocols without ports both are 0.
/// </summary>
/// <param name="Protocol">The transport's IP protocol number: 6 TCP, 17 UDP, 1 ICMP, 58 ICMPv6.</param>
/// <param name="Source">Sender of this direction.</param>
/// <param name="SourcePort">Sender's port.</param>
/// <param name="Destination">Receiver of this direction.</param>
/// <param name="DestinationPort">Receiver's port.</param>
public readonly record struct FlowKey(byte Protocol, IpAddr Source, ushort SourcePort, IpAddr Destination, ushort DestinationPort)
{
    /// <summary>The same flow seen from the other side.</summary>
    public FlowKey Reverse() => new(Protocol, Destination, DestinationPort, Source, SourcePort);
}
