using System.Buffers;
using System.Net.Security;
using PersonalVpn.Linux;
using PersonalVpn.Packets;
using PersonalVpn.Server.Inject;
using PersonalVpn.Server.Resume;
using PersonalVpn.Tunnel.Protocol;

namespace PersonalVpn.Server.Sessions;

/// <summary>
/// One logged-in user's connection. Up: frames are read on an event loop, each packet is checked against the session's address and
/// policy, then injected. Down: the capture thread appends frames to a batch and flushes it as one TLS write; when the client does
/// not take them, further ones are dropped before they are encrypted.
/// </summary>
internal sealed class Session : IDisposable
{
    /// <summary>Bytes of ciphertext that may wait for a slow client: beyond it, dropping tells the senders (buffers are latency).</summary>
    public const int MaxPending = 1 << 20;

    private static readonly TimeSpan LingerTime = TimeSpan.FromSeconds(1);

    // One TLS write for this much at most; what exceeds it is written at once.
    private const int BatchBytes = 128 * 1024;

    // What one session may have of the loop before the others: about 200 us of work.
    private const int TurnBytes = 128 * 1024;

    private readonly SslStream _tls;
    private readonly NonBlockingStream _transport;
    private readonly Lock _sendGate = new();
    private byte[]? _batch;
    private int _batched;
    private volatile bool _closed;
    private string? _closeText;
    private long _lastErrorAt;
    private int _errorTokens = 10;

    public Session(long id, string user, string peer, UserPolicy policy, SslStream tls, NonBlockingStream transport)
    {
        Id = id;
        User = user;
        Peer = peer;
        Policy = policy;
        _tls = tls;
        _transport = transport;
        LastHeard = Environment.TickCount64;
    }

    public long Id { get; }
    public string User { get; }
    public string Peer { get; }
    public UserPolicy Policy { get; }

    /// <summary>What outlives this session, so that it can be resumed.</summary>
    public required Lease Lease { get; init; }

    /// <summary>True once there is nothing to come back to: the client said goodbye, or was told to go.</summary>
    public bool IsOver { get; private set; }

    /// <summary>True once the client said goodbye: nothing that it sends after that is waited for.</summary>
    public bool IsLeft { get; private set; }

    public IpAddr? AddressV4 { get; set; }
    public IpAddr? AddressV6 { get; set; }
    public DateTimeOffset Since { get; } = DateTimeOffset.UtcNow;
    public SessionCounters Counters { get; } = new();

    /// <summary>Milliseconds of <see cref="Environment.TickCount64"/> when the client was last heard.</summary>
    public long LastHeard { get; private set; }

    /// <summary>Where the session's bytes are relayed to; null for a tunnel. A relay has no addresses and speaks no frames.</summary>
    public string? RelayTo { get; init; }

    /// <summary>The name under which this client, a server itself, can be reached through this one; null for users. It has no addresses.</summary>
    public string? Registers { get; init; }

    /// <summary>Answers another OPEN with a CONFIG; null from the first packet on.</summary>
    public Func<OpenMessage, byte[]>? Reopen { get; set; }

    /// <summary>The client's packets: read, check, inject, until the connection ends. Returns why it ended.</summary>
    public async Task<string> ReceiveAsync(FrameBuffer frames, IInjector injector, EventLoop loop, IpAddr serverV4, IpAddr serverV6)
    {
        int turn = 0;
        try
        {
            while (true)
            {
                if (Consume(frames, injector, serverV4, serverV6) is { } end) return end;
                if (frames.IsEmpty && !_transport.MayHaveMore)
                {
                    // Nothing is here: neither this session nor its SslStream holds a buffer while it waits, which may be for hours.
                    injector.Flush();
                    frames.GiveBack();
                    turn = 0;
                    await _tls.ReadAsync(Memory<byte>.Empty).ConfigureAwait(false);
                }
                ValueTask<int> read = _tls.ReadAsync(frames.Space());
                // While more is here a datagram may wait for its like; before the thread turns to anything else, all are sent.
                if (!read.IsCompleted) injector.Flush();
                int n = await read.ConfigureAwait(false);
                if (n == 0) return _closeText ?? "the client closed the connection";
                frames.Advance(n);
                LastHeard = Environment.TickCount64;
                // A client that always has more would keep the loop to itself: after its share the others have their turn.
                if ((turn += n) < TurnBytes) continue;
                turn = 0;
                injector.Flush();
                await new LoopYield(loop);
            }
        }
        finally
        {
            injector.Flush();
        }
    }

