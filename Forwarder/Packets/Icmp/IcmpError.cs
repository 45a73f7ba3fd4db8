using System.Buffers.Binary;

namespace PersonalVpn.Packets;

/// <summary>What an ICMP error says.</summary>
public enum IcmpErrorKind : byte
{
    /// <summary>Forbidden by policy: ICMP 3/13 (RFC 1812 5.2.7.1), ICMPv6 1/1 (RFC 4443 3.1).</summary>
    AdminProhibited,

    /// <summary>No way there: ICMP 3/0 (RFC 792), ICMPv6 1/0 (RFC 4443 3.1).</summary>
    NoRoute,

    /// <summary>Longer than the next hop takes: ICMP 3/4 (RFC 1191 4), ICMPv6 2/0 (RFC 4443 3.2).</summary>
    PacketTooBig,
}

/// <summary>
/// Builds ICMP errors about a packet, quoting it:
/// <code>
///  IPv4 (20) or IPv6 (40) header | type code checksum (4) | unused, or MTU (4) | the offender's beginning
/// </code>
/// </summary>
public static class IcmpError
{
    /// <summary>No error is longer than this (the IPv6 minimum MTU, RFC 4443 2.4(c)): a buffer of this size always suffices.</summary>
    public const int MaxLength = 1280;

    private const int MaxLengthV4 = 576; // RFC 1812 4.3.2.3: as much as fits into 576 bytes
    private const byte InternetworkControl = 0xc0; // RFC 1812 4.3.2.5: precedence of error messages

    /// <summary>
    /// Builds the error, from <paramref name="source"/> to the offender's sender, with valid checksums. Nothing is built about an ICMP
    /// error or redirect, a multicast or broadcast, a later fragment, or for a sender that is no single host (RFC 1122 3.2.2,
    /// RFC 4443 2.4(e)).
    /// </summary>
    /// <param name="offender">The packet that cannot be served.</param>
    /// <param name="info">What <see cref="PacketParser.TryParse"/> said of it.</param>
    /// <param name="kind">What to say.</param>
    /// <param name="source">Who says it; of the offender's family.</param>
    /// <param name="mtu">The MTU to announce with <see cref="IcmpErrorKind.PacketTooBig"/>, else ignored.</param>
    /// <param name="destination">Receives the packet; <see cref="MaxLength"/> bytes always suffice. Must not overlap the offender.</param>
    /// <param name="written">Its length.</param>
    /// <returns>False when nothing may be said, or the families differ, or the buffer is too small.</returns>
    public static bool TryBuild(
        ReadOnlySpan<byte> offender, in PacketInfo info, IcmpErrorKind kind, IpAddr source, int mtu,
        Span<byte> destination, out int written)
    {
        written = 0;
        if (source.IsV6 != info.IsV6 || !MayAnswer(info)) return false;
        int headers = (info.IsV6 ? HeaderLayout.Ipv6 : HeaderLayout.Ipv4Minimum) + HeaderLayout.Icmp;
        int quoted = Math.Min(offender.Length, (info.IsV6 ? MaxLength : MaxLengthV4) - headers);
        if (destination.Length < headers + quoted) return false;
        Span<byte> packet = destination[..(headers + quoted)];
        packet[..headers].Clear();
        offender[..quoted].CopyTo(packet[headers..]);
        if (info.IsV6) WriteV6(packet, kind, source, info.Source, mtu);
        else WriteV4(packet, kind, source, info.Source, mtu);
        written = packet.Length;
        return true;
    }

    /// <summary>True when an ICMP error about this packet is allowed at all.</summary>
    public static bool MayAnswer(in PacketInfo info)
    {
        if (!info.HasTransportHeader || info.IsIcmpError) return false;
        const byte ndRedirect = 137; // RFC 4443 2.4(e.2)
        if (info.IsV6 && info.IsIcmp && info.IcmpType == ndRedirect) return false;
        return IsSingleHost(info.Source) && !info.Source.IsLoopback && !info.Destination.IsMulticast && !IsBroadcast(info.Destination);
    }

    private static bool IsSingleHost(IpAddr address) =>
        !address.IsMulticast && !IsBroadcast(address) && (address.IsV6 ? !address.IsUnspecified : address.V4 >> 24 != 0);

    // 240.0.0.0/4 is reserved and holds the limited broadcast (RFC 1112 4); directed broadcasts cannot be told from here.
    private static bool IsBroadcast(IpAddr address) => !address.IsV6 && address.V4 >> 28 == 0xf;

    private static void WriteV4(Span<byte> packet, IcmpErrorKind kind, IpAddr source, IpAddr target, int mtu)
    {
        packet[0] = 0x45;
        packet[1] = InternetworkControl;
        BinaryPrimitives.WriteUInt16BigEndian(packet[2..], (ushort)packet.Length);
        packet[6] = 0x40; // don't fragment: an atomic datagram may have identification 0 (RFC 6864 4.1)
        packet[8] = 64;
        packet[9] = IpProtocol.Icmp;
        source.Write(packet[12..]);
        target.Write(packet[16..]);
        InternetChecksum.FillIpv4Header(packet);

        Span<byte> icmp = packet[HeaderLayout.Ipv4Minimum..];
        icmp[0] = 3; // destination unreachable
        icmp[1] = kind switch { IcmpErrorKind.AdminProhibited => 13, IcmpErrorKind.PacketTooBig => 4, _ => 0 };
        if (kind == IcmpErrorKind.PacketTooBig)
            BinaryPrimitives.WriteUInt16BigEndian(icmp[6..], (ushort)Math.Clamp(mtu, 0, ushort.MaxValue));
        WriteChecksum(icmp, 0); // ICMP has no pseudo-header
    }

    private static void WriteV6(Span<byte> packet, IcmpErrorKind kind, IpAddr source, IpAddr target, int mtu)
    {
        packet[0] = 0x60;
        Span<byte> icmp = packet[HeaderLayout.Ipv6..];
        BinaryPrimitives.WriteUInt16BigEndian(packet[4..], (ushort)icmp.Length);
        packet[6] = IpProtocol.IcmpV6;
        packet[7] = 64;
        source.Write(packet[8..]);
        target.Write(packet[24..]);

        icmp[0] = (byte)(kind == IcmpErrorKind.PacketTooBig ? 2 : 1);
        icmp[1] = (byte)(kind == IcmpErrorKind.AdminProhibited ? 1 : 0);
        if (kind == IcmpErrorKind.PacketTooBig) BinaryPrimitives.WriteUInt32BigEndian(icmp[4..], (uint)Math.Max(mtu, 0));
        // The pseudo-header is the addresses as they stand in the packet, the length and the protocol (RFC 4443 2.3).
        WriteChecksum(icmp, InternetChecksum.Sum(packet.Slice(8, 32), (uint)icmp.Length + IpProtocol.IcmpV6));
    }

    // The field itself is still zero.
    private static void WriteChecksum(Span<byte> icmp, uint pseudoHeader) =>
        BinaryPrimitives.WriteUInt16BigEndian(
            icmp[HeaderLayout.IcmpChecksum..], InternetChecksum.FoldComplement(InternetChecksum.Sum(icmp, pseudoHeader)));
}
