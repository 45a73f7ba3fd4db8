using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace PersonalVpn.Packets;

/// <summary>
/// An IPv4 or IPv6 address as a value: no allocation, comparable, usable as a dictionary key.
/// An IPv4 address is the number in the low 32 bits of <see cref="Value"/>; an IPv4-mapped IPv6 address
/// (::ffff:a.b.c.d) stays IPv6 until <see cref="Unmap"/> says otherwise.
/// </summary>
public readonly struct IpAddr : IEquatable<IpAddr>, IComparable<IpAddr>
{
    private const ulong MappedPrefix = 0x0000_ffff_0000_0000;

    /// <summary>Creates an address from its number (most significant bit = first bit on the wire).</summary>
    public IpAddr(UInt128 value, bool isV6)
    {
        Value = value;
        IsV6 = isV6;
    }

    /// <summary>The address as a number, host order; IPv4 in the low 32 bits.</summary>
    public UInt128 Value { get; }

    /// <summary>True for IPv6.</summary>
    public bool IsV6 { get; }

    /// <summary>4 or 16: bytes on the wire.</summary>
    public int Size => IsV6 ? 16 : 4;

    /// <summary>32 or 128.</summary>
    public int Bits => IsV6 ? 128 : 32;

    /// <summary>The IPv4 number, host order. Meaningless for IPv6.</summary>
    public uint V4 => (uint)Value;

    /// <summary>0.0.0.0 or ::.</summary>
    public bool IsUnspecified => Value == UInt128.Zero;

    /// <summary>Loopback: 127.0.0.0/8 (RFC 1122 3.2.1.3) or ::1 (RFC 4291 2.5.3).</summary>
    public bool IsLoopback => IsV6 ? Value == UInt128.One : V4 >> 24 == 127;

    /// <summary>Multicast: 224.0.0.0/4 (RFC 1112) or ff00::/8 (RFC 4291 2.7).</summary>
    public bool IsMulticast => IsV6 ? (byte)(Value >> 120) == 0xff : V4 >> 28 == 0xe;

    /// <summary>Link-local: 169.254.0.0/16 (RFC 3927) or fe80::/10 (RFC 4291 2.5.6).</summary>
    public bool IsLinkLocal => IsV6 ? (uint)(Value >> 118) == 0x3fa : V4 >> 16 == 0xa9fe;

    /// <summary>An IPv4-mapped IPv6 address (RFC 4291 2.5.5.2).</summary>
    public bool IsMappedV4 => IsV6 && (Value >> 32) == (UInt128)(MappedPrefix >> 32);

    /// <summary>The IPv4 address inside an IPv4-mapped one; any other address unchanged.</summary>
    public IpAddr Unmap() => IsMappedV4 ? new IpAddr((uint)Value, false) : this;

    /// <summary>Creates an IPv4 address from its host-order number.</summary>
    public static IpAddr FromV4(uint hostOrder) => new(hostOrder, false);

    /// <summary>Reads 4 or 16 bytes in network order; the span's length decides the family.</summary>
    public static IpAddr Read(ReadOnlySpan<byte> bytes) => bytes.Length switch
    {
        4 => new IpAddr(BinaryPrimitives.ReadUInt32BigEndian(bytes), false),
        16 => new IpAddr(BinaryPrimitives.ReadUInt128BigEndian(bytes), true),
        _ => throw new ArgumentException("an IP address is 4 or 16 bytes", nameof(bytes)),
    };

    /// <summary>Writes <see cref="Size"/> bytes in network order and returns their number.</summary>
    public int Write(Span<byte> destination)
    {
        if (IsV6) BinaryPrimitives.WriteUInt128BigEndian(destination, Value);
        else BinaryPrimitives.WriteUInt32BigEndian(destination, V4);
        return Size;
    }

    /// <summary>Converts from the framework's type (allocation-free reading; scope ids are dropped).</summary>
    public static IpAddr From(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out int length);
        return Read(bytes[..length]);
    }

    /// <summary>Converts to the framework's type (allocates; not for the packet path).</summary>
    public IPAddress ToIPAddress()
    {
        Span<byte> bytes = stackalloc byte[16];
        return new IPAddress(bytes[..Write(bytes)]);
    }

    /// <summary>Parses a literal address. IPv4 must be in dotted-quad form: "1", "0x7f.1" and "010.0.0.1" are refused.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out IpAddr address)
    {
        address = default;
        if (string.IsNullOrEmpty(text) || text.Contains('%', StringComparison.Ordinal)) return false;
        if (!IPAddress.TryParse(text, out IPAddress? parsed)) return false;
        if (parsed.AddressFamily == AddressFamily.InterNetwork && parsed.ToString() != text) return false;
        address = From(parsed);
        return true;
    }

    /// <summary>Parses a literal address or throws <see cref="FormatException"/>.</summary>
    public static IpAddr Parse(string text) =>
        TryParse(text, out IpAddr a) ? a : throw new FormatException($"'{text}' is not an IP address");

    /// <inheritdoc/>
    public bool Equals(IpAddr other) => Value == other.Value && IsV6 == other.IsV6;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is IpAddr other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine((ulong)Value, (ulong)(Value >> 64), IsV6);

    /// <inheritdoc/>
    public int CompareTo(IpAddr other) => IsV6 != other.IsV6 ? (IsV6 ? 1 : -1) : Value.CompareTo(other.Value);

    /// <inheritdoc/>
    public override string ToString() => ToIPAddress().ToString();

    /// <summary>Equality by family and value.</summary>
    public static bool operator ==(IpAddr left, IpAddr right) => left.Equals(right);

    /// <summary>Inequality by family and value.</summary>
    public static bool operator !=(IpAddr left, IpAddr right) => !left.Equals(right);

    /// <summary>IPv4 sorts before IPv6, then by number.</summary>
    public static bool operator <(IpAddr left, IpAddr right) => left.CompareTo(right) < 0;

    /// <summary>IPv4 sorts before IPv6, then by number.</summary>
    public static bool operator >(IpAddr left, IpAddr right) => left.CompareTo(right) > 0;

    /// <summary>IPv4 sorts before IPv6, then by number.</summary>
    public static bool operator <=(IpAddr left, IpAddr right) => left.CompareTo(right) <= 0;

    /// <summary>IPv4 sorts before IPv6, then by number.</summary>
    public static bool operator >=(IpAddr left, IpAddr right) => left.CompareTo(right) >= 0;
}

