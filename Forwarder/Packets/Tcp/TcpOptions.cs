using System.Buffers.Binary;

namespace PersonalVpn.Packets;

/// <summary>The TCP options that the packet path needs (RFC 9293 3.1, 3.7.1).</summary>
public static class TcpOptions
{
    private const byte End = 0;
    private const byte NoOperation = 1;
    private const byte MaximumSegmentSize = 2;

    /// <summary>Bytes of options, padding included: what a segment of this flow has less room for, as timestamps repeat on each.</summary>
    public static int OptionsLength(in PacketInfo info) =>
        info.IsTcp && info.HasTransportHeader ? info.TransportHeaderLength - HeaderLayout.TcpMinimum : 0;

    /// <summary>Reads the maximum segment size that a SYN or SYN-ACK announces: payload plus options, in bytes.</summary>
    /// <returns>False when it is no SYN, or has no such option, or a malformed one.</returns>
    public static bool TryGetMss(ReadOnlySpan<byte> packet, in PacketInfo info, out ushort mss)
    {
        int at = FindMss(packet, info);
        mss = at < 0 ? (ushort)0 : BinaryPrimitives.ReadUInt16BigEndian(packet[at..]);
        return at >= 0;
    }

    /// <summary>
    /// Lowers the announced maximum segment size to <paramref name="max"/>; never raises it, never adds the option.
    /// </summary>
    /// <param name="packet">The packet, changed in place.</param>
    /// <param name="info">What <see cref="PacketParser.TryParse"/> said of it.</param>
    /// <param name="max">The greatest value that may be announced.</param>
    /// <param name="partialChecksum">True when the checksum is partial: it covers only the pseudo-header and is left as it is.
    /// False: it is updated incrementally (RFC 1624).</param>
    /// <returns>True when the packet was changed.</returns>
    public static bool ClampMss(Span<byte> packet, in PacketInfo info, ushort max, bool partialChecksum = false)
    {
        int at = FindMss(packet, info);
        if (at < 0) return false;
        ushort old = BinaryPrimitives.ReadUInt16BigEndian(packet[at..]);
        if (old <= max) return false;
        BinaryPrimitives.WriteUInt16BigEndian(packet[at..], max);
        if (partialChecksum) return true;
        bool odd = ((at - info.TransportOffset) & 1) != 0;
        Span<byte> field = packet[(info.TransportOffset + HeaderLayout.TcpChecksum)..];
        ushort checksum = BinaryPrimitives.ReadUInt16BigEndian(field);
        checksum = odd
            ? InternetChecksum.Update(checksum, BinaryPrimitives.ReverseEndianness(old), BinaryPrimitives.ReverseEndianness(max))
            : InternetChecksum.Update(checksum, old, max);
        BinaryPrimitives.WriteUInt16BigEndian(field, checksum);
        return true;
    }

    // Offset of the option's value in the packet, -1 when there is none. Only SYN segments may carry it.
    private static int FindMss(ReadOnlySpan<byte> packet, in PacketInfo info)
    {
        if (!info.IsTcp || (info.TcpFlags & TcpFlags.Syn) == 0) return -1;
        int at = info.TransportOffset + HeaderLayout.TcpMinimum;
        int end = info.PayloadOffset;
        while (at < end && packet[at] != End)
        {
            if (packet[at] == NoOperation)
            {
                at++;
                continue;
            }

            if (end - at < 2 || packet[at + 1] < 2 || packet[at + 1] > end - at) return -1;
            if (packet[at] == MaximumSegmentSize) return packet[at + 1] == 4 ? at + 2 : -1;
            at += packet[at + 1];
        }

        return -1;
    }
}
