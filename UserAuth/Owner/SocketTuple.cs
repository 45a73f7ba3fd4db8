using System.Buffers.Binary;
using System.Net;

namespace PersonalVpn.UserAuth;

/// <summary>
/// A packet's 5-tuple seen from the local socket that could have sent it. Addresses are numbers in host order, IPv4 in
/// the low 32 bits; ports are host-order numbers. For an ICMP echo the local port is the identifier and the remote
/// port 0; protocols without ports have 0 in both.
/// </summary>
/// <param name="Protocol">IP protocol number: 6 TCP, 17 UDP, 136 UDP-Lite, 1 ICMP, 58 ICMPv6, others raw.</param>
/// <param name="IsV6">Whether the packet is IPv6. An IPv4 packet of a v4-mapped socket is IPv4 here.</param>
/// <param name="LocalAddress">Source address of the packet.</param>
/// <param name="LocalPort">Source port, or ICMP echo identifier.</param>
/// <param name="RemoteAddress">Destination address of the packet.</param>
/// <param name="RemotePort">Destination port.</param>
public readonly record struct SocketTuple(
    byte Protocol, bool IsV6, UInt128 LocalAddress, ushort LocalPort, UInt128 RemoteAddress, ushort RemotePort)
{
    /// <summary>A tuple from class library end points; both must be of one family, v4-mapped addresses become IPv4.</summary>
    /// <param name="protocol">IP protocol number.</param>
    /// <param name="local">Local end.</param>
    /// <param name="remote">Remote end.</param>
    /// <exception cref="ArgumentException">The two ends are of different families.</exception>
    public static SocketTuple From(byte protocol, IPEndPoint local, IPEndPoint remote)
    {
        ArgumentNullException.ThrowIfNull(local);
        ArgumentNullException.ThrowIfNull(remote);
        UInt128 localNumber = Number(local.Address, out bool localV6);
        UInt128 remoteNumber = Number(remote.Address, out bool remoteV6);
        if (localV6 != remoteV6)
        {
            throw new ArgumentException("local and remote address are of different families", nameof(remote));
        }
        return new SocketTuple(protocol, localV6, localNumber, (ushort)local.Port, remoteNumber, (ushort)remote.Port);
    }

    private static UInt128 Number(IPAddress address, out bool isV6)
    {
        if (address.IsIPv4MappedToIPv6)
        {
            address = address.MapToIPv4();
        }
        byte[] bytes = address.GetAddressBytes();
        isV6 = bytes.Length == 16;
        return isV6 ? BinaryPrimitives.ReadUInt128BigEndian(bytes) : BinaryPrimitives.ReadUInt32BigEndian(bytes);
    }
}
