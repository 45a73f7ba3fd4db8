using System.Buffers.Binary;

namespace PersonalVpn.Packets;

/// <summary>
/// Puts consecutive datagrams of one flow together into one UDP superpacket, which the kernel forwards in one piece and cuts into the
/// same datagrams again (net/ipv4/udp_offload.c, __udp_gso_segment):
/// <code>
///   IP │ UDP │ payload 0 │ payload 1 │ ... │ payload n-1      all of one length (gsoSize), the last one perhaps shorter
/// </code>
/// Only datagrams that come out again as they went in are taken: what the kernel would repair or make alike is refused, and the
/// caller sends it alone. One buffer, allocated once; not thread-safe.
/// </summary>
public sealed class UdpSuperpacket
{
    /// <summary>Datagrams in one superpacket at most (UDP_MAX_SEGMENTS in include/linux/udp.h, as it was when this came into the kernel).</summary>
    public const int MaxDatagrams = 64;

    private const int Ipv4Identification = 4;

    private readonly byte[] _buffer;
    private readonly int _headroom;
    private readonly int _mtu;
    private PacketInfo _first;
    private int _length;
    private bool _closed;

    /// <summary>Creates an empty one.</summary>
    /// <param name="mtu">A datagram longer than this with its headers is not taken: the kernel does not fragment what it cuts.</param>
    /// <param name="headroom">Bytes to be left free before the packet.</param>
    public UdpSuperpacket(int mtu, int headroom)
    {
        _mtu = mtu;
        _headroom = headroom;
        _buffer = GC.AllocateUninitializedArray<byte>(headroom + HeaderLayout.MaxIpPayload);
    }

    /// <summary>Datagrams that it holds.</summary>
    public int Count { get; private set; }

    /// <summary>Bytes of the datagrams it holds, each with its headers.</summary>
    public int DatagramBytes => Count == 0 ? 0 : _length + ((Count - 1) * _first.PayloadOffset);

    /// <summary>Tells whether a superpacket may begin with this packet.</summary>
    /// <param name="packet">The packet; checked by <see cref="PacketParser.TryParse"/>.</param>
    /// <param name="info">The packet, parsed.</param>
    /// <param name="offload">Its metadata, validated.</param>
    public bool MayBegin(ReadOnlySpan<byte> packet, in PacketInfo info, in OffloadMetadata offload)
    {
        if (!info.IsUdp || info.IsFragment || info.PayloadLength == 0 || info.TotalLength > _mtu) return false;
        // A datagram whose sender has finished the checksum is not touched: it might be wrong, and would be right afterwards.
        if (!offload.NeedsChecksum || offload.IsGso) return false;
        // No options, no extension headers, nothing behind the UDP length.
        if (info.TransportOffset != (info.IsV6 ? HeaderLayout.Ipv6 : HeaderLayout.Ipv4Minimum)) return false;
        if (info.PayloadOffset + info.PayloadLength != info.TotalLength) return false;
        if (!info.IsV6 && !InternetChecksum.VerifyIpv4Header(packet)) return false;
        ushort partial = BinaryPrimitives.ReadUInt16BigEndian(packet[(info.TransportOffset + HeaderLayout.UdpChecksum)..]);
        return partial == InternetChecksum.Fold(InternetChecksum.PseudoHeader(info, info.TransportLength));
    }

    /// <summary>Begins with a packet of which <see cref="MayBegin"/> is true; what it held is forgotten.</summary>
    public void Begin(ReadOnlySpan<byte> packet, in PacketInfo info)
    {
        packet.CopyTo(_buffer.AsSpan(_headroom));
        _first = info;
        _length = packet.Length;
        _closed = false;
        Count = 1;
    }

    /// <summary>Adds the next datagram, if the kernel will cut it out again as it is now; nothing has changed if not.</summary>
    public bool TryAppend(ReadOnlySpan<byte> packet, in PacketInfo info, in OffloadMetadata offload)
    {
        if (Count is 0 or MaxDatagrams || _closed) return false;
        if (info.PayloadLength > _first.PayloadLength || _length + info.PayloadLength > HeaderLayout.MaxIpPayload) return false;
        if (info.Version != _first.Version || !MayBegin(packet, info, offload) || !IsSameFlow(packet)) return false;
        packet[info.PayloadOffset..].CopyTo(_buffer.AsSpan(_headroom + _length));
        _length += info.PayloadLength;
        _closed = info.PayloadLength < _first.PayloadLength;
        Count++;
        return true;
    }

    /// <summary>
    /// Writes lengths and checksums of the whole and gives it out, headroom first; with one datagram it is that one, unchanged. It is
    /// empty afterwards, and the bytes are borrowed until the next <see cref="Begin"/>.
    /// </summary>
    /// <param name="info">The packet as <see cref="PacketParser"/> would see it.</param>
    /// <param name="offload">Its metadata.</param>
    public Span<byte> Finish(out PacketInfo info, out OffloadMetadata offload)
    {
        Span<byte> packet = _buffer.AsSpan(_headroom, _length);
        info = _first;
        offload = OffloadMetadata.ForPartial(_first);
        if (Count > 1)
        {
            offload.GsoType = OffloadMetadata.GsoUdp;
            offload.GsoSize = (ushort)_first.PayloadLength;
            info.TotalLength = _length;
            info.PayloadLength = _length - _first.PayloadOffset;
            WriteHeaders(packet, info);
        }
        Count = 0;
        return _buffer.AsSpan(0, _headroom + _length);
    }

    // Everything of the headers but lengths, checksums and the identification: addresses, ports, TTL, traffic class, flow label, DF.
    private bool IsSameFlow(ReadOnlySpan<byte> packet)
    {
        ReadOnlySpan<byte> first = _buffer.AsSpan(_headroom);
        if (_first.IsV6) return packet[..4].SequenceEqual(first[..4]) && packet[6..44].SequenceEqual(first[6..44]);
        if (!packet[..2].SequenceEqual(first[..2]) || !packet[6..10].SequenceEqual(first[6..10]) || !packet[12..24].SequenceEqual(first[12..24]))
            return false;
        // The kernel counts the identification up. Where nobody may fragment it has no meaning (RFC 6864 4.1).
        return _first.DontFragment || BinaryPrimitives.ReadUInt16BigEndian(packet[Ipv4Identification..]) == (ushort)(_first.FragmentId + Count);
    }

    // The UDP checksum field holds the pseudo-header's sum with the length of the whole; the kernel puts each datagram's in its place.
    private static void WriteHeaders(Span<byte> packet, in PacketInfo info)
    {
        Span<byte> udp = packet[info.TransportOffset..];
        if (info.IsV6) BinaryPrimitives.WriteUInt16BigEndian(packet[4..], (ushort)info.TransportLength);
        else
        {
            BinaryPrimitives.WriteUInt16BigEndian(packet[2..], (ushort)info.TotalLength);
            InternetChecksum.FillIpv4Header(packet);
        }
        BinaryPrimitives.WriteUInt16BigEndian(udp[4..], (ushort)info.TransportLength);
        BinaryPrimitives.WriteUInt16BigEndian(udp[HeaderLayout.UdpChecksum..], InternetChecksum.Fold(InternetChecksum.PseudoHeader(info, info.TransportLength)));
    }
}
