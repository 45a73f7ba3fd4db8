using System.Buffers.Binary;
using PersonalVpn.Packets;

namespace PersonalVpn.Kernel.Linux;

/// <summary>
/// Complete packets for tests of this layer, built independently of the project's own packet library so that neither's mistakes
/// hide the other's.
/// </summary>
internal static class RawPackets
{
    /// <summary>A UDP datagram in an IP packet (RFC 791, RFC 8200, RFC 768), checksums complete.</summary>
    public static byte[] Udp(IpAddr from, ushort fromPort, IpAddr to, ushort toPort, ReadOnlySpan<byte> payload)
    {
        byte[] segment = new byte[8 + payload.Length];
        BinaryPrimitives.WriteUInt16BigEndian(segment, fromPort);
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(2), toPort);
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(4), (ushort)segment.Length);
        payload.CopyTo(segment.AsSpan(8));
        return Finish(from, to, 17, segment, 6);
    }

    /// <summary>A TCP segment (RFC 9293) with an MSS option if <paramref name="mss"/> is not 0.</summary>
    public static byte[] Tcp(
        IpAddr from, ushort fromPort, IpAddr to, ushort toPort, uint sequence, uint acknowledgement, byte flags, ushort window, ushort mss)
    {
        byte[] segment = new byte[mss == 0 ? 20 : 24];
        BinaryPrimitives.WriteUInt16BigEndian(segment, fromPort);
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(2), toPort);
        BinaryPrimitives.WriteUInt32BigEndian(segment.AsSpan(4), sequence);
        BinaryPrimitives.WriteUInt32BigEndian(segment.AsSpan(8), acknowledgement);
        segment[12] = (byte)(segment.Length / 4 << 4);
        segment[13] = flags;
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(14), window);
        if (mss != 0)
        {
            segment[20] = 2;
            segment[21] = 4;
            BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(22), mss);
        }

        return Finish(from, to, 6, segment, 16);
    }

    private static byte[] Finish(IpAddr from, IpAddr to, byte protocol, byte[] segment, int checksumAt)
    {
        byte[] pseudo = new byte[(2 * from.Size) + 8];
        from.Write(pseudo);
        to.Write(pseudo.AsSpan(from.Size));
        BinaryPrimitives.WriteUInt32BigEndian(pseudo.AsSpan(2 * from.Size), (uint)segment.Length);
        pseudo[^1] = protocol;
        ushort sum = Sum(pseudo, Sum(segment, 0));
        BinaryPrimitives.WriteUInt16BigEndian(segment.AsSpan(checksumAt), (ushort)~sum);

        byte[] header = new byte[from.IsV6 ? 40 : 20];
        if (from.IsV6)
        {
            header[0] = 0x60;
            BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(4), (ushort)segment.Length);
            header[6] = protocol;
            header[7] = 64;
            from.Write(header.AsSpan(8));
            to.Write(header.AsSpan(24));
        }
        else
        {
            header[0] = 0x45;
            BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(2), (ushort)(20 + segment.Length));
            header[8] = 64;
            header[9] = protocol;
            from.Write(header.AsSpan(12));
            to.Write(header.AsSpan(16));
            BinaryPrimitives.WriteUInt16BigEndian(header.AsSpan(10), (ushort)~Sum(header, 0));
        }

        return [.. header, .. segment];
    }

    private static ushort Sum(ReadOnlySpan<byte> bytes, uint sum)
    {
        for (int i = 0; i < bytes.Length; i++) sum += (uint)bytes[i] << (i % 2 == 0 ? 8 : 0);
        while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
        return (ushort)sum;
    }
}
