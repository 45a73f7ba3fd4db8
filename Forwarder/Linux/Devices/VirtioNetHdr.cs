using System.Runtime.InteropServices;
using PersonalVpn.Linux.Abi;

namespace PersonalVpn.Linux;

/// <summary>
/// What a TUN device opened with <see cref="TunOptions.VnetHeader"/> puts before every packet (linux/virtio_net.h; host order):
/// <code>
/// 0 flags (1)   1 gso_type (1)   2 hdr_len (2)   4 gso_size (2)   6 csum_start (2)   8 csum_offset (2)   = 10 bytes
/// </code>
/// </summary>
[CStruct("struct virtio_net_hdr", "linux/virtio_net.h")]
[StructLayout(LayoutKind.Sequential)]
public struct VirtioNetHdr
{
    /// <summary>Bytes of the header.</summary>
    public const int Size = 10;

    [CField("flags")]
    private byte _flags;

    [CField("gso_type")]
    private byte _gsoType;

    [CField("hdr_len")]
    private ushort _headerLength;

    [CField("gso_size")]
    private ushort _gsoSize;

    [CField("csum_start")]
    private ushort _checksumStart;

    [CField("csum_offset")]
    private ushort _checksumOffset;

    /// <summary><see cref="VirtioNet.VIRTIO_NET_HDR_F_NEEDS_CSUM"/> and others.</summary>
    public byte Flags
    {
        readonly get => _flags;
        set => _flags = value;
    }

    /// <summary>Kind of superpacket: VIRTIO_NET_HDR_GSO_*.</summary>
    public byte GsoType
    {
        readonly get => _gsoType;
        set => _gsoType = value;
    }

    /// <summary>Bytes of all headers of a superpacket (a hint).</summary>
    public ushort HeaderLength
    {
        readonly get => _headerLength;
        set => _headerLength = value;
    }

    /// <summary>Payload bytes per segment of a superpacket.</summary>
    public ushort GsoSize
    {
        readonly get => _gsoSize;
        set => _gsoSize = value;
    }

    /// <summary>Where the checksummed part starts: offset of the transport header from the IP header.</summary>
    public ushort ChecksumStart
    {
        readonly get => _checksumStart;
        set => _checksumStart = value;
    }

    /// <summary>Where the checksum goes, from <see cref="ChecksumStart"/>: 16 for TCP, 6 for UDP.</summary>
    public ushort ChecksumOffset
    {
        readonly get => _checksumOffset;
        set => _checksumOffset = value;
    }

    /// <summary>Reads a header; false when the bytes are too few.</summary>
    public static bool TryRead(ReadOnlySpan<byte> from, out VirtioNetHdr header) => MemoryMarshal.TryRead(from, out header);

    /// <summary>Writes the header's 10 bytes.</summary>
    public readonly void Write(Span<byte> to) => MemoryMarshal.Write(to, in this);
}

/// <summary>linux/virtio_net.h: flags and kinds of <see cref="VirtioNetHdr"/>.</summary>
[CConstants("linux/virtio_net.h")]
public static class VirtioNet
{
    /// <summary>The checksum field holds the pseudo-header's sum; finish it.</summary>
    public const byte VIRTIO_NET_HDR_F_NEEDS_CSUM = 1;

    /// <summary>The checksum was verified.</summary>
    public const byte VIRTIO_NET_HDR_F_DATA_VALID = 2;

    /// <summary>Not a superpacket.</summary>
    public const byte VIRTIO_NET_HDR_GSO_NONE = 0;

    /// <summary>TCP over IPv4.</summary>
    public const byte VIRTIO_NET_HDR_GSO_TCPV4 = 1;

    /// <summary>TCP over IPv6.</summary>
    public const byte VIRTIO_NET_HDR_GSO_TCPV6 = 4;

    /// <summary>Added to the kind: ECN is in use.</summary>
    public const byte VIRTIO_NET_HDR_GSO_ECN = 0x80;
}
