using System.Buffers.Binary;

namespace PersonalVpn.Packets;

/// <summary>
/// What is still to be done to a packet: finish its checksum, cut it into segments. Travels with the packet through the whole
/// path and maps one to one to the kernel's virtio_net_hdr (include/uapi/linux/virtio_net.h). In the tunnel, big-endian:
/// <code>
///   0       1       2               4               6               8
///  +-------+-------+---------------+---------------+---------------+
///  | flags |gsoType|    gsoSize    |   csumStart   |  csumOffset   |
///  +-------+-------+---------------+---------------+---------------+
/// </code>
/// It comes from outside and may lie: <see cref="Validate"/> before anything believes it.
/// </summary>
public struct OffloadMetadata
{
    /// <summary>Bytes in the tunnel.</summary>
    public const int Size = 8;

    /// <summary>Bytes of virtio_net_hdr as TUNSETVNETHDRSZ sets it.</summary>
    public const int VirtioSize = 10;

    /// <summary>VIRTIO_NET_HDR_F_NEEDS_CSUM: the checksum field holds a partial checksum.</summary>
    public const byte NeedsChecksumFlag = 1;

    /// <summary>VIRTIO_NET_HDR_GSO_NONE.</summary>
    public const byte GsoNone = 0;

    /// <summary>VIRTIO_NET_HDR_GSO_TCPV4.</summary>
    public const byte GsoTcpV4 = 1;

    /// <summary>VIRTIO_NET_HDR_GSO_TCPV6.</summary>
    public const byte GsoTcpV6 = 4;

    /// <summary>VIRTIO_NET_HDR_GSO_UDP_L4: made by <see cref="UdpSuperpacket"/> for a TUN device; has no place in the tunnel.</summary>
    public const byte GsoUdp = 5;

    /// <summary>VIRTIO_NET_HDR_GSO_ECN: a bit beside the type; CWR belongs on the first segment only.</summary>
    public const byte GsoEcn = 0x80;

    /// <summary>The smallest segment the kernel will cut (TCP_MIN_GSO_SIZE in include/net/tcp.h).</summary>
    public const int MinGsoSize = 8;

    /// <summary><see cref="NeedsChecksumFlag"/> or 0.</summary>
    public byte Flags;

    /// <summary><see cref="GsoNone"/>, <see cref="GsoTcpV4"/> or <see cref="GsoTcpV6"/>, perhaps with <see cref="GsoEcn"/>.</summary>
    public byte GsoType;

    /// <summary>Payload bytes per segment; without meaning unless <see cref="IsGso"/>.</summary>
    public ushort GsoSize;

    /// <summary>Where the checksum's coverage begins: the transport header. Without meaning unless <see cref="NeedsChecksum"/>.</summary>
    public ushort ChecksumStart;

    /// <summary>Offset of the checksum field from <see cref="ChecksumStart"/>.</summary>
    public ushort ChecksumOffset;

    /// <summary>The checksum is partial.</summary>
    public readonly bool NeedsChecksum => (Flags & NeedsChecksumFlag) != 0;

    /// <summary>The packet is a superpacket, to be cut into segments.</summary>
    public readonly bool IsGso => GsoType != GsoNone;

    /// <summary>The metadata of a packet as the kernel queued it: a partial checksum, and segments when there is more than one.</summary>
    /// <param name="info">The packet.</param>
    /// <param name="segmentSize">TCP payload per segment; 0, or not less than the payload, for a packet that is not cut.</param>
    public static OffloadMetadata ForPartial(in PacketInfo info, int segmentSize = 0)
    {
        OffloadMetadata offload = default;
        int field = PartialChecksumOffset(info);
        if (field < 0 || info.IsFragment) return offload;
        offload.Flags = NeedsChecksumFlag;
        offload.ChecksumStart = (ushort)info.TransportOffset;
        offload.ChecksumOffset = (ushort)field;
        if (!info.IsTcp || segmentSize <= 0 || segmentSize >= info.PayloadLength) return offload;
        offload.GsoType = info.Version == 4 ? GsoTcpV4 : GsoTcpV6;
        if ((info.TcpFlags & TcpFlags.Cwr) != 0) offload.GsoType |= GsoEcn;
        offload.GsoSize = (ushort)segmentSize;
        return offload;
    }

    /// <summary>Reads the tunnel's form.</summary>
    /// <param name="source">At least <see cref="Size"/> bytes; the caller has checked that, see <see cref="TryRead"/>.</param>
    public static OffloadMetadata Read(ReadOnlySpan<byte> source) => new()
    {
        Flags = source[0],
        GsoType = source[1],
        GsoSize = BinaryPrimitives.ReadUInt16BigEndian(source[2..]),
        ChecksumStart = BinaryPrimitives.ReadUInt16BigEndian(source[4..]),
        ChecksumOffset = BinaryPrimitives.ReadUInt16BigEndian(source[6..]),
    };

