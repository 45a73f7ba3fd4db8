namespace PersonalVpn.Linux;

/// <summary>
/// One packet that waits for its verdict. The bytes are in <see cref="Buffer"/>, which belongs to the batch until
/// <see cref="NfPacketBatch.Detach"/>; they may be changed in place (checksums), the waiting packet in the kernel does not see it.
/// </summary>
public struct NfPacket
{
    /// <summary>The kernel's number for it, rising within one queue; what the verdict names.</summary>
    public uint Id { get; internal set; }

    /// <summary>Netfilter hook: 3 = OUTPUT.</summary>
    public byte Hook { get; internal set; }

    /// <summary>EtherType as a number: 0x0800 IPv4, 0x86dd IPv6.</summary>
    public ushort HwProtocol { get; internal set; }

    /// <summary>Owner of the sending socket; null when the packet has none any more (orphans, TIME_WAIT, kernel-made).</summary>
    public uint? Uid { get; internal set; }

    /// <summary>Group of the sending socket; null like <see cref="Uid"/>.</summary>
    public uint? Gid { get; internal set; }

    /// <summary>The packet's mark.</summary>
    public uint Mark { get; internal set; }

    /// <summary>The transport checksum holds only the pseudo-header's folded sum; whoever sends the packet on must finish it.</summary>
    public bool ChecksumNotReady { get; internal set; }

    /// <summary>A superpacket, longer than the device takes.</summary>
    public bool Gso { get; internal set; }

    /// <summary>The copy is shorter than the packet (see <see cref="OriginalLength"/>): it cannot be carried.</summary>
    public bool Truncated { get; internal set; }

    /// <summary>Bytes of the packet in the kernel.</summary>
    public int OriginalLength { get; internal set; }

    /// <summary>Interface by which it leaves; null at hooks that know none.</summary>
    public uint? OutIfIndex { get; internal set; }

    /// <summary>Interface by which it came; null at hooks that know none.</summary>
    public uint? InIfIndex { get; internal set; }

    /// <summary>Where the bytes are.</summary>
    public byte[] Buffer { get; internal set; }

    /// <summary>Where the IP header starts in <see cref="Buffer"/>.</summary>
    public int Offset { get; internal set; }

    /// <summary>Bytes of the packet from <see cref="Offset"/>.</summary>
    public int Length { get; internal set; }

    /// <summary>Which slot of the batch holds the buffer.</summary>
    internal int Slot { get; set; }

    /// <summary>The packet, IP header first.</summary>
    public readonly Span<byte> Payload => Buffer.AsSpan(Offset, Length);

    /// <summary>The packet as memory.</summary>
    public readonly Memory<byte> Memory => Buffer.AsMemory(Offset, Length);
}
