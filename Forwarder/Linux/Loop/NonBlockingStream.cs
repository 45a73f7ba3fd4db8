using System.Threading.Tasks.Sources;

namespace PersonalVpn.Linux;

/// <summary>
/// A stream over a connected socket that never blocks; made to carry SslStream on an <see cref="EventLoop"/>:
/// <code>
/// ReadAsync    recv; when there is nothing, completed later on the loop's thread by the event itself (no allocation per read)
/// Write        appends to a buffer; never waits, never calls the kernel
/// Push, Flush  sends what the kernel takes, many TLS records in one call; the rest goes out as room appears
/// </code>
/// One read and one writer at a time, which may be different threads. The socket belongs to the stream.
/// </summary>
public sealed partial class NonBlockingStream : Stream, IEventHandler, IValueTaskSource<int>
{
    /// <summary>Default limit of <see cref="PendingBytes"/>.</summary>
    public const int DefaultPendingLimit = 4 << 20;

    private readonly LinuxSocket _socket;
    private readonly EventLoop _loop;
    private readonly Lock _readGate = new();
    private readonly Lock _writeGate = new();
    private readonly SendBuffer _pending;
    private IOException? _writeError;
    private int _disposed;

    /// <summary>Takes over a connected socket and watches it.</summary>
    /// <param name="socket">Connected; its blocking mode does not matter and is not changed (others may share it).</param>
    /// <param name="loop">Completes reads and sends what waited.</param>
    /// <param name="pendingLimit">Most bytes that may wait to be sent; one more makes Write throw IOException.</param>
    /// <exception cref="LinuxException">The socket cannot be watched.</exception>
    public NonBlockingStream(LinuxSocket socket, EventLoop loop, int pendingLimit = DefaultPendingLimit)
    {
        ArgumentNullException.ThrowIfNull(socket);
        ArgumentNullException.ThrowIfNull(loop);
        _socket = socket;
        _loop = loop;
        _pending = new SendBuffer(pendingLimit);
        _source.RunContinuationsAsynchronously = true;

        // Edge-triggered, once for life: no epoll_ctl per wait. Readers and writers go on until the kernel says EAGAIN.
        loop.Register(
            socket.Fd, EpollEvents.EPOLLIN | EpollEvents.EPOLLOUT | EpollEvents.EPOLLRDHUP | EpollEvents.EPOLLET, this);
    }

    /// <summary>Called on the loop's thread when nothing waits any more: all has been sent, or the connection failed.</summary>
    public Action? Drained { get; set; }

    /// <summary>The socket.</summary>
    public LinuxSocket Socket => _socket;

    /// <summary>Bytes written but not yet taken by the kernel. A caller drops packets while this is high, before encrypting them.</summary>
    public int PendingBytes
    {
        get
        {
            lock (_writeGate) return _pending.Length;
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

    /// <summary>Appends to what waits to be sent. Never blocks.</summary>
    /// <exception cref="IOException">The connection failed earlier, or too much waits.</exception>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        lock (_writeGate)
        {
            ThrowIfUnwritable();
            _pending.Append(buffer);
        }
    }

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    /// <summary>As <see cref="Write(ReadOnlySpan{byte})"/>, done when it returns.</summary>
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

    /// <summary>Sends what the kernel takes now; the rest goes out by itself as room appears.</summary>
    /// <returns>True when nothing waits any more.</returns>
    /// <exception cref="IOException">The connection failed.</exception>
    public bool Push()
    {
        lock (_writeGate)
        {
            ThrowIfUnwritable();
            SendPending();
            if (_writeError is not null) throw _writeError;
            return _pending.Length == 0;
        }
    }

    /// <summary><see cref="Push"/>: does not wait for the rest.</summary>
    public override void Flush() => Push();

    /// <summary><see cref="Push"/>, done when it returns.</summary>
    public override Task FlushAsync(CancellationToken cancellationToken)
    {
        Push();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    void IEventHandler.OnEvents(uint events)
    {
        bool ended = (events & (EpollEvents.EPOLLERR | EpollEvents.EPOLLHUP)) != 0;
        if (ended || (events & EpollEvents.EPOLLOUT) != 0) OnWritable();
        if (ended || (events & (EpollEvents.EPOLLIN | EpollEvents.EPOLLRDHUP)) != 0) OnReadable(events);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing && Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            _loop.Unregister(_socket.Fd);
            lock (_writeGate)
            {
                if (_writeError is null) SendPending(); // a farewell (TLS close_notify) may still fit
                _writeError ??= new IOException("the stream is closed");
                _pending.Clear();
            }

            lock (_readGate) _socket.Dispose(); // not under the loop's recv
            FailRead(new ObjectDisposedException(nameof(NonBlockingStream)));
        }

        base.Dispose(disposing);
    }

    private void OnWritable()
    {
        bool drained;
        lock (_writeGate)
        {
            if (_pending.Length == 0 || _writeError is not null) return;
            SendPending();
            drained = _pending.Length == 0;
        }

        if (drained) Drained?.Invoke();
    }

    private void SendPending()
    {
        while (_pending.Length > 0)
        {
            int sent = _socket.Send(_pending.Waiting, SocketFlags.MSG_DONTWAIT);
            if (sent is -Errno.EAGAIN or -Errno.ENOBUFS) return; // SOCK_NOSPACE is set: EPOLLOUT will come
            if (sent < 0)
            {
                _writeError = new LinuxException("send", -sent);
                _pending.Clear();
                return;
            }

            _pending.Advance(sent);
        }
    }

    private void ThrowIfUnwritable()
    {
        ObjectDisposedException.ThrowIf(_disposed != 0, this);
        if (_writeError is not null) throw new IOException(_writeError.Message, _writeError);
    }
}
