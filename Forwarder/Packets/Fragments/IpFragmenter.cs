using System.Buffers.Binary;

namespace PersonalVpn.Packets;

/// <summary>
/// Splits a packet that is longer than the MTU (RFC 791 3.2, RFC 8200 4.5). A packet that fits comes out unchanged; a fragment is
/// split further under its own identification. The first fragment always holds the whole transport header (RFC 7112).
/// <para>Checksums must be finished before, see <see cref="InternetChecksum.CompletePartial"/>: no fragment can finish them later.
/// The packet is borrowed until the last fragment was written; after the loop <see cref="Error"/> tells whether it ended because
/// all was written.</para>
/// </summary>
public ref struct IpFragmenter
{
    private readonly ReadOnlySpan<byte> _packet;
    private readonly bool _isV4;
    private readonly int _mtu;
    private readonly int _headers;      // bytes repeated before the data, without an IPv6 fragment header
    private readonly int _data;         // where the fragmentable part begins
    private readonly int _baseOffset;   // offset of the packet's own data, when it is a fragment itself
    private readonly bool _moreAfter;   // the packet's own "more fragments"
    private readonly byte _next;        // IPv6: what the fragmentable part begins with
    private readonly int _nextAt;       // IPv6: offset of the byte that will name the fragment header, 0 when one does already
    private readonly uint _id;
    private int _offset;
    private bool _done;

    /// <summary>Prepares to split.</summary>
    /// <param name="packet">The packet, without pending offloads.</param>
    /// <param name="info">What <see cref="PacketParser.TryParse"/> said of it.</param>
    /// <param name="mtu">Greatest length of a fragment with all its headers.</param>
    /// <param name="ipv6FragmentId">Identification for an IPv6 packet that has none yet, unpredictable (RFC 7739) and unique per pair
    /// of addresses for a minute.</param>
    public IpFragmenter(ReadOnlySpan<byte> packet, in PacketInfo info, int mtu, uint ipv6FragmentId)
    {
        _packet = packet;
        _mtu = mtu;
        _isV4 = info.Version == 4;
        if (packet.Length <= mtu) return;
        if (info.DontFragment)
        {
            Error = PacketError.DontFragment;
            return;
        }

        _baseOffset = info.FragmentOffset;
        _moreAfter = info.MoreFragments;
        if (_isV4)
        {
            _headers = _data = info.TransportOffset;
        }
        else
        {
            Error = Ipv6HeaderChain.TryWalk(packet, out Ipv6HeaderChain chain);
            if (Error != PacketError.None) return;
            bool already = chain.FragmentHeader != 0;
            _headers = already ? chain.FragmentHeader : chain.PerFragmentLength;
            _data = already ? _headers + HeaderLayout.Ipv6Fragment : _headers;
            _id = already ? chain.FragmentId : ipv6FragmentId;
            _nextAt = already ? 0 : chain.PerFragmentNextHeader;
            _next = packet[already ? _headers : _nextAt];
        }

        _offset = _data;
        int room = FirstRoom();
        // The chain of headers up to the transport's stays together in the first fragment.
        if (room < 8 || (info.HasTransportHeader && room < info.PayloadOffset - _data)) Error = PacketError.MtuTooSmall;
    }

    /// <summary>Why <see cref="TryNext"/> returned false; <see cref="PacketError.None"/> when all fragments were written.</summary>
    public PacketError Error { readonly get; private set; }

    /// <summary>Writes the next fragment, a whole IP packet; IPv4 header checksums are right.</summary>
    /// <param name="destination">At least the MTU long (or the packet, when that is shorter).</param>
    /// <param name="written">The fragment's length in bytes.</param>
    /// <returns>False when there are no more, or when <see cref="Error"/> says why not.</returns>
    public bool TryNext(Span<byte> destination, out int written)
    {
        written = 0;
        if (_done || Error != PacketError.None) return false;
        if (destination.Length < Math.Min(_mtu, _packet.Length))
        {
            Error = PacketError.DestinationTooSmall;
            return false;
        }

        if (_packet.Length <= _mtu)
        {
            _packet.CopyTo(destination);
            written = _packet.Length;
            _done = true;
            return true;
        }

        int headers = _isV4 ? Ipv4Header(destination) : Ipv6Header(destination);
        int left = _packet.Length - _offset;
        int room = _mtu - headers;
        int length = left <= room ? left : room & ~7;
        bool last = length == left;
        _packet.Slice(_offset, length).CopyTo(destination[headers..]);
        written = headers + length;
        Finish(destination[..written], _baseOffset + _offset - _data, !last || _moreAfter, headers);
        _offset += length;
        _done = last;
        return true;
    }

    // Whole units of 8 bytes in the first fragment, the one with the longest IPv4 header.
    private readonly int FirstRoom() => (_mtu - _headers - (_isV4 ? 0 : HeaderLayout.Ipv6Fragment)) & ~7;

    // The first fragment has all options, the others those with the copied flag, type bit 0x80 (RFC 791 3.1).
    private readonly int Ipv4Header(Span<byte> destination)
    {
        if (_offset == _data)
        {
            _packet[.._headers].CopyTo(destination);
            return _headers;
        }

        _packet[..HeaderLayout.Ipv4Minimum].CopyTo(destination);
        int end = HeaderLayout.Ipv4Minimum;
        ReadOnlySpan<byte> options = _packet[HeaderLayout.Ipv4Minimum.._headers];
        while (!options.IsEmpty && options[0] != 0)
        {
            int length = options[0] == 1 ? 1 : options[1];
            if ((options[0] & 0x80) != 0)
            {
                options[..length].CopyTo(destination[end..]);
                end += length;
            }

            options = options[length..];
        }

        while (end % 4 != 0) destination[end++] = 0;
        destination[0] = (byte)(0x40 | (end / 4));
        return end;
    }

    private readonly int Ipv6Header(Span<byte> destination)
    {
        _packet[.._headers].CopyTo(destination);
        if (_nextAt > 0) destination[_nextAt] = IpProtocol.Fragment;
        Span<byte> fragment = destination.Slice(_headers, HeaderLayout.Ipv6Fragment);
        fragment[0] = _next;
        fragment[1] = 0;
        BinaryPrimitives.WriteUInt32BigEndian(fragment[4..], _id);
        return _headers + HeaderLayout.Ipv6Fragment;
    }

    private readonly void Finish(Span<byte> fragment, int offset, bool more, int headers)
    {
        if (_isV4)
        {
            BinaryPrimitives.WriteUInt16BigEndian(fragment[2..], (ushort)fragment.Length);
            BinaryPrimitives.WriteUInt16BigEndian(fragment[6..], (ushort)((offset / 8) | (more ? 0x2000 : 0)));
            InternetChecksum.FillIpv4Header(fragment);
            return;
        }

        BinaryPrimitives.WriteUInt16BigEndian(fragment[4..], (ushort)(fragment.Length - HeaderLayout.Ipv6));
        BinaryPrimitives.WriteUInt16BigEndian(fragment[(headers - 6)..], (ushort)(offset | (more ? 1 : 0)));
    }
}
