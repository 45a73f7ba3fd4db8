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
/// Cuts a byte stream into frames. One fixed buffer, allocated once: a peer cannot make it grow, and a length is checked
/// against its type's limit as soon as the header is there. Frames are borrowed: valid until the next <see cref="Space"/>.
/// Not thread-safe.
/// </summary>
public sealed class FrameBuffer
{
    private readonly byte[] _buffer;
    private int _start;
    private int _end;

    /// <summary>Creates a buffer for frames up to <paramref name="capacity"/> bytes, header included.</summary>
    public FrameBuffer(int capacity = Capacity) => _buffer = GC.AllocateUninitializedArray<byte>(capacity);

    /// <summary>Two of the largest frames: one may be incomplete while another is read.</summary>
    public const int Capacity = 2 * ProtocolConstants.MaxPacketFrameSize;

    /// <summary>True when no byte waits: the buffer may be given up while the session idles.</summary>
    public bool IsEmpty => _start == _end;

    /// <summary>Free space to read into; never empty while <see cref="TryNext"/> is drained first. Moves what is left to the front.</summary>
    public Memory<byte> Space()
    {
        if (_start == _end) _start = _end = 0;
        else if (_buffer.Length - _end < _buffer.Length / 2 && _start > 0)
        {
            Buffer.BlockCopy(_buffer, _start, _buffer, 0, _end - _start);
            _end -= _start;
            _start = 0;
        }
        return _buffer.AsMemory(_end);
    }

    /// <summary>The whole buffer as a place to read what nobody will look at; what it held is forgotten.</summary>
    public Memory<byte> Scratch()
    {
        _start = _end = 0;
        return _buffer;
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
        if (body > max || body + ProtocolConstants.FrameHeaderSize > _buffer.Length) return FrameStatus.Malformed;
        int total = ProtocolConstants.FrameHeaderSize + body;
        if (have.Length < total) return FrameStatus.NeedMore;
        frame = have[..total];
        _start += total;
        return FrameStatus.Frame;
    }
}
