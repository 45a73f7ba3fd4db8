using System.Buffers;

namespace PersonalVpn.Tunnel.Protocol;

/// <summary>What <see cref="FrameBuffer.TryNext"/> found.</summary>
public enum FrameStatus
{
    /// <summary>A whole frame.</summary>
    Frame,

    /// <summary>More bytes are needed.</summary>
    NeedMore,

    /// <summary>An unknown type or a length beyond the type's limit: the connection must end.</summary>
    Malformed,
}

/// <summary>
/// Cuts a byte stream into frames. One buffer of fixed size: a peer cannot make it grow, and a length is checked against its
/// type's limit as soon as the header is there. It is rented with the first <see cref="Space"/> and may be given back whenever it
/// is empty, so that a session which waits holds none. Frames are borrowed: valid until the next <see cref="Space"/> or
/// <see cref="GiveBack"/>. Not thread-safe.
/// </summary>
public sealed class FrameBuffer
{
    private readonly int _capacity;
    private byte[]? _buffer;
    private int _start;
    private int _end;

    /// <summary>Creates a buffer for frames up to <paramref name="capacity"/> bytes, header included.</summary>
    public FrameBuffer(int capacity = Capacity) => _capacity = capacity;

    /// <summary>Two of the largest frames: one may be incomplete while another is read.</summary>
    public const int Capacity = 2 * ProtocolConstants.MaxPacketFrameSize;

    /// <summary>True when no byte waits: the buffer may be given back while the session idles.</summary>
    public bool IsEmpty => _start == _end;

    /// <summary>Free space to read into; never empty while <see cref="TryNext"/> is drained first. Moves what is left to the front.</summary>
    public Memory<byte> Space()
    {
        byte[] buffer = _buffer ??= ArrayPool<byte>.Shared.Rent(_capacity);
        if (_start == _end) _start = _end = 0;
        else if (_capacity - _end < _capacity / 2 && _start > 0)
        {
            Buffer.BlockCopy(buffer, _start, buffer, 0, _end - _start);
            _end -= _start;
            _start = 0;
        }
        return buffer.AsMemory(_end, _capacity - _end);
    }

    /// <summary>The whole buffer as a place to read what nobody will look at; what it held is forgotten.</summary>
    public Memory<byte> Scratch()
    {
        _start = _end = 0;
        return (_buffer ??= ArrayPool<byte>.Shared.Rent(_capacity)).AsMemory(0, _capacity);
    }

    /// <summary>Gives the bytes back when none waits. Not while a read into <see cref="Space"/> is under way.</summary>
    public void GiveBack()
    {
        if (_buffer is not { } buffer || !IsEmpty) return;
        _buffer = null;
        _start = _end = 0;
        ArrayPool<byte>.Shared.Return(buffer);
    }

    /// <summary>Says how many bytes were read into <see cref="Space"/>.</summary>
    public void Advance(int count) => _end += count;

    /// <summary>Takes the next frame; <paramref name="frame"/> includes its header.</summary>
    public FrameStatus TryNext(out FrameType type, out Span<byte> frame)
    {
        type = FrameType.None;
        frame = default;
        Span<byte> have = _buffer.AsSpan(_start, _end - _start);
        if (have.Length < ProtocolConstants.FrameHeaderSize) return FrameStatus.NeedMore;
        type = (FrameType)have[0];
        int body = FrameHeader.BodyLength(have);
        int max = FrameHeader.MaxBody(type);
        if (body > max || body + ProtocolConstants.FrameHeaderSize > _capacity) return FrameStatus.Malformed;
        int total = ProtocolConstants.FrameHeaderSize + body;
        if (have.Length < total) return FrameStatus.NeedMore;
        frame = have[..total];
        _start += total;
        return FrameStatus.Frame;
    }
}
