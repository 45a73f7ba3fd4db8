using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using PersonalVpn.Packets;

namespace PersonalVpn.Tunnel.Protocol;

/// <summary>A message that breaks the protocol. The text is safe to send to the peer and to log.</summary>
public sealed class ProtocolException : Exception
{
    /// <summary>Creates the error with its text.</summary>
    public ProtocolException(string message) : base(message) { }

    /// <summary>Creates the error with its text and cause.</summary>
    public ProtocolException(string message, Exception inner) : base(message, inner) { }

    /// <summary>Creates the error without a text; prefer one.</summary>
    public ProtocolException() { }
}

/// <summary>
/// Reads message fields in network order. Strings are a 16-bit length and that many bytes; the limit of each is checked
/// before anything is allocated. Every failure is a <see cref="ProtocolException"/> (control messages only: the packet
/// path does not come here).
/// </summary>
public ref struct WireReader(ReadOnlySpan<byte> body)
{
    private ReadOnlySpan<byte> _rest = body;

    /// <summary>Bytes not read yet.</summary>
    public readonly int Remaining => _rest.Length;

    /// <summary>One byte.</summary>
    public byte U8() => Take(1)[0];

    /// <summary>Two bytes, network order.</summary>
    public ushort U16() => BinaryPrimitives.ReadUInt16BigEndian(Take(2));

    /// <summary>Four bytes, network order.</summary>
    public uint U32() => BinaryPrimitives.ReadUInt32BigEndian(Take(4));

    /// <summary>Eight bytes, network order.</summary>
    public ulong U64() => BinaryPrimitives.ReadUInt64BigEndian(Take(8));

    /// <summary>A fixed number of bytes, borrowed from the frame.</summary>
    public ReadOnlySpan<byte> Fixed(int length) => Take(length);

    /// <summary>A counted byte string of at most <paramref name="max"/> bytes, borrowed from the frame.</summary>
    public ReadOnlySpan<byte> Bytes(int max)
    {
        int length = U16();
        if (length > max) throw new ProtocolException($"a field of {length} bytes where at most {max} are allowed");
        return Take(length);
    }

    /// <summary>A counted UTF-8 string of at most <paramref name="max"/> bytes; control characters are refused.</summary>
    public string Text(int max)
    {
        ReadOnlySpan<byte> bytes = Bytes(max);
        string text;
        try { text = StrictUtf8.GetString(bytes); }
        catch (DecoderFallbackException e) { throw new ProtocolException("a text field is not UTF-8", e); }
        foreach (char c in text)
            if (char.IsControl(c) && c != '\n') throw new ProtocolException("a text field holds control characters");
        return text;
    }

    /// <summary>An optional address: a size of 0, 4 or 16, then the bytes.</summary>
    public IpAddr? Address()
    {
        byte size = U8();
        return size switch
        {
            0 => null,
            4 or 16 => IpAddr.Read(Take(size)),
            _ => throw new ProtocolException($"an address of {size} bytes"),
        };
    }

    /// <summary>An address and a prefix length; set host bits are refused.</summary>
    public IpPrefix Prefix()
    {
        IpAddr address = Address() ?? throw new ProtocolException("a prefix without an address");
        int length = U8();
        if (length > address.Bits) throw new ProtocolException($"a prefix length of {length}");
        var prefix = new IpPrefix(address, length);
        if (prefix.Address != address) throw new ProtocolException($"host bits are set in {address}/{length}");
        return prefix;
    }

    /// <summary>Fails when bytes are left over: a message says all it says.</summary>
    public readonly void End()
    {
        if (_rest.Length != 0) throw new ProtocolException($"{_rest.Length} bytes too many in a message");
    }

    private static readonly UTF8Encoding StrictUtf8 = new(false, true);

    private ReadOnlySpan<byte> Take(int length)
    {
        if (_rest.Length < length) throw new ProtocolException("a message is shorter than its fields");
        ReadOnlySpan<byte> taken = _rest[..length];
        _rest = _rest[length..];
        return taken;
    }
}

/// <summary>Writes one control frame: header first, its length filled in by <see cref="Finish"/>.</summary>
public sealed class WireWriter
{
    private readonly ArrayBufferWriter<byte> _buffer = new(256);

    /// <summary>Starts a frame of the given type.</summary>
    public WireWriter(FrameType type)
    {
        Span<byte> header = _buffer.GetSpan(ProtocolConstants.FrameHeaderSize);
        header[..ProtocolConstants.FrameHeaderSize].Clear();
        header[0] = (byte)type;
        _buffer.Advance(ProtocolConstants.FrameHeaderSize);
    }

    /// <summary>One byte.</summary>
    public WireWriter U8(byte value)
    {
        _buffer.GetSpan(1)[0] = value;
        _buffer.Advance(1);
        return this;
    }

    /// <summary>Two bytes, network order.</summary>
    public WireWriter U16(ushort value)
    {
        BinaryPrimitives.WriteUInt16BigEndian(_buffer.GetSpan(2), value);
        _buffer.Advance(2);
        return this;
    }

    /// <summary>Eight bytes, network order.</summary>
    public WireWriter U64(ulong value)
    {
        BinaryPrimitives.WriteUInt64BigEndian(_buffer.GetSpan(8), value);
        _buffer.Advance(8);
        return this;
    }

    /// <summary>Bytes without a count.</summary>
    public WireWriter Fixed(ReadOnlySpan<byte> bytes)
    {
        _buffer.Write(bytes);
        return this;
    }

    /// <summary>A counted byte string.</summary>
    public WireWriter Bytes(ReadOnlySpan<byte> bytes) => U16(checked((ushort)bytes.Length)).Fixed(bytes);

    /// <summary>A counted UTF-8 string.</summary>
    public WireWriter Text(string text) => Bytes(Encoding.UTF8.GetBytes(text));

    /// <summary>An optional address.</summary>
    public WireWriter Address(IpAddr? address)
    {
        if (address is not { } a) return U8(0);
        Span<byte> bytes = stackalloc byte[16];
        int size = a.Write(bytes);
        return U8((byte)size).Fixed(bytes[..size]);
    }

    /// <summary>An address and a prefix length.</summary>
    public WireWriter Prefix(IpPrefix prefix) => Address(prefix.Address).U8((byte)prefix.Length);

    /// <summary>The finished frame, a fresh array owned by the caller.</summary>
    public byte[] Finish()
    {
        byte[] frame = _buffer.WrittenSpan.ToArray();
        FrameHeader.Write(frame, (FrameType)frame[0], frame.Length - ProtocolConstants.FrameHeaderSize);
        return frame;
    }
}
