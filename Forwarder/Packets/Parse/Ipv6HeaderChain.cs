using System.Buffers.Binary;

namespace PersonalVpn.Packets;

/// <summary>
/// The walk over IPv6 extension headers (RFC 8200 4). Bounded by the span and by a count, so that no packet costs more than
/// a few reads.
/// </summary>
internal struct Ipv6HeaderChain
{
    private const byte JumboOption = 0xc2;      // RFC 2675 2
    private const byte HomeAddressOption = 0xc9; // RFC 6275 6.3

    /// <summary>What follows the chain.</summary>
    public byte Protocol;

    /// <summary>Where it begins.</summary>
    public int End;

    /// <summary>
    /// The per-fragment headers of RFC 8200 4.5: up to the routing header, else the hop-by-hop header, else the fixed header.
    /// </summary>
    public int PerFragmentLength;

    /// <summary>Offset of the byte that names what follows the per-fragment headers.</summary>
    public int PerFragmentNextHeader;

    /// <summary>Offset of the fragment header, 0 when there is none.</summary>
    public int FragmentHeader;

    /// <summary>Bytes, from the fragment header.</summary>
    public int FragmentOffset;

    /// <summary>The M flag.</summary>
    public bool MoreFragments;

    /// <summary>Identification of the fragment header.</summary>
    public uint FragmentId;

    /// <summary>
    /// Walks the chain of a packet that has its whole fixed header. Stops at a later fragment's data.
    /// The end of the span is the end of the packet (or of what an ICMP error quotes of it).
    /// </summary>
    public static PacketError TryWalk(ReadOnlySpan<byte> packet, out Ipv6HeaderChain chain)
    {
        chain = default;
        chain.PerFragmentLength = HeaderLayout.Ipv6;
        chain.PerFragmentNextHeader = 6;
        int offset = HeaderLayout.Ipv6;
        int namedAt = 6;
        for (int count = 0; ; count++)
        {
            byte header = packet[namedAt];
            if (!IsExtension(header) || chain.FragmentOffset > 0)
            {
                chain.Protocol = header;
                chain.End = offset;
                return PacketError.None;
            }

            if (count == PacketParser.MaxExtensionHeaders) return PacketError.TooManyExtensionHeaders;
            PacketError cutOff = chain.MoreFragments ? PacketError.TinyFragment : PacketError.BadExtensionHeader;
            ReadOnlySpan<byte> rest = packet[offset..];
            if (rest.Length < 8) return cutOff;
            int length = header switch
            {
                IpProtocol.Fragment => HeaderLayout.Ipv6Fragment,
                IpProtocol.Authentication => (rest[1] + 2) * 4, // RFC 4302 2.2: words, minus 2
                _ => (rest[1] + 1) * 8,
            };
            if (length > rest.Length) return cutOff;
            PacketError error = chain.Take(header, rest[..length], offset);
            if (error != PacketError.None) return error;
            namedAt = offset;
            offset += length;
            if (header is IpProtocol.HopByHop or IpProtocol.Routing && chain.FragmentHeader == 0)
            {
                chain.PerFragmentLength = offset;
                chain.PerFragmentNextHeader = namedAt;
            }
        }
    }

    private static bool IsExtension(byte header) =>
        header is IpProtocol.HopByHop or IpProtocol.Routing or IpProtocol.Fragment
            or IpProtocol.Authentication or IpProtocol.DestinationOptions;

    private PacketError Take(byte kind, ReadOnlySpan<byte> header, int offset)
    {
        switch (kind)
        {
            case IpProtocol.HopByHop:
                // RFC 8200 4.1: immediately after the IPv6 header, nowhere else.
                return offset == HeaderLayout.Ipv6 ? CheckOptions(header[2..]) : PacketError.BadExtensionHeader;
            case IpProtocol.DestinationOptions:
                return CheckOptions(header[2..]);
            case IpProtocol.Routing:
                // header[2] routing type, header[3] segments left. A visited route is history; type 0 is deprecated altogether.
                return header[2] == 0 || header[3] > 0 ? PacketError.RoutingHeader : PacketError.None;
            case IpProtocol.Authentication:
                return header.Length < 12 ? PacketError.BadExtensionHeader : PacketError.None;
            default:
                return TakeFragment(header, offset);
        }
    }

    //  0               1               2               3
    // +---------------+---------------+-------------------------+---+-+
    // |  Next Header  |   Reserved    |     Fragment Offset     |Res|M|
    // +---------------+---------------+-------------------------+---+-+
    // |                         Identification                        |
    // +---------------------------------------------------------------+
    private PacketError TakeFragment(ReadOnlySpan<byte> header, int offset)
    {
        if (FragmentHeader != 0) return PacketError.BadExtensionHeader;
        FragmentHeader = offset;
        ushort field = BinaryPrimitives.ReadUInt16BigEndian(header[2..]);
        FragmentOffset = field & 0xfff8;
        MoreFragments = (field & 1) != 0;
        FragmentId = BinaryPrimitives.ReadUInt32BigEndian(header[4..]);
        return PacketError.None;
    }

    // RFC 8200 4.2: a sequence of Pad1 (one zero byte) and type-length-value options that fills the header exactly.
    private static PacketError CheckOptions(ReadOnlySpan<byte> options)
    {
        while (!options.IsEmpty)
        {
            byte type = options[0];
            if (type == 0)
            {
                options = options[1..];
                continue;
            }

            if (options.Length < 2 || options[1] > options.Length - 2) return PacketError.BadExtensionHeader;
            if (type == JumboOption) return PacketError.Jumbogram;
            if (type == HomeAddressOption) return PacketError.HomeAddress;
            options = options[(2 + options[1])..];
        }

        return PacketError.None;
    }
}
