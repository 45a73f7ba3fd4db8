namespace PersonalVpn.Linux;

/// <summary>
/// A stream over a connected, blocking socket for a thread of its own; made to carry SslStream: Write appends, Flush sends all,
/// many TLS records in one call. Read waits in the kernel; <see cref="LinuxSocket.Shutdown()"/> from another thread wakes it.
/// One reader and one writer may work at the same time. The socket belongs to the stream.
/// </summary>
public sealed class BlockingStream : Stream
{
    /// <summary>When more than this waits, Write sends without being asked.</summary>
    public const int FlushThreshold = 1 << 20;

    private readonly LinuxSocket _socket;
    private readonly Lock _gate = new();
    private readonly SendBuffer _pending = new(int.MaxValue);

    /// <summary>Takes over a connected, blocking socket.</summary>
    public BlockingStream(LinuxSocket socket)
    {
        ArgumentNullException.ThrowIfNull(socket);
        _socket = socket;
    }

    /// <summary>The socket.</summary>
    public LinuxSocket Socket => _socket;

    /// <summary>Bytes written but not flushed.</summary>
    public int PendingBytes
    {
        get
        {
            lock (_gate) return _pending.Length;
        }
    }

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanWrite => true;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Reads what there is, waiting for it.</summary>
    /// <returns>Bytes; 0 when the peer has finished or the socket was shut down.</returns>
    /// <exception cref="LinuxException">The connection failed.</exception>
    public override int Read(Span<byte> buffer)
    {
        if (!buffer.IsEmpty) return LinuxException.Check(_socket.Receive(buffer), "receive");

        // A read into nothing waits for data, as SslStream expects of its inner stream.
        Span<byte> peek = stackalloc byte[1];
        LinuxException.Check(_socket.Receive(peek, SocketFlags.MSG_PEEK), "receive");
        return 0;
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    /// <summary>Reads on the calling thread, done when it returns: the thread is the reader's own.</summary>
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (cancellationToken.IsCancellationRequested) return ValueTask.FromCanceled<int>(cancellationToken);
        try
        {
            return new ValueTask<int>(Read(buffer.Span));
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            return ValueTask.FromException<int>(e);
        }
    }

    /// <inheritdoc/>
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <summary>Appends to what waits for <see cref="Flush"/>.</summary>
    /// <exception cref="LinuxException">The threshold was passed and sending failed.</exception>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        lock (_gate)
        {
            _pending.Append(buffer);
            if (_pending.Length > FlushThreshold) SendAll();
        }
    }

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Write(buffer.Span);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        Write(buffer.AsSpan(offset, count));
        return Task.CompletedTask;
    }

    /// <summary>Sends all that waits, as long as it takes.</summary>
    /// <exception cref="LinuxException">The connection failed.</exception>
    public override void Flush()
    {
        lock (_gate) SendAll();
    }

    /// <inheritdoc/>
    public override Task FlushAsync(CancellationToken cancellationToken)
    {
        Flush();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing && !_socket.IsClosed)
        {
            _socket.Shutdown(); // a reader in recv would hold the descriptor open
            _socket.Dispose();
        }

        base.Dispose(disposing);
    }

    private void SendAll()
    {
        while (_pending.Length > 0)
        {
            int sent = _socket.Send(_pending.Waiting);
            if (sent < 0)
            {
                _pending.Clear();
                throw new LinuxException("send", -sent);
            }

            _pending.Advance(sent);
        }
    }
}
