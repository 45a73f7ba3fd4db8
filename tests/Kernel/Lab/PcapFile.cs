using System.Buffers.Binary;
using System.Net;

namespace PersonalVpn.Kernel.Lab;

/// <summary>One IP packet seen by a tap.</summary>
/// <param name="Source">Source address.</param>
/// <param name="Destination">Destination address.</param>
/// <param name="Protocol">Protocol or next header number: 1 ICMP, 6 TCP, 17 UDP, 58 ICMPv6.</param>
/// <param name="SourcePort">TCP or UDP source port, else 0.</param>
/// <param name="DestinationPort">TCP or UDP destination port, else 0.</param>
/// <param name="Sequence">TCP sequence number, host order.</param>
/// <param name="TcpFlags">TCP flags: FIN 1, SYN 2, RST 4.</param>
/// <param name="Payload">What follows the TCP, UDP or ICMP header.</param>
/// <param name="Bytes">The whole IP packet as far as it was captured.</param>
public sealed record WirePacket(IPAddress Source, IPAddress Destination, byte Protocol, int SourcePort, int DestinationPort,
    uint Sequence, byte TcpFlags, ReadOnlyMemory<byte> Payload, ReadOnlyMemory<byte> Bytes)
{
    /// <summary>True when this is neighbour discovery, router or multicast housekeeping of the link itself.</summary>
    public bool IsLinkHousekeeping => Protocol == 58 && (Destination.IsIPv6Multicast || Destination.IsIPv6LinkLocal
        || Source.IsIPv6LinkLocal || (Payload.Length > 0 && Bytes.Span[40] is >= 133 and <= 137))
        || (Protocol == 0 && Destination.IsIPv6Multicast); // hop-by-hop: multicast listener reports

    /// <summary>Source or destination equals the address.</summary>
    public bool Concerns(string address) => IPAddress.Parse(address) is var ip && (Source.Equals(ip) || Destination.Equals(ip));

    /// <summary>For messages: addresses, protocol and ports.</summary>
    public override string ToString() => $"{Source}:{SourcePort} > {Destination}:{DestinationPort} protocol {Protocol}, {Bytes.Length} bytes";
}

/// <summary>
/// What tcpdump wrote (pcap, Ethernet). A parser of its own, so that the witness does not rely on the code it watches.
/// Format: draft-ietf-opsawg-pcap.
/// </summary>
public static class PcapFile
{
    /// <summary>All IP packets of a capture; ARP and the like are left out.</summary>
    public static IReadOnlyList<WirePacket> Read(string path)
    {
        // Global header, 24 bytes: magic, version, zone, accuracy, snapshot length, link type.
        // Then for each packet: seconds, microseconds, captured length, length on the wire, and the bytes. Host byte order.
        byte[] file = File.ReadAllBytes(path);
        Assert.True(file.Length >= 24 && BinaryPrimitives.ReadUInt32LittleEndian(file) == 0xa1b2c3d4, $"{path} is not a pcap file");
        Assert.Equal(1u, BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(20))); // Ethernet
        var packets = new List<WirePacket>();
        for (int at = 24; at + 16 <= file.Length;)
        {
            int captured = BinaryPrimitives.ReadInt32LittleEndian(file.AsSpan(at + 8));
            at += 16;
            if (at + captured > file.Length)
                break; // tcpdump was stopped while writing
            if (Parse(file.AsMemory(at, captured)) is { } packet)
                packets.Add(packet);
            at += captured;
        }
        return packets;
    }

    private static WirePacket? Parse(ReadOnlyMemory<byte> frame)
    {
        if (frame.Length < 14 + 20)
            return null;
        ushort type = BinaryPrimitives.ReadUInt16BigEndian(frame.Span[12..]);
        ReadOnlyMemory<byte> ip = frame[14..];
        ReadOnlySpan<byte> head = ip.Span;
        if (type == 0x0800)
        {
            int headerLength = (head[0] & 15) * 4;
            bool laterFragment = (BinaryPrimitives.ReadUInt16BigEndian(head[6..]) & 0x1fff) != 0;
            int total = BinaryPrimitives.ReadUInt16BigEndian(head[2..]);
            if (total > 0 && total < ip.Length)
                ip = ip[..total]; // Ethernet padding
            return Transport(ip, new IPAddress(head.Slice(12, 4)), new IPAddress(head.Slice(16, 4)), head[9], headerLength, laterFragment);
        }
        if (type == 0x86dd && head.Length >= 40)
            return Transport(ip, new IPAddress(head.Slice(8, 16)), new IPAddress(head.Slice(24, 16)), head[6], 40, laterFragment: false);
        return null;
    }

    private static WirePacket Transport(ReadOnlyMemory<byte> ip, IPAddress source, IPAddress destination, byte protocol,
        int offset, bool laterFragment)
    {
        ReadOnlySpan<byte> header = ip.Length > offset ? ip.Span[offset..] : default;
        if (laterFragment || header.Length < 8)
            return new WirePacket(source, destination, protocol, 0, 0, 0, 0, ip[Math.Min(offset, ip.Length)..], ip);
        int payload = offset + 8;
        uint sequence = 0;
        byte flags = 0;
        if (protocol == 6 && header.Length >= 20)
        {
            payload = offset + ((header[12] >> 4) * 4);
            sequence = BinaryPrimitives.ReadUInt32BigEndian(header[4..]);
            flags = header[13];
        }
        bool ports = protocol is 6 or 17;
        return new WirePacket(source, destination, protocol,
            ports ? BinaryPrimitives.ReadUInt16BigEndian(header) : 0, ports ? BinaryPrimitives.ReadUInt16BigEndian(header[2..]) : 0,
            sequence, flags, ip[Math.Min(payload, ip.Length)..], ip);
    }
}
