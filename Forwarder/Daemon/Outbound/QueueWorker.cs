using Microsoft.Extensions.Logging;
using PersonalVpn.Daemon.Flows;
using PersonalVpn.Daemon.Tunnels;
using PersonalVpn.Linux;
using PersonalVpn.Packets;
using PersonalVpn.Tunnel.Protocol;

namespace PersonalVpn.Daemon.Outbound;

/// <summary>
/// The way out, one thread per NFQUEUE (one for TCP, whose superpackets come whole; one for the rest):
/// <code>
/// 1 the kernel queues every packet that leaves by a pvpnN device; one read brings a batch
/// 2 the device names the tunnel; the packet is parsed; OwnerGate decides whose it is
/// 3 a frame header and offload metadata are written into the headroom before the packet
/// 4 the frame goes to the owner's process by the tunnel's channel, as it will stand on the wire
/// 5 the verdict is DROP, always: what travels is the copy. A packet that the channel did not take is parked with its
///   verdict out (see ParkedPackets) and sent when there is room
/// </code>
/// Steps 1 to 5 run in sequence on one thread: packets of a flow keep their order.
/// </summary>
internal sealed partial class QueueWorker : IDisposable
{
    // As many as there are bits in the set of parked ones.
    private const int BatchPackets = 32;
    private const ulong QueueTag = ulong.MaxValue, WakeTag = ulong.MaxValue - 1;

    private readonly NfQueue _queue;
    private readonly NfPacketBatch _batch = new(BatchPackets);
    private readonly Epoll _epoll = new();
    private readonly EventFd _wake = new();
    private readonly Dictionary<TunnelState, ParkedPackets> _parked = [];
    private readonly Dictionary<int, TunnelState> _byChannel = [];
    private readonly Queue<TunnelState> _closing = new();
    private readonly TunnelTable _table;
    private readonly OwnerGate _gate;
    private readonly SegmentSizes _segments;
    private readonly ILogger _log;
    private readonly Thread _thread;
    private readonly bool _gso;
    private volatile bool _stop;
    private long _strays;

    public QueueWorker(ushort queue, bool gso, TunnelTable table, OwnerGate gate, SockDiag diag, ILogger log)
    {
        _queue = new NfQueue(queue, new NfQueueOptions { Gso = gso, MaxLength = 8192 });
        _gso = gso;
        _table = table;
        _gate = gate;
        _segments = new SegmentSizes(diag);
        _log = log;
        _thread = new Thread(Run) { IsBackground = true, Name = gso ? "queue-tcp" : "queue-other" };
    }

    /// <summary>Packets that the kernel dropped because this thread did not keep up.</summary>
    public long Overruns => _queue.Overruns;

    /// <summary>Packets that left by a device of no tunnel; dropped.</summary>
    public long Strays => Interlocked.Read(ref _strays);

    public void Start() => _thread.Start();

    /// <summary>Forgets a tunnel's parked packets, before its channel closes; returns when this thread has. Control thread.</summary>
    public void Forget(TunnelState tunnel)
    {
        if (!_thread.IsAlive) return;
        lock (_closing)
        {
            _closing.Enqueue(tunnel);
            _wake.Signal();
            while (_closing.Contains(tunnel) && _thread.IsAlive) Monitor.Wait(_closing, 100);
        }
    }

    public void Dispose()
    {
        _stop = true;
        _wake.Signal();
        if (_thread.IsAlive) _thread.Join();
        _queue.Dispose();
        _wake.Dispose();
        _epoll.Dispose();
    }

    private void Run()
    {
        _epoll.Add(_queue.Fd, EpollEvents.EPOLLIN, QueueTag);
        _epoll.Add(_wake.Fd, EpollEvents.EPOLLIN, WakeTag);
        Span<EpollEvent> events = stackalloc EpollEvent[16];
        while (!_stop)
        {
            int n = _epoll.Wait(events, -1);
            for (int i = 0; i < n; i++)
            {
                if (events[i].Data == WakeTag) ForgetClosing();
                else if (events[i].Data == QueueTag) Drain();
                else if (_byChannel.TryGetValue((int)events[i].Data, out TunnelState? tunnel)) Unpark(tunnel);
            }
        }
    }

    private void Drain()
    {
        // A few batches, then a look at the other events; the queue is level-triggered and calls again.
        for (int round = 0; round < 8; round++)
        {
            int count;
            try { count = _queue.Receive(_batch); }
            catch (LinuxException e)
            {
                LogQueueFailed(e);
                return;
            }
            if (count == 0) return;
            uint parked = 0;
            for (int i = 0; i < count; i++)
                if (!Handle(i)) parked |= 1u << i;
            Settle(count, parked);
        }
    }

    // A batch verdict settles every packet up to a number, the parked ones included: only when there are none may it be used.
    private void Settle(int count, uint parked)
    {
        if (_parked.Count == 0 && parked == 0)
        {
            _queue.VerdictBatch(_batch[count - 1].Id, accept: false);
            return;
        }
        for (int i = 0; i < count; i++)
            if ((parked & (1u << i)) == 0) _queue.QueueVerdict(_batch[i].Id, accept: false);
        _queue.FlushVerdicts();
    }

