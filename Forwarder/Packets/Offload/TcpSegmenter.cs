using System.Buffers.Binary;

namespace PersonalVpn.Packets;

/// <summary>
/// Cuts a TCP superpacket into the segments that the kernel would have sent (net/ipv4/tcp_offload.c, tcp_gso_segment): the sequence
/// number advances, the IPv4 identification counts up, FIN and PSH stay on the last segment only, CWR on the first only (RFC 3168
/// 6.1.2), lengths and both checksums are right. The checksum in the superpacket, partial or not, is not used.
/// <para>Segments are written one by one into the caller's buffer; the superpacket is borrowed until the last one. After the loop
/// <see cref="Error"/> tells whether it ended because all was sent.</para>
/// </summary>
public ref struct TcpSegmenter
{
    private readonly ReadOnlySpan<byte> _packet;
    private readonly int _transport;
    private readonly int _headers;
    private readonly int _end;
    private readonly int _segmentSize;
    private readonly bool _isV4;
    private readonly byte _flags;
    private readonly ushort _id;
    private readonly uint _sequence;
    private readonly uint _addressSum;
    private int _offset;
    private ushort _index;
    private bool _done;

    /// <summary>Prepares to cut.</summary>
    /// <param name="superPacket">A whole TCP packet of any length; without payload it comes out as one segment.</param>
    /// <param name="info">What <see cref="PacketParser.TryParse"/> said of it.</param>
    /// <param name="segmentSize">Payload bytes per segment, at least 1.</param>
    public TcpSegmenter(ReadOnlySpan<byte> superPacket, in PacketInfo info, int segmentSize)
    {
        if (!info.IsTcp || info.IsFragment || info.TotalLength != superPacket.Length) Error = PacketError.NotTcp;
        else if (segmentSize <= 0) Error = PacketError.OffloadGsoSize;
        if (Error != PacketError.None) return;
        _packet = superPacket;
        _transport = info.TransportOffset;
        _headers = info.PayloadOffset;
        _end = info.TotalLength;
        _segmentSize = segmentSize;
        _isV4 = info.Version == 4;
        _flags = info.TcpFlags;
        _id = (ushort)info.FragmentId;
        _sequence = BinaryPrimitives.ReadUInt32BigEndian(superPacket[(_transport + 4)..]);
        _addressSum = InternetChecksum.PseudoHeader(info, 0);
        _offset = _headers;
    }

    /// <summary>Why <see cref="TryNext"/> returned false; <see cref="PacketError.None"/> when all segments were written.</summary>
    public PacketError Error { readonly get; private set; }

    /// <summary>Writes the next segment, a whole IP packet with valid checksums.</summary>
    /// <param name="destination">At least all headers and one segment long.</param>
    /// <param name="written">The segment's length in bytes.</param>
    /// <returns>False when there are no more, or when <see cref="Error"/> says why not.</returns>
    public bool TryNext(Span<byte> destination, out int written)
    {
        written = 0;
        if (_done || Error != PacketError.None) return false;
        int payload = Math.Min(_segmentSize, _end - _offset);
        int length = _headers + payload;
        if (destination.Length < length)
        {
            Error = PacketError.DestinationTooSmall;
            return false;
        }

        Span<byte> segment = destination[..length];
        _packet[.._headers].CopyTo(segment);
        _packet.Slice(_offset, payload).CopyTo(segment[_headers..]);
        bool last = _offset + payload == _end;
        WriteIpHeader(segment);
        WriteTcpHeader(segment[_transport..], last);
        _offset += payload;
        _index++;
        _done = last;
        written = length;
        return true;
    }

    private readonly void WriteIpHeader(Span<byte> segment)
    {
        if (!_isV4)
        {
            BinaryPrimitives.WriteUInt16BigEndian(segment[4..], (ushort)(segment.Length - HeaderLayout.Ipv6));
            return;
        }

        BinaryPrimitives.WriteUInt16BigEndian(segment[2..], (ushort)segment.Length);
        BinaryPrimitives.WriteUInt16BigEndian(segment[4..], (ushort)(_id + _index));
        InternetChecksum.FillIpv4Header(segment);
    }

    private readonly void WriteTcpHeader(Span<byte> tcp, bool last)
    {
        byte flags = _flags;
        if (_index > 0) flags &= unchecked((byte)~TcpFlags.Cwr);
        if (!last) flags &= unchecked((byte)~(TcpFlags.Fin | TcpFlags.Psh));
        tcp[13] = flags;
        BinaryPrimitives.WriteUInt32BigEndian(tcp[4..], _sequence + (uint)(_offset - _headers));
        tcp.Slice(HeaderLayout.TcpChecksum, 2).Clear();
        uint sum = InternetChecksum.Sum(tcp, InternetChecksum.Add(_addressSum, (uint)tcp.Length));
        BinaryPrimitives.WriteUInt16BigEndian(tcp[HeaderLayout.TcpChecksum..], InternetChecksum.FoldComplement(sum));
    }
}