/// <summary>An address block in CIDR notation (RFC 4632); host bits are always zero.</summary>
public readonly struct IpPrefix : IEquatable<IpPrefix>
{
    /// <summary>Creates a prefix; host bits of <paramref name="address"/> are cleared.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The length is negative or longer than the address.</exception>
    public IpPrefix(IpAddr address, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, address.Bits);
        Length = length;
        Address = new IpAddr(address.Value & Mask(length, address.Bits), address.IsV6);
    }

    /// <summary>0.0.0.0/0.</summary>
    public static IpPrefix AllV4 => new(new IpAddr(0, false), 0);

    /// <summary>::/0.</summary>
    public static IpPrefix AllV6 => new(new IpAddr(0, true), 0);

    /// <summary>The first address of the block.</summary>
    public IpAddr Address { get; }

    /// <summary>Leading bits that are fixed.</summary>
    public int Length { get; }

    /// <summary>True for an IPv6 block.</summary>
    public bool IsV6 => Address.IsV6;

    /// <summary>True when the block is a whole family: the <c>default</c> route.</summary>
    public bool IsDefault => Length == 0;

    /// <summary>The block of exactly one address.</summary>
    public static IpPrefix Host(IpAddr address) => new(address, address.Bits);

    /// <summary>True when the address lies in the block (same family only).</summary>
    public bool Contains(IpAddr address) =>
        address.IsV6 == IsV6 && (address.Value & Mask(Length, Address.Bits)) == Address.Value;

    /// <summary>True when every address of <paramref name="other"/> lies in this block.</summary>
    public bool Contains(IpPrefix other) => other.Length >= Length && Contains(other.Address);

    /// <summary>True when the two blocks share an address.</summary>
    public bool Overlaps(IpPrefix other) => Contains(other) || other.Contains(this);

    /// <summary>Parses "a.b.c.d/n", "x::y/n", or a bare address (a host prefix). Set host bits are refused, as in iproute2.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out IpPrefix prefix)
    {
        prefix = default;
        if (text is null) return false;
        int slash = text.IndexOf('/', StringComparison.Ordinal);
        if (!IpAddr.TryParse(slash < 0 ? text : text[..slash], out IpAddr address)) return false;
        int length = address.Bits;
        if (slash >= 0 && (!int.TryParse(text.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out length) || length > address.Bits))
            return false;
        prefix = new IpPrefix(address, length);
        return prefix.Address == address;
    }

    /// <summary>Parses a prefix or throws <see cref="FormatException"/>.</summary>
    public static IpPrefix Parse(string text) =>
        TryParse(text, out IpPrefix p) ? p : throw new FormatException($"'{text}' is not an address or CIDR block");

    /// <inheritdoc/>
    public bool Equals(IpPrefix other) => Address == other.Address && Length == other.Length;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is IpPrefix other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Address, Length);

    /// <inheritdoc/>
    public override string ToString() => $"{Address}/{Length.ToString(CultureInfo.InvariantCulture)}";

    /// <summary>Equality of address and length.</summary>
    public static bool operator ==(IpPrefix left, IpPrefix right) => left.Equals(right);

    /// <summary>Inequality of address or length.</summary>
    public static bool operator !=(IpPrefix left, IpPrefix right) => !left.Equals(right);

    private static UInt128 Mask(int length, int bits) =>
        length == 0 ? UInt128.Zero : (UInt128.MaxValue << (bits - length)) & (bits == 32 ? uint.MaxValue : UInt128.MaxValue);
}
