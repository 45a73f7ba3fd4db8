using System.Threading.Tasks.Sources;

namespace PersonalVpn.Linux;

/// <content>
/// Reading. One read may wait at a time; it is its own task source. Edge-triggered epoll reports a change once, so a read that
/// found nothing must not go to sleep if an edge came after its recv: edges are counted, and the count is compared under the lock.
/// </content>
public sealed partial class NonBlockingStream
{
    private ManualResetValueTaskSourceCore<int> _source;
    private Memory<byte> _readBuffer;
    private CancellationTokenRegistration _readCancellation;
    private bool _reading;
    private bool _maybeReadable = true;
    private bool _ended;
    private uint _edges;

    /// <summary>
    /// True: what awaits a read goes on in the thread pool (for code that may block, as in a handshake). False: it goes on
    /// inline on the loop's thread. May be switched between reads; true at first.
    /// </summary>
    public bool RunContinuationsAsynchronously
    {
        get => _source.RunContinuationsAsynchronously;
        set => _source.RunContinuationsAsynchronously = value;
    }

    /// <summary>False when a read would wait for the kernel to say that there is more. True promises nothing.</summary>
    public bool MayHaveMore => Volatile.Read(ref _maybeReadable);

    /// <summary>Reads what there is, or waits for it. A read into nothing waits until there is something (or the end).</summary>
    /// <returns>Bytes; 0 when the peer has finished.</returns>
    /// <exception cref="LinuxException">The connection failed.</exception>
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_disposed != 0, this);
        if (cancellationToken.IsCancellationRequested) return ValueTask.FromCanceled<int>(cancellationToken);
        if (_reading) throw new InvalidOperationException("a read is under way already");
        if (TryReceive(buffer, out int result)) return Completed(result);

        lock (_readGate)
        {
            while (_maybeReadable)
            {
                if (TryReceive(buffer, out result)) return Completed(result);
            }

            ObjectDisposedException.ThrowIf(_disposed != 0, this);
            _source.Reset();
            _readBuffer = buffer;
            _reading = true;
        }

        ValueTask<int> pending = new(this, _source.Version);
        if (cancellationToken.CanBeCanceled) WatchCancellation(cancellationToken);
        return pending;
    }

    /// <inheritdoc/>
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <summary>Reads, waiting in the kernel. Not on the loop's thread, where nothing may wait.</summary>
    /// <exception cref="InvalidOperationException">Called on the loop's thread.</exception>
    public override int Read(Span<byte> buffer)
    {
        if (_loop.IsLoopThread) throw new InvalidOperationException("a blocking read would stop the event loop");
        while (true)
        {
            int n = _socket.Receive(buffer, SocketFlags.MSG_DONTWAIT);
            if (n >= 0) return n;
            if (n != -Errno.EAGAIN) throw new LinuxException("receive", -n);
            _socket.Poll(forWrite: false, Timeout.Infinite);
        }
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    int IValueTaskSource<int>.GetResult(short token) => _source.GetResult(token);

    /// <inheritdoc/>
    ValueTaskSourceStatus IValueTaskSource<int>.GetStatus(short token) => _source.GetStatus(token);

    /// <inheritdoc/>
    void IValueTaskSource<int>.OnCompleted(
        Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _source.OnCompleted(continuation, state, token, flags);

    private static ValueTask<int> Completed(int result) => result >= 0
        ? new ValueTask<int>(result)
        : ValueTask.FromException<int>(new LinuxException("receive", -result));

    /// <summary>
    /// One attempt. True with bytes or a negative errno; false when there is nothing, after noting that a new edge must come first,
    /// unless one came meanwhile.
    /// </summary>
    private bool TryReceive(Memory<byte> buffer, out int result)
    {
        result = 0;
        if (!Volatile.Read(ref _maybeReadable)) return false;
        if (buffer.IsEmpty) return true; // woken for nothing is allowed: the next read will tell
        uint edges = Volatile.Read(ref _edges);
        result = _socket.Receive(buffer.Span, SocketFlags.MSG_DONTWAIT);

        // A short read has emptied the socket, too, and saves the recv that would say EAGAIN. After the peer's end was seen no edge
        // comes any more, so then only recv itself may tell.
        bool drained = result == -Errno.EAGAIN || (result > 0 && result < buffer.Length);
        if (drained)
        {
            lock (_readGate)
            {
                if (_edges == edges && (!_ended || result == -Errno.EAGAIN)) _maybeReadable = false;
            }
        }

        return result != -Errno.EAGAIN;
    }

    private void OnReadable(uint events)
    {
        int result;
        CancellationTokenRegistration registration;
        lock (_readGate)
        {
            _edges++;
            _maybeReadable = true;
            if ((events & (EpollEvents.EPOLLRDHUP | EpollEvents.EPOLLHUP | EpollEvents.EPOLLERR)) != 0) _ended = true;

            // One lock from recv to the end of waiting: a cancelled reader must neither get its buffer back while the kernel
            // writes into it nor lose what was received.
            if (_disposed != 0 || !_reading || !TryReceive(_readBuffer, out result) || !EndWaiting(out registration)) return;
        }

        registration.Unregister();
        if (result >= 0) _source.SetResult(result);
        else _source.SetException(new LinuxException("receive", -result));
    }

    private void FailRead(Exception error)
    {
        if (!EndWaiting(out CancellationTokenRegistration registration)) return;
        registration.Unregister();
        _source.SetException(error);
    }

    /// <summary>True for the one who may complete the waiting read.</summary>
    private bool EndWaiting(out CancellationTokenRegistration registration)
    {
        lock (_readGate)
        {
            registration = _readCancellation;
            if (!_reading) return false;
            _reading = false;
            _readBuffer = default;
            _readCancellation = default;
            return true;
        }
    }

    private void WatchCancellation(CancellationToken token)
    {
        CancellationTokenRegistration registration = token.UnsafeRegister(
            static (state, cancelled) => ((NonBlockingStream)state!).FailRead(new OperationCanceledException(cancelled)), this);
        lock (_readGate)
        {
            if (_reading)
            {
                _readCancellation = registration;
                return;
            }
        }

        registration.Unregister();
    }
}
