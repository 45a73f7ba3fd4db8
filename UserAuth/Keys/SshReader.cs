using System.Buffers.Binary;
using System.Text;

namespace PersonalVpn.UserAuth;

/// <summary>
/// Reads the data types of RFC 4251 5 from a buffer. Every read is bounds-checked and answers false at the first
/// byte that is missing; lengths come from strangers and are never trusted.
/// </summary>
internal ref struct SshReader(ReadOnlySpan<byte> data)
{
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);
    private ReadOnlySpan<byte> _rest = data;

    /// <summary>What has not been read yet.</summary>
    public readonly ReadOnlySpan<byte> Rest => _rest;

    /// <summary>Whether everything was read.</summary>
    public readonly bool AtEnd => _rest.IsEmpty;

    /// <summary>One byte.</summary>
    public bool TryReadByte(out byte value)
    {
        if (_rest.IsEmpty)
        {
            value = 0;
            return false;
        }
        value = _rest[0];
        _rest = _rest[1..];
        return true;
    }

    /// <summary>uint32, big-endian.</summary>
    public bool TryReadUInt32(out uint value)
    {
        if (!BinaryPrimitives.TryReadUInt32BigEndian(_rest, out value))
        {
            return false;
        }
        _rest = _rest[4..];
        return true;
    }

    /// <summary>string: uint32 length, then that many bytes. The result borrows from the buffer.</summary>
    public bool TryReadString(out ReadOnlySpan<byte> value)
    {
        value = default;
        if (!BinaryPrimitives.TryReadUInt32BigEndian(_rest, out uint length) || length > (uint)(_rest.Length - 4))
        {
            return false;
        }
        value = _rest.Slice(4, (int)length);
        _rest = _rest[(4 + (int)length)..];
        return true;
    }

    /// <summary>string that is text; invalid UTF-8 or more than <paramref name="maximumBytes"/> bytes answer false.</summary>
    public bool TryReadText(int maximumBytes, out string value)
    {
        value = "";
        if (!TryReadString(out ReadOnlySpan<byte> bytes) || bytes.Length > maximumBytes)
        {
            return false;
        }
        try
        {
            value = Strict.GetString(bytes);
            return true;
        }
        catch (DecoderFallbackException)
        {
            return false;
        }
    }

    /// <summary>
    /// mpint that is positive and in its only canonical form (RFC 4251 5: no needless leading zero). The result has
    /// no leading zero and borrows from the buffer; zero and negative numbers answer false.
    /// </summary>
    public bool TryReadPositiveMpint(out ReadOnlySpan<byte> value)
    {
        if (!TryReadString(out value) || value.IsEmpty || (value[0] & 0x80) != 0)
        {
            return false;
        }
        if (value[0] != 0)
        {
            return true;
        }
        if (value.Length == 1 || (value[1] & 0x80) == 0)
        {
            return false;
        }
        value = value[1..];
        return true;
    }
}
