using System.Diagnostics;
using System.Net.Security;
using System.Security.Cryptography;
using PersonalVpn.Cli.Connect;
using PersonalVpn.Linux;
using PersonalVpn.Tunnel.Protocol;

namespace PersonalVpn.Cli.Session;

/// <summary>Why the pump ended, whether it was pvpnd that closed its side, and whether the server said that it is over.</summary>
internal sealed record PumpEnd(bool ByForwarder, string Reason, bool IsFinal = false);

/// <summary>
/// The user's process as a packet path: one thread, no queue of its own.
/// <code>
/// up:   port ─ all packets that are there ─► one TLS write ─► one send
/// down: one TLS read ─► frames ─► the device, or the channel
/// </code>
/// One thread for both directions: a packet and its answer find it on the processor where the last one left it. When the server is
/// slow the ports are not read, and the kernel slows the sending sockets.
/// </summary>
internal sealed class PacketPump
{
    // Sixteen TLS records: beyond that a larger batch gains nothing.
    private const int BatchBytes = 256 * 1024;

    // With more than this unsent the ports are left alone until it has gone: buffers are latency.
    private const int MaxPending = 128 * 1024;

    // After this many reads in a row the other direction has its turn.
    private const int ReadsPerTurn = 16;

    private readonly GatewayConnection _gateway;
    private readonly ChannelPort _channel;
    private readonly TunPort? _device;
    private readonly Uplink[] _uplinks;
    private readonly byte[] _batch = GC.AllocateUninitializedArray<byte>(BatchBytes + ProtocolConstants.MaxPacketFrameSize, pinned: true);
    private readonly Lock _sendGate = new();
    private readonly TaskCompletionSource<PumpEnd> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _lastReceived = Stopwatch.GetTimestamp();
    private volatile bool _paused;

    public PacketPump(GatewayConnection gateway, LinuxSocket channel, TunDevice? device)
    {
        _gateway = gateway;
        _channel = new ChannelPort(channel);
        _device = device is null ? null : new TunPort(device);
        gateway.LoopFailed = e => _ended.TrySetResult(Lost(e.Message));
        _uplinks = [new Uplink(this, _channel), .. _device is null ? [] : new[] { new Uplink(this, _device) }];
    }

    /// <summary>Completes with the reason when either direction ends.</summary>
    public Task<PumpEnd> Ended => _ended.Task;

    /// <summary>Time since the server was last heard.</summary>
    public TimeSpan Silence => Stopwatch.GetElapsedTime(Interlocked.Read(ref _lastReceived));

    private SslStream Tls => _gateway.Tls;

    public void Start() => _gateway.Loop.Post(() =>
    {
        _gateway.Transport.RunContinuationsAsynchronously = false;
        _gateway.Transport.Drained = Resume;
        foreach (Uplink u in _uplinks) u.Watch(true);
        _ = Down();
    });

    /// <summary>Asks the server for a sign of life.</summary>
    public void Ping() => SendControl(PingMessage.Encode(FrameType.Ping, BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8))));

    /// <summary>Says goodbye, as far as the server can still be told.</summary>
    public void SendClose(string text) => SendControl(new CloseMessage(CloseReason.Normal, text).Encode());

    private static readonly PumpEnd PortClosed = new(true, "pvpnd closed the packet channel");

    private static PumpEnd Lost(string reason) => new(false, reason);

    private void SendControl(byte[] frame)
    {
        Send(frame);
        if (_paused) _gateway.Loop.Post(Resume);
    }

    private void Send(ReadOnlySpan<byte> frames)
    {
        try
        {
            lock (_sendGate)
            {
                Tls.Write(frames);
                _gateway.Transport.Push();
            }
        }
        catch (Exception e) when (IsConnectionLoss(e)) { _ended.TrySetResult(Lost((e.InnerException ?? e).Message)); }
    }

    private static bool IsConnectionLoss(Exception e) => e is IOException or ObjectDisposedException or ProtocolException or InvalidOperationException;

    private void Up(Uplink from)
    {
        int length = 0;
        while (length < BatchBytes)
        {
            int n = from.Port.Receive(_batch.AsSpan(length));
            if (n == 0) break;
            if (n < 0)
            {
                from.Watch(false);
                _ended.TrySetResult(PortClosed);
                break;
            }
            length += n;
        }
        if (length == 0) return;
        Send(_batch.AsSpan(0, length));
        if (_gateway.Transport.PendingBytes > MaxPending) Pause();
    }

    private void Pause()
    {
        _paused = true;
        foreach (Uplink u in _uplinks) u.Watch(false);
    }

    // On the loop's thread, when everything has been sent; or when somebody else may have sent the rest.
    private void Resume()
    {
        if (!_paused || _gateway.Transport.PendingBytes > MaxPending || _ended.Task.IsCompleted) return;
        _paused = false;
        foreach (Uplink u in _uplinks) u.Watch(true);
    }

    private async Task Down()
    {
        try { _ended.TrySetResult(await ReadAsync().ConfigureAwait(false)); }
        // Whatever it is, nobody reads from here on: better a connection that is made again than one that looks alive.
        catch (Exception e) { _ended.TrySetResult(Lost((e.InnerException ?? e).Message)); }
    }

    private async Task<PumpEnd> ReadAsync()
    {
        FrameBuffer frames = _gateway.Control.Buffer;
        for (int turn = 1; ; turn++)
        {
            if (HandleAll(frames) is { } end) return end;
            int n = await Tls.ReadAsync(frames.Space()).ConfigureAwait(false);
            if (n == 0) return Lost("the server closed the connection");
            Interlocked.Exchange(ref _lastReceived, Stopwatch.GetTimestamp());
            frames.Advance(n);
            if (turn % ReadsPerTurn == 0) await new LoopYield(_gateway.Loop);
        }
    }

    private PumpEnd? HandleAll(FrameBuffer frames)
    {
        while (frames.TryNext(out FrameType type, out Span<byte> frame) is var status && status != FrameStatus.NeedMore)
        {
            if (status == FrameStatus.Malformed) return Lost("the server sent a malformed frame");
            if (Handle(type, frame) is { } end) return end;
        }
        return null;
    }

    private PumpEnd? Handle(FrameType type, Span<byte> frame)
    {
        ReadOnlySpan<byte> body = frame[ProtocolConstants.FrameHeaderSize..];
        switch (type)
        {
            case FrameType.Packet:
                IPacketPort port = _device is { } tun && TunPort.Takes(frame) ? tun : _channel;
                return port.Send(frame) ? null : PortClosed;
            case FrameType.Ping:
                SendControl(PingMessage.Encode(FrameType.Pong, PingMessage.Decode(body)));
                return null;
            case FrameType.Pong:
                return null;
            case FrameType.Close:
                CloseMessage close = CloseMessage.Decode(body);
                return new PumpEnd(false, $"the server says: {(close.Text.Length > 0 ? close.Text : close.Reason.ToString())}", ChainConnector.IsFinal(close.Reason));
            default:
                return Lost($"the server sent {type}, which has no place here");
        }
    }

    /// <summary>One port's events.</summary>
    private sealed class Uplink(PacketPump pump, IPacketPort port) : IEventHandler
    {
        public IPacketPort Port { get; } = port;

        public void OnEvents(uint events) => pump.Up(this);

        public void Watch(bool on)
        {
            if (on) pump._gateway.Loop.Register(Port.Fd, EpollEvents.EPOLLIN, this);
            else pump._gateway.Loop.Unregister(Port.Fd);
        }
    }
}