    /// <summary>Reads the tunnel's form, or says that there are not enough bytes.</summary>
    public static PacketError TryRead(ReadOnlySpan<byte> source, out OffloadMetadata offload)
    {
        bool enough = source.Length >= Size;
        offload = enough ? Read(source) : default;
        return enough ? PacketError.None : PacketError.OffloadTruncated;
    }

    /// <summary>Writes <see cref="Size"/> bytes in the tunnel's form.</summary>
    public readonly void Write(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt16BigEndian(destination[6..], ChecksumOffset);
        BinaryPrimitives.WriteUInt16BigEndian(destination[4..], ChecksumStart);
        BinaryPrimitives.WriteUInt16BigEndian(destination[2..], GsoSize);
        destination[1] = GsoType;
        destination[0] = Flags;
    }

    //  virtio_net_hdr, little-endian:
    //   0       1       2               4               6               8               10
    //  +-------+-------+---------------+---------------+---------------+---------------+
    //  | flags |gso_typ|    hdr_len    |   gso_size    |  csum_start   |  csum_offset  |
    //  +-------+-------+---------------+---------------+---------------+---------------+

    /// <summary>
    /// Reads a virtio_net_hdr from a TUN device, <see cref="VirtioSize"/> bytes. Flags other than NEEDS_CSUM (DATA_VALID) only
    /// inform the receiver and are dropped.
    /// </summary>
    public static OffloadMetadata ReadVirtio(ReadOnlySpan<byte> source) => new()
    {
        Flags = (byte)(source[0] & NeedsChecksumFlag),
        GsoType = source[1],
        GsoSize = BinaryPrimitives.ReadUInt16LittleEndian(source[4..]),
        ChecksumStart = BinaryPrimitives.ReadUInt16LittleEndian(source[6..]),
        ChecksumOffset = BinaryPrimitives.ReadUInt16LittleEndian(source[8..]),
    };

    /// <summary>Writes a virtio_net_hdr for a TUN device, <see cref="VirtioSize"/> bytes; hdr_len covers all headers.</summary>
    public readonly void WriteVirtio(Span<byte> destination, in PacketInfo info)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(destination[8..], ChecksumOffset);
        BinaryPrimitives.WriteUInt16LittleEndian(destination[6..], ChecksumStart);
        BinaryPrimitives.WriteUInt16LittleEndian(destination[4..], GsoSize);
        BinaryPrimitives.WriteUInt16LittleEndian(destination[2..], IsGso ? (ushort)info.PayloadOffset : (ushort)0);
        destination[1] = GsoType;
        destination[0] = Flags;
    }

    /// <summary>Tells whether the metadata is true of the packet; only then may a kernel or a segmenter see it.</summary>
    public readonly PacketError Validate(in PacketInfo info)
    {
        if ((Flags & ~NeedsChecksumFlag) != 0) return PacketError.OffloadFlags;
        if (NeedsChecksum)
        {
            PacketError error = ValidateChecksum(info);
            if (error != PacketError.None) return error;
        }

        return IsGso ? ValidateGso(info) : PacketError.None;
    }

    private readonly PacketError ValidateChecksum(in PacketInfo info)
    {
        if (info.IsFragment) return PacketError.OffloadOnFragment;
        if (ChecksumStart != info.TransportOffset) return PacketError.OffloadChecksumStart;
        if (ChecksumOffset != PartialChecksumOffset(info)) return PacketError.OffloadChecksumOffset;
        // The kernel sums to the end of the packet, UDP to the end of its length: they must be the same.
        return info.IsUdp && HeaderLayout.Udp + info.PayloadLength != info.TransportLength ? PacketError.BadUdpLength : PacketError.None;
    }

    // ICMP in IPv4 and UDP-Lite are never left partial: what they cover is not "pseudo-header and all that follows".
    private static int PartialChecksumOffset(in PacketInfo info) =>
        info.Protocol is IpProtocol.Icmp or IpProtocol.UdpLite ? -1 : HeaderLayout.ChecksumOffset(info);

    private readonly PacketError ValidateGso(in PacketInfo info)
    {
        if (info.IsFragment) return PacketError.OffloadOnFragment;
        if (!info.IsTcp || (GsoType & ~GsoEcn) != (info.Version == 4 ? GsoTcpV4 : GsoTcpV6)) return PacketError.OffloadGsoType;
        if (!NeedsChecksum) return PacketError.OffloadGsoWithoutChecksum;
        if (GsoSize < MinGsoSize) return PacketError.OffloadGsoSize;
        bool data = info.PayloadLength > 0 && (info.TcpFlags & (TcpFlags.Syn | TcpFlags.Rst)) == 0;
        return data ? PacketError.None : PacketError.OffloadGsoNotData;
    }
}