    /// <summary>Adds one frame to the batch; capture thread. False: dropped, the client is too slow.</summary>
    public bool TryAppend(ReadOnlySpan<byte> frame)
    {
        lock (_sendGate)
        {
            if (_closed || _transport.PendingBytes > MaxPending)
            {
                Counters.Drop(SessionDrop.ClientTooSlow);
                return false;
            }
            Counters.Sent(frame.Length - ProtocolConstants.PacketPrefixSize);
            if (_batch is null && frame.Length > BatchBytes / 2)
            {
                // Alone it is a batch: no copy.
                WriteLocked(frame);
                return true;
            }
            _batch ??= ArrayPool<byte>.Shared.Rent(BatchBytes + ProtocolConstants.MaxPacketFrameSize);
            frame.CopyTo(_batch.AsSpan(_batched));
            _batched += frame.Length;
            if (_batched >= BatchBytes) FlushBatchLocked();
            return true;
        }
    }

    /// <summary>Writes the batch out; capture thread, at the end of its round.</summary>
    public void Flush()
    {
        lock (_sendGate)
        {
            FlushBatchLocked();
            PushLocked();
        }
    }

    /// <summary>Sends a control frame; any thread.</summary>
    public void SendControl(byte[] frame)
    {
        lock (_sendGate)
        {
            FlushBatchLocked();
            WriteLocked(frame);
            PushLocked();
        }
    }

    /// <summary>
    /// Tells the client why, and ends our direction; the client ends the other one. A client that does not is cut off after a second
    /// (closing at once would reset the connection, and the reason with it).
    /// </summary>
    public void Close(CloseReason reason, string text)
    {
        if (reason is not (CloseReason.ShuttingDown or CloseReason.Timeout or CloseReason.Resumed or CloseReason.InternalError)) IsOver = true;
        if (RelayTo is not null)
        {
            _closeText = text;
            Cut(sendOnly: false);
            return;
        }
        SendControl(new CloseMessage(reason, text).Encode());
        lock (_sendGate)
        {
            if (_closed) return;
            _closed = true;
            _closeText = text;
        }
        Cut(sendOnly: true);
        _ = Task.Delay(LingerTime).ContinueWith(_ => Cut(sendOnly: false), TaskScheduler.Default);
    }

    /// <summary>After <see cref="Close"/>: reads and forgets what still comes, until the client is gone or cut off.</summary>
    public async Task LingerAsync(FrameBuffer frames)
    {
        try
        {
            while (await _tls.ReadAsync(frames.Scratch()).ConfigureAwait(false) > 0) { }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException)
        {
            _closed = true;
        }
    }

    public void Dispose()
    {
        lock (_sendGate)
        {
            _closed = true;
            if (_batch is not null) ArrayPool<byte>.Shared.Return(_batch);
            _batch = null;
            _batched = 0;
        }
        _tls.Dispose();
        _transport.Dispose();
    }

    private string? Consume(FrameBuffer frames, IInjector injector, IpAddr serverV4, IpAddr serverV6)
    {
        while (true)
        {
            switch (frames.TryNext(out FrameType type, out Span<byte> frame))
            {
                case FrameStatus.NeedMore:
                    return null;
                case FrameStatus.Malformed:
                    return Refuse($"frame of unknown type or too long (type 0x{(byte)type:x2})");
            }
            if (_closed) continue;
            ReadOnlySpan<byte> body = frame[ProtocolConstants.FrameHeaderSize..];
            switch (type)
            {
                case FrameType.Open when Reopen is { } reopen:
                    SendControl(reopen(OpenMessage.Decode(body)));
                    break;
                case FrameType.Packet:
                    Reopen = null;
                    if (frame.Length < ProtocolConstants.PacketPrefixSize) return Refuse("a PACKET frame without metadata");
                    Deliver(frame, injector, serverV4, serverV6);
                    break;
                case FrameType.Ping:
                    SendControl(PingMessage.Encode(FrameType.Pong, PingMessage.Decode(body)));
                    break;
                case FrameType.Pong:
                    break;
                case FrameType.Close:
                    IsOver = IsLeft = true;
                    return "the client says: " + CloseMessage.Decode(body).Text;
                default:
                    return Refuse($"frame {type} has no place here");
            }
        }
    }

