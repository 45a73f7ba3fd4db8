using System.Buffers.Binary;
using PersonalVpn.Packets;
using PersonalVpn.Tunnel.Protocol;

namespace PersonalVpn.Load;

/// <summary>PACKET frames as a client makes them.</summary>
internal static class Frames
{
    private const ushort DiscardPort = 9;
    private const int SegmentSize = 1448;

    /// <summary>About 64 KB of frames to send again and again.</summary>
    public static byte[] Batch(string kind, IpAddr from, IpAddr to)
    {
        byte[] one = kind == "udp" ? Udp(from, to, 1200 - 28) : Superpacket(from, to, 44 * SegmentSize);
        int count = Math.Max(1, 65536 / one.Length);
        return [.. Enumerable.Repeat(one, count).SelectMany(b => b)];
    }

    public static byte[] Echo(IpAddr from, IpAddr to)
    {
        byte[] icmp = new byte[16];
        icmp[0] = 8;
        return Frame(from, to, 1, icmp, 0);
    }

    private static byte[] Udp(IpAddr from, IpAddr to, int payload)
    {
        byte[] udp = new byte[8 + payload];
        BinaryPrimitives.WriteUInt16BigEndian(udp, 40000);
        BinaryPrimitives.WriteUInt16BigEndian(udp.AsSpan(2), DiscardPort);
        BinaryPrimitives.WriteUInt16BigEndian(udp.AsSpan(4), (ushort)udp.Length);
        return Frame(from, to, 17, udp, 0);
    }

    private static byte[] Superpacket(IpAddr from, IpAddr to, int payload)
    {
        byte[] tcp = new byte[20 + payload];
        BinaryPrimitives.WriteUInt16BigEndian(tcp, 40000);
        BinaryPrimitives.WriteUInt16BigEndian(tcp.AsSpan(2), DiscardPort);
        tcp[12] = 5 << 4;
        tcp[13] = 0x10;
        return Frame(from, to, 6, tcp, SegmentSize);
    }

    private static byte[] Frame(IpAddr from, IpAddr to, byte protocol, ReadOnlySpan<byte> transport, int segment)
    {
        byte[] frame = new byte[ProtocolConstants.PacketPrefixSize + 20 + transport.Length];
        Span<byte> packet = frame.AsSpan(ProtocolConstants.PacketPrefixSize);
        packet[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(packet[2..], (ushort)packet.Length);
        packet[8] = 64;
        packet[9] = protocol;
        from.Write(packet[12..]);
        to.Write(packet[16..]);
        transport.CopyTo(packet[20..]);
        if (PacketParser.TryParse(packet, out PacketInfo info) != PacketError.None) throw new InvalidOperationException("the packet is not well-formed");
        InternetChecksum.FillIpv4Header(packet);
        OffloadMetadata offload = default;
        if (segment > 0)
        {
            offload = OffloadMetadata.ForPartial(info, segment);
            // The kernel expects the folded sum of the pseudo-header, not complemented.
            BinaryPrimitives.WriteUInt16BigEndian(packet[(20 + 16)..], InternetChecksum.Fold(InternetChecksum.PseudoHeader(info, transport.Length)));
        }
        else InternetChecksum.FillTransport(packet, info);
        FrameHeader.Write(frame, FrameType.Packet, frame.Length - ProtocolConstants.FrameHeaderSize);
        offload.Write(frame.AsSpan(ProtocolConstants.FrameHeaderSize));
        return frame;
    }
}
