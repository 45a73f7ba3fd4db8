using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace PersonalVpn.Packets;

/// <summary>
/// The Internet checksum (RFC 1071): the 16-bit ones' complement sum. A <em>sum</em> here is a number in network byte order that
/// has not been complemented yet; a <em>checksum</em> is what stands in a header: the complement of the folded sum.
/// A <em>partial</em> checksum is what the kernel leaves in a header for the network card to finish: the folded, uncomplemented
/// pseudo-header sum (Linux include/linux/skbuff.h, CHECKSUM_PARTIAL).
/// </summary>
public static partial class InternetChecksum
{
    /// <summary>
    /// Adds the bytes to a sum. An odd last byte counts as the high half of a word (RFC 1071 1), so only the last piece of
    /// several may have an odd length.
    /// </summary>
    /// <param name="data">The bytes, in any alignment.</param>
    /// <param name="initial">The sum of what came before, 0 to begin.</param>
    /// <returns>A sum for <see cref="Fold"/>, <see cref="FoldComplement"/> or as the next <paramref name="initial"/>.</returns>
    public static uint Sum(ReadOnlySpan<byte> data, uint initial = 0)
    {
        // The sum is the same in either byte order but for one swap at the end (RFC 1071 2(B)), and the same in words of
        // 16, 32 or 64 bits when carries come around (2(C)); so we add native 32-bit halves in 64-bit lanes.
        ulong total = 0;
        ReadOnlySpan<Vector256<ulong>> blocks = MemoryMarshal.Cast<byte, Vector256<ulong>>(data);
        if (!blocks.IsEmpty)
        {
            Vector256<ulong> low = Vector256<ulong>.Zero;
            Vector256<ulong> high = Vector256<ulong>.Zero;
            Vector256<ulong> mask = Vector256.Create(0xffff_fffful);
            foreach (Vector256<ulong> block in blocks)
            {
                low += block & mask;
                high += Vector256.ShiftRightLogical(block, 32);
            }

            // Each lane is below 2^32 times the number of blocks (at most 2^26 of a span), so nothing overflowed.
            total = Vector256.Sum(low + high);
            data = data[(blocks.Length * 32)..];
        }

        while (data.Length >= 4)
        {
            total += MemoryMarshal.Read<uint>(data);
            data = data[4..];
        }

        if (data.Length >= 2)
        {
            total += MemoryMarshal.Read<ushort>(data);
            data = data[2..];
        }

        if (!data.IsEmpty) total += BitConverter.IsLittleEndian ? data[0] : (uint)data[0] << 8;
        total = (total & 0xffff_ffff) + (total >> 32);
        total = (total & 0xffff_ffff) + (total >> 32);
        ushort folded = Fold((uint)total);
        return Add(initial, BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(folded) : folded);
    }

    /// <summary>Folds a sum to 16 bits, <em>not</em> complemented: the form of a partial checksum.</summary>
    public static ushort Fold(uint sum)
    {
        sum = (sum & 0xffff) + (sum >> 16);
        return (ushort)(sum + (sum >> 16));
    }

    /// <summary>Folds a sum and complements it: the form of a finished checksum.</summary>
    public static ushort FoldComplement(uint sum) => (ushort)~Fold(sum);

    /// <summary>Adds two sums, the carry coming around.</summary>
    public static uint Add(uint left, uint right)
    {
        uint sum = left + right;
        return sum < left ? sum + 1 : sum;
    }

    /// <summary>
    /// The checksum after one 16-bit word under it changed: HC' = ~(~HC + ~m + m') (RFC 1624 3, equation 3).
    /// For a word that begins at an odd offset swap the bytes of both words. Not for partial checksums: they do not cover
    /// transport words.
    /// </summary>
    public static ushort Update(ushort checksum, ushort oldWord, ushort newWord) =>
        FoldComplement((uint)(ushort)~checksum + (ushort)~oldWord + newWord);

    /// <summary>
    /// The sum of the pseudo-header: both addresses, protocol, transport length (RFC 9293 3.1, RFC 768, RFC 8200 8.1).
    /// </summary>
    public static uint PseudoHeader(in PacketInfo info, int transportLength)
    {
        ulong sum = (ulong)info.Protocol + (uint)transportLength;
        sum += Words(info.Source) + Words(info.Destination);
        sum = (sum & 0xffff_ffff) + (sum >> 32);
        return (uint)((sum & 0xffff_ffff) + (sum >> 32));
    }

    /// <summary>
    /// Finishes a partial checksum in place, as the kernel's skb_checksum_help does; does nothing when none is pending.
    /// A result of 0 is written as 0xffff: for UDP 0 would mean "no checksum" (RFC 768), for others both are the same number.
    /// </summary>
    /// <param name="packet">The packet; its checksum field holds the folded pseudo-header sum.</param>
    /// <param name="offload">Metadata that <see cref="OffloadMetadata.Validate"/> accepted for this packet.</param>
    public static void CompletePartial(Span<byte> packet, in OffloadMetadata offload)
    {
        if (!offload.NeedsChecksum) return;
        Span<byte> covered = packet[offload.ChecksumStart..];
        ushort checksum = FoldComplement(Sum(covered));
        BinaryPrimitives.WriteUInt16BigEndian(covered[offload.ChecksumOffset..], checksum == 0 ? (ushort)0xffff : checksum);
    }

    // The address as a sum of 32-bit words.
    private static ulong Words(in IpAddr address)
    {
        UInt128 value = address.Value;
        return (uint)value + (ulong)(uint)(value >> 32) + (uint)(value >> 64) + (uint)(value >> 96);
    }
}
