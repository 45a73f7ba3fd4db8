using System.Buffers.Binary;

namespace PersonalVpn.Kernel.Lab;

/// <summary>Reads captured TCP connections back and says whether each is TLS records and nothing else.</summary>
public static class TlsWitness
{
    /// <summary>
    /// Complaints about the packets of a capture: each packet that is neither TCP with the gateway's port nor
    /// housekeeping of the link, and each byte stream that is not a sequence of TLS records (RFC 8446 section 5.1).
    /// Empty when there is TLS only.
    /// </summary>
    /// <param name="packets">The capture.</param>
    /// <param name="gateway">The other end.</param>
    /// <param name="port">Its port.</param>
    /// <param name="preamble">How many bytes at the beginning of a stream are something else (a proxy's); null = none.</param>
    public static IReadOnlyList<string> Complaints(IEnumerable<WirePacket> packets, string gateway, int port = 443, Func<byte[], int>? preamble = null)
    {
        var complaints = new List<string>();
        var streams = new Dictionary<string, SortedDictionary<long, ReadOnlyMemory<byte>>>();
        var first = new Dictionary<string, uint>();
        foreach (WirePacket packet in packets.Where(p => !p.IsLinkHousekeeping))
        {
            if (packet.Protocol != 6 || !packet.Concerns(gateway) || (packet.SourcePort != port && packet.DestinationPort != port))
            {
                complaints.Add($"not the tunnel's: {packet}");
                continue;
            }
            string key = $"{packet.Source}:{packet.SourcePort}>{packet.Destination}:{packet.DestinationPort}";
            if ((packet.TcpFlags & 2) != 0)
                first[key] = packet.Sequence + 1;
            if (packet.Payload.Length == 0 || !first.TryGetValue(key, out uint start))
                continue; // connections older than the capture cannot be read from their first record on
            if (!streams.TryGetValue(key, out SortedDictionary<long, ReadOnlyMemory<byte>>? stream))
                streams[key] = stream = [];
            long offset = unchecked(packet.Sequence - start);
            if (!stream.TryGetValue(offset, out ReadOnlyMemory<byte> known) || known.Length < packet.Payload.Length)
                stream[offset] = packet.Payload; // a retransmission may be longer
        }
        foreach ((string key, SortedDictionary<long, ReadOnlyMemory<byte>> stream) in streams)
        {
            byte[] bytes = Join(stream);
            if (RecordComplaint(bytes.AsSpan(preamble?.Invoke(bytes) ?? 0)) is { } complaint)
                complaints.Add($"{key}: {complaint}");
        }
        return complaints;
    }

    /// <summary>True when any captured packet has the text in it, in the clear.</summary>
    public static bool Contains(IEnumerable<WirePacket> packets, string text) =>
        packets.Any(p => p.Bytes.Span.IndexOf(System.Text.Encoding.ASCII.GetBytes(text)) >= 0);

    private static byte[] Join(SortedDictionary<long, ReadOnlyMemory<byte>> segments)
    {
        using var joined = new MemoryStream();
        foreach ((long offset, ReadOnlyMemory<byte> segment) in segments)
        {
            if (offset > joined.Length)
                break; // the capture has a hole; what follows cannot be told apart
            long overlap = joined.Length - offset;
            if (overlap < segment.Length)
                joined.Write(segment.Span[(int)overlap..]);
        }
        return joined.ToArray();
    }

    // type (1): 20 change cipher spec, 21 alert, 22 handshake, 23 application data;
    // version (2): 03 01 in the first ClientHello, else 03 03; length (2): at most 2^14 + 256
    private static string? RecordComplaint(ReadOnlySpan<byte> stream)
    {
        int records = 0;
        for (int at = 0; at + 5 <= stream.Length; records++)
        {
            byte type = stream[at];
            ushort version = BinaryPrimitives.ReadUInt16BigEndian(stream[(at + 1)..]);
            ushort length = BinaryPrimitives.ReadUInt16BigEndian(stream[(at + 3)..]);
            if (type is < 20 or > 23 || version is not (0x0301 or 0x0303) || length > 16384 + 256)
                return $"byte {at} starts no TLS record (after {records} records): {Convert.ToHexString(stream.Slice(at, Math.Min(16, stream.Length - at)))}";
            if (records == 0 && type != 22)
                return $"the first record is no handshake but type {type}";
            at += 5 + length;
        }
        return null;
    }
}
