using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using PersonalVpn.Linux.Abi;
using PersonalVpn.Packets;

namespace PersonalVpn.Linux;

/// <summary>
/// Writes one netlink message into a caller's buffer:
/// <code>
/// nlmsghdr (16) | family header, padded to 4 | attribute: len (2) type (2) value, padded to 4 | attribute | ...
/// </code>
/// A message that does not fit is a bug of ours and throws; nothing here comes from strangers unbounded.
/// </summary>
internal ref struct NetlinkWriter
{
    private readonly Span<byte> _buffer;
    private int _length;

    /// <summary>Starts a message. The sequence number is set by the socket that sends it.</summary>
    internal NetlinkWriter(Span<byte> buffer, ushort type, ushort flags)
    {
        _buffer = buffer;
        NlMsgHdr header = new() { nlmsg_type = type, nlmsg_flags = flags };
        MemoryMarshal.Write(buffer, in header);
        _length = NlMsgHdr.Size;
    }

    /// <summary>Appends a structure.</summary>
    internal void Add<T>(in T value)
        where T : unmanaged
    {
        MemoryMarshal.Write(_buffer[_length..], in value);
        Pad(_length + Unsafe.SizeOf<T>());
    }

    /// <summary>Appends an attribute of raw bytes.</summary>
    internal void Attribute(ushort type, scoped ReadOnlySpan<byte> value)
    {
        NlAttr header = new() { nla_len = (ushort)(NlAttr.Size + value.Length), nla_type = type };
        MemoryMarshal.Write(_buffer[_length..], in header);
        value.CopyTo(_buffer[(_length + NlAttr.Size)..]);
        Pad(_length + NlAttr.Size + value.Length);
    }

    /// <summary>Appends an attribute that is a structure or number, in host order.</summary>
    internal void Attribute<T>(ushort type, in T value)
        where T : unmanaged
    {
        Span<byte> bytes = stackalloc byte[Unsafe.SizeOf<T>()];
        MemoryMarshal.Write(bytes, in value);
        Attribute(type, bytes);
    }

    /// <summary>Appends an attribute that is a NUL-terminated string.</summary>
    internal void Text(ushort type, string value)
    {
        Span<byte> bytes = stackalloc byte[Encoding.UTF8.GetByteCount(value) + 1];
        Encoding.UTF8.GetBytes(value, bytes);
        bytes[^1] = 0;
        Attribute(type, bytes);
    }

    /// <summary>Appends an attribute that is an address of 4 or 16 bytes.</summary>
    internal void Address(ushort type, IpAddr value)
    {
        Span<byte> bytes = stackalloc byte[16];
        Attribute(type, bytes[..value.Write(bytes)]);
    }

    /// <summary>Starts an attribute of attributes.</summary>
    internal int BeginNest(ushort type)
    {
        int at = _length;
        NlAttr header = new() { nla_type = type };
        MemoryMarshal.Write(_buffer[_length..], in header);
        _length += NlAttr.Size;
        return at;
    }

    /// <summary>Ends it.</summary>
    internal readonly void EndNest(int at)
    {
        ushort length = (ushort)(_length - at);
        MemoryMarshal.Write(_buffer[at..], in length);
    }

    /// <summary>Sets the total length and gives the message.</summary>
    internal readonly Span<byte> Finish()
    {
        uint length = (uint)_length;
        MemoryMarshal.Write(_buffer, in length);
        return _buffer[.._length];
    }

    private void Pad(int end)
    {
        int aligned = (end + 3) & ~3;
        _buffer[end..aligned].Clear();
        _length = aligned;
    }
}