    // True: the packet's fate is sealed (sent or dropped). False: it is parked, and so is its verdict.
    private bool Handle(int index)
    {
        ref readonly NfPacket queued = ref _batch[index];
        if (queued.OutIfIndex is not { } device || _table.ByInterface((int)device) is not { } tunnel)
        {
            Interlocked.Increment(ref _strays);
            return true;
        }
        long now = Environment.TickCount64;
        Span<byte> packet = queued.Payload;
        DropReason reason = Judge(tunnel, queued, packet, now, out OffloadMetadata offload);
        if (reason != DropReason.None)
        {
            tunnel.Counters.Drop(reason);
            return true;
        }
        int start = queued.Offset - ProtocolConstants.PacketPrefixSize, length = ProtocolConstants.PacketPrefixSize + queued.Length;
        Span<byte> frame = queued.Buffer.AsSpan(start, length);
        FrameHeader.Write(frame, FrameType.Packet, length - ProtocolConstants.FrameHeaderSize);
        offload.Write(frame[ProtocolConstants.FrameHeaderSize..]);
        return Send(tunnel, index, queued, frame, start);
    }

    private DropReason Judge(TunnelState tunnel, in NfPacket queued, Span<byte> packet, long now, out OffloadMetadata offload)
    {
        offload = default;
        if (!tunnel.IsUp) return DropReason.TunnelDown;
        if (queued.Truncated || PacketParser.TryParse(packet, out PacketInfo info) != PacketError.None) return DropReason.Malformed;
        DropReason reason = _gate.Decide(tunnel.Flows, tunnel.Uid, tunnel.Address(info.IsV6), info, packet, queued.Uid, now, out Flow? flow);
        if (reason != DropReason.None || !_gso || !info.IsTcp) return reason;
        if (!queued.ChecksumNotReady) return reason;
        int segment = flow is null ? SegmentSize.Fallback : _segments.For(tunnel, flow, info);
        offload = OffloadMetadata.ForPartial(info, info.PayloadLength > segment ? segment : 0);
        return reason;
    }

    private bool Send(TunnelState tunnel, int index, in NfPacket queued, ReadOnlySpan<byte> frame, int start)
    {
        if (!_parked.TryGetValue(tunnel, out ParkedPackets? parked))
        {
            int sent = tunnel.Channel?.Send(frame, SocketFlags.MSG_DONTWAIT) ?? -Errno.EPIPE;
            if (sent == frame.Length)
            {
                tunnel.Counters.Sent(queued.Length);
                return true;
            }
            if (sent is not (-Errno.EAGAIN or -Errno.ENOBUFS) || tunnel.Channel is not { } channel)
            {
                tunnel.Counters.Drop(DropReason.TunnelDown);
                return true;
            }
            parked = new ParkedPackets(channel);
            _parked.Add(tunnel, parked);
            _byChannel[channel.Fd] = tunnel;
            _epoll.Add(channel.Fd, EpollEvents.EPOLLOUT, (ulong)channel.Fd);
        }
        if (parked.Count < ParkedPackets.Capacity)
        {
            uint id = queued.Id;
            int length = frame.Length;
            parked.TryAdd(new ParkedPackets.Parked(_batch.Detach(index), start, length, id));
            return false;
        }
        tunnel.Counters.Drop(DropReason.ChannelFull);
        return true;
    }

    private void Unpark(TunnelState tunnel)
    {
        ParkedPackets parked = _parked[tunnel];
        while (parked.TryPeek(out ParkedPackets.Parked packet))
        {
            int sent = parked.Channel.Send(packet.Buffer.AsSpan(packet.Offset, packet.Length), SocketFlags.MSG_DONTWAIT);
            if (sent is -Errno.EAGAIN or -Errno.ENOBUFS) break;
            if (sent == packet.Length) tunnel.Counters.Sent(packet.Length - ProtocolConstants.PacketPrefixSize);
            else tunnel.Counters.Drop(DropReason.TunnelDown);
            Settle(parked);
        }
        _queue.FlushVerdicts();
        if (parked.Count == 0) StopParking(tunnel, parked);
    }

    private void ForgetClosing()
    {
        _wake.Drain();
        lock (_closing)
        {
            while (_closing.TryDequeue(out TunnelState? tunnel))
            {
                if (!_parked.TryGetValue(tunnel, out ParkedPackets? parked)) continue;
                while (parked.Count > 0)
                {
                    tunnel.Counters.Drop(DropReason.TunnelDown);
                    Settle(parked);
                }
                _queue.FlushVerdicts();
                StopParking(tunnel, parked);
            }
            Monitor.PulseAll(_closing);
        }
    }

    private void Settle(ParkedPackets parked)
    {
        ParkedPackets.Parked packet = parked.Take();
        _queue.QueueVerdict(packet.Id, accept: false);
        _batch.Return(packet.Buffer);
    }

    private void StopParking(TunnelState tunnel, ParkedPackets parked)
    {
        _epoll.Remove(parked.Channel.Fd);
        _byChannel.Remove(parked.Channel.Fd);
        _parked.Remove(tunnel);
    }

    [LoggerMessage(400, LogLevel.Error, "reading from the kernel's packet queue failed")]
    private partial void LogQueueFailed(Exception e);
}