    private string Refuse(string problem)
    {
        Close(CloseReason.ProtocolError, problem);
        return "protocol error: " + problem;
    }

    private void Deliver(Span<byte> frame, IInjector injector, IpAddr serverV4, IpAddr serverV6)
    {
        Span<byte> packet = frame[ProtocolConstants.PacketPrefixSize..];
        SessionDrop reason = Judge(frame, packet, out PacketInfo info, out OffloadMetadata offload);
        if (reason == SessionDrop.None)
        {
            switch (injector.Send(frame, info, offload, Counters))
            {
                case InjectResult.Sent:
                    Counters.Received(packet.Length);
                    return;
                case InjectResult.Held:
                    return;
                case InjectResult.TooBig:
                    reason = SessionDrop.TooBig;
                    Answer(packet, info, IcmpErrorKind.PacketTooBig, info.IsV6 ? serverV6 : serverV4);
                    break;
                default:
                    reason = SessionDrop.InjectFailed;
                    break;
            }
        }
        else if (reason == SessionDrop.NotPermitted) Answer(packet, info, IcmpErrorKind.AdminProhibited, info.IsV6 ? serverV6 : serverV4);
        Counters.Drop(reason);
    }

    private SessionDrop Judge(ReadOnlySpan<byte> frame, ReadOnlySpan<byte> packet, out PacketInfo info, out OffloadMetadata offload)
    {
        offload = OffloadMetadata.Read(frame[ProtocolConstants.FrameHeaderSize..]);
        if (PacketParser.TryParse(packet, out info) != PacketError.None) return SessionDrop.Malformed;
        if (offload.Validate(info) != PacketError.None) return SessionDrop.Malformed;
        if (info.Source != (info.IsV6 ? AddressV6 : AddressV4)) return SessionDrop.WrongSource;
        if (info.IsFragment) return SessionDrop.Fragment;
        return Policy.Permits(info) ? SessionDrop.None : SessionDrop.NotPermitted;
    }

    // An ICMP error tells the application at once what it would otherwise wait for; ten at a time, one more every 100 ms (RFC 4443 2.4(f)).
    private void Answer(ReadOnlySpan<byte> packet, in PacketInfo info, IcmpErrorKind kind, IpAddr source)
    {
        long now = Environment.TickCount64;
        if (now - _lastErrorAt >= 100)
        {
            _errorTokens = (int)Math.Min(10, _errorTokens + ((now - _lastErrorAt) / 100));
            _lastErrorAt = now;
        }
        if (_errorTokens == 0) return;
        Span<byte> frame = stackalloc byte[ProtocolConstants.PacketPrefixSize + IcmpError.MaxLength];
        if (!IcmpError.TryBuild(packet, info, kind, source, ProtocolConstants.DefaultMtu, frame[ProtocolConstants.PacketPrefixSize..], out int written)) return;
        _errorTokens--;
        frame = frame[..(ProtocolConstants.PacketPrefixSize + written)];
        FrameHeader.Write(frame, FrameType.Packet, frame.Length - ProtocolConstants.FrameHeaderSize);
        default(OffloadMetadata).Write(frame[ProtocolConstants.FrameHeaderSize..]);
        if (TryAppend(frame)) Flush();
    }

    private void FlushBatchLocked()
    {
        if (_batch is not { } batch) return;
        int length = _batched;
        _batch = null;
        _batched = 0;
        WriteLocked(batch.AsSpan(0, length));
        ArrayPool<byte>.Shared.Return(batch);
    }

    // A write error is not reported here: the reading side ends the session by the same cause.
    private void WriteLocked(ReadOnlySpan<byte> bytes)
    {
        if (_closed) return;
        try { _tls.Write(bytes); }
        catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException) { Abort(); }
    }

    private void PushLocked()
    {
        if (_closed) return;
        try { _transport.Push(); }
        catch (Exception e) when (e is IOException or ObjectDisposedException) { Abort(); }
    }

    private void Abort()
    {
        _closed = true;
        Cut(sendOnly: false);
    }

    // Its own task may have ended the connection meanwhile: no concern of who takes the session over, disconnects it or shuts down.
    private void Cut(bool sendOnly)
    {
        try
        {
            if (sendOnly) _transport.Socket.ShutdownSend();
            else _transport.Socket.Shutdown();
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // There is nothing left to cut.
        }
    }
}
