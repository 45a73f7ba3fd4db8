using System.Diagnostics;
using System.Security.Cryptography;
using PersonalVpn.Cli.Connect;
using PersonalVpn.Linux;
using PersonalVpn.Tunnel.Protocol;

namespace PersonalVpn.Cli.Session;

/// <summary>Why the pump ended, and whether it was pvpnd that closed its side.</summary>
internal sealed record PumpEnd(bool ByForwarder, string Reason);

/// <summary>
/// The user's process as a packet path: two threads and no queue of its own.
/// <code>
/// up:   channel ─ read one packet, then all that are there ─► one TLS write ─► one send
/// down: one TLS read ─► frames ─► channel, one message each
/// </code>
/// Both sides block: when the server is slow, the channel fills, pvpnd holds packets, and the kernel slows the sending sockets.
/// A frame on the channel is the frame on the wire, so packets pass through here without being touched.
/// </summary>
internal sealed class PacketPump(GatewayConnection gateway, LinuxSocket channel)
{
    // Sixteen TLS records: beyond that a larger batch gains nothing.
    private const int BatchBytes = 256 * 1024;

    private readonly Lock _sendGate = new();
    private readonly TaskCompletionSource<PumpEnd> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _lastReceived = Stopwatch.GetTimestamp();

    /// <summary>Completes with the reason when either direction ends.</summary>
    public Task<PumpEnd> Ended => _ended.Task;

    /// <summary>Time since the server was last heard.</summary>
    public TimeSpan Silence => Stopwatch.GetElapsedTime(Interlocked.Read(ref _lastReceived));

    public void Start()
    {
        new Thread(() => Guarded(Up)) { IsBackground = true, Name = "up" }.Start();
        new Thread(() => Guarded(Down)) { IsBackground = true, Name = "down" }.Start();
    }

    /// <summary>Asks the server for a sign of life.</summary>
    public void Ping() => SendControl(PingMessage.Encode(FrameType.Ping, BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8))));

    /// <summary>Says goodbye, as far as the server can still be told.</summary>
    public void SendClose(string text) => SendControl(new CloseMessage(CloseReason.Normal, text).Encode());

    private void Guarded(Func<PumpEnd> direction)
    {
        try { _ended.TrySetResult(direction()); }
        catch (Exception e) when (e is IOException or ObjectDisposedException or ProtocolException or InvalidOperationException)
        {
            _ended.TrySetResult(Lost((e.InnerException ?? e).Message));
        }
    }

    private void SendControl(byte[] frame)
    {
        try
        {
            lock (_sendGate)
            {
                gateway.Tls.Write(frame);
                gateway.Tls.Flush();
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException)
        {
            _ended.TrySetResult(Lost((e.InnerException ?? e).Message));
        }
    }

    private static readonly PumpEnd ChannelClosed = new(true, "pvpnd closed the packet channel");

    private static PumpEnd Lost(string reason) => new(false, reason);

    private PumpEnd Up()
    {
        byte[] batch = GC.AllocateUninitializedArray<byte>(BatchBytes + ProtocolConstants.MaxPacketFrameSize, pinned: true);
        while (true)
        {
            int length = channel.Receive(batch);
            if (length <= 0) return ChannelClosed;
            while (length < BatchBytes)
            {
                int more = channel.Receive(batch.AsSpan(length), SocketFlags.MSG_DONTWAIT);
                if (more <= 0) break;
                length += more;
            }
            lock (_sendGate)
            {
                gateway.Tls.Write(batch.AsSpan(0, length));
                gateway.Tls.Flush();
            }
        }
    }

    private PumpEnd Down()
    {
        FrameBuffer frames = gateway.Control.Buffer;
        while (true)
        {
            while (frames.TryNext(out FrameType type, out Span<byte> frame) is var status && status != FrameStatus.NeedMore)
            {
                if (status == FrameStatus.Malformed) return Lost("the server sent a malformed frame");
                if (Handle(type, frame) is { } end) return end;
            }
            int n = gateway.Tls.Read(frames.Space().Span);
            if (n == 0) return Lost("the server closed the connection");
            Interlocked.Exchange(ref _lastReceived, Stopwatch.GetTimestamp());
            frames.Advance(n);
        }
    }

    private PumpEnd? Handle(FrameType type, Span<byte> frame)
    {
        ReadOnlySpan<byte> body = frame[ProtocolConstants.FrameHeaderSize..];
        switch (type)
        {
            case FrameType.Packet:
                int sent = channel.Send(frame);
                return sent == frame.Length ? null : ChannelClosed;
            case FrameType.Ping:
                SendControl(PingMessage.Encode(FrameType.Pong, PingMessage.Decode(body)));
                return null;
            case FrameType.Pong:
                return null;
            case FrameType.Close:
                CloseMessage close = CloseMessage.Decode(body);
                return Lost($"the server says: {(close.Text.Length > 0 ? close.Text : close.Reason.ToString())}");
            default:
                return Lost($"the server sent {type}, which has no place here");
        }
    }
}
