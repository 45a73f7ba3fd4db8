using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace PersonalVpn.UserAuth;

/// <summary>Writes the data types of RFC 4251 5. Meant for the few messages of authentication, not for packets.</summary>
internal sealed class SshWriter
{
    private readonly ArrayBufferWriter<byte> _buffer = new(512);

    /// <summary>Bytes as they are, without a length.</summary>
    public SshWriter Raw(ReadOnlySpan<byte> bytes)
    {
        _buffer.Write(bytes);
        return this;
    }

    /// <summary>One byte.</summary>
    public SshWriter Byte(byte value) => Raw([value]);

    /// <summary>uint32, big-endian.</summary>
    public SshWriter UInt32(uint value)
    {
        BinaryPrimitives.WriteUInt32BigEndian(_buffer.GetSpan(4), value);
        _buffer.Advance(4);
        return this;
    }

    /// <summary>string: uint32 length, then the bytes.</summary>
    public SshWriter String(ReadOnlySpan<byte> bytes) => UInt32((uint)bytes.Length).Raw(bytes);

    /// <summary>string that holds UTF-8 text.</summary>
    public SshWriter Text(string text) => String(Encoding.UTF8.GetBytes(text));

    /// <summary>mpint of an unsigned big-endian number: leading zeros removed, one added where the top bit is set.</summary>
    public SshWriter Mpint(ReadOnlySpan<byte> number)
    {
        number = number.TrimStart((byte)0);
        bool pad = !number.IsEmpty && (number[0] & 0x80) != 0;
        UInt32((uint)number.Length + (pad ? 1u : 0u));
        return pad ? Byte(0).Raw(number) : Raw(number);
    }

    /// <summary>A copy of everything written.</summary>
    public byte[] ToArray() => _buffer.WrittenSpan.ToArray();
}
