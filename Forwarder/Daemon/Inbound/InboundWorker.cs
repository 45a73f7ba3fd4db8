using Microsoft.Extensions.Logging;
using PersonalVpn.Daemon.Flows;
using PersonalVpn.Daemon.Tunnels;
using PersonalVpn.Linux;
using PersonalVpn.Packets;
using PersonalVpn.Tunnel.Protocol;

namespace PersonalVpn.Daemon.Inbound;

/// <summary>
/// The way in, one thread for all tunnels:
/// <code>
/// 1 a frame comes from the user's process by the tunnel's channel; a few from each tunnel in turn
/// 2 it is a PACKET frame, whole, and its metadata tell the truth: or it is dropped
/// 3 InboundGate: does it answer a flow of the owner's, and is the receiving socket hers?
/// 4 a partial checksum is completed
/// 5 a raw socket bound to the device that has the inner address (IPv4: the tunnel's own, IPv6: lo) injects it; the kernel delivers
///   it over lo. The binding means that a packet whose address has gone meanwhile cannot leave by any other device
/// </code>
/// </summary>
internal sealed partial class InboundWorker : IDisposable
{
    private const int FramesPerTurn = 32;
    private const ulong WakeTag = ulong.MaxValue;

    private sealed record Reader(TunnelState Tunnel, LinuxSocket Channel, RawInjector Injector);

    private readonly Epoll _epoll = new();
    private readonly EventFd _wake = new();
    private readonly Dictionary<int, Reader> _readers = [];
    private readonly Queue<(TunnelState Tunnel, bool Open)> _changes = new();
    private readonly InboundGate _gate;
    private readonly ILogger _log;
    private readonly Thread _thread;
    private readonly byte[] _frame = GC.AllocateUninitializedArray<byte>(ProtocolConstants.MaxPacketFrameSize + 1, pinned: true);
    private volatile bool _stop;

    public InboundWorker(InboundGate gate, ILogger log)
    {
        _gate = gate;
        _log = log;
        _thread = new Thread(Run) { IsBackground = true, Name = "inbound" };
    }

    public void Start() => _thread.Start();

    /// <summary>Starts reading a tunnel's channel. Control thread; returns when it is done.</summary>
    public void Add(TunnelState tunnel) => Change(tunnel, open: true);

    /// <summary>Stops reading it, before it closes. Control thread; returns when it is done.</summary>
    public void Remove(TunnelState tunnel) => Change(tunnel, open: false);

    public void Dispose()
    {
        _stop = true;
        _wake.Signal();
        if (_thread.IsAlive) _thread.Join();
        foreach (Reader r in _readers.Values) r.Injector.Dispose();
        _wake.Dispose();
        _epoll.Dispose();
    }

    private void Change(TunnelState tunnel, bool open)
    {
        if (!_thread.IsAlive) return;
        lock (_changes)
        {
            _changes.Enqueue((tunnel, open));
            _wake.Signal();
            while (_changes.Count > 0 && _thread.IsAlive) Monitor.Wait(_changes, 100);
        }
    }

    private void Run()
    {
        _epoll.Add(_wake.Fd, EpollEvents.EPOLLIN, WakeTag);
        Span<EpollEvent> events = stackalloc EpollEvent[32];
        while (!_stop)
        {
            int n = _epoll.Wait(events, -1);
            for (int i = 0; i < n; i++)
            {
                if (events[i].Data == WakeTag) ApplyChanges();
                else if (_readers.TryGetValue((int)events[i].Data, out Reader? reader)) Read(reader);
            }
        }
    }

    private void ApplyChanges()
    {
        _wake.Drain();
        lock (_changes)
        {
            while (_changes.TryDequeue(out (TunnelState Tunnel, bool Open) change))
            {
                try
                {
                    if (change.Open) Open(change.Tunnel);
                    else Close(change.Tunnel);
                }
                catch (LinuxException e) { LogReaderFailed(change.Tunnel.Device, e); }
            }
            Monitor.PulseAll(_changes);
        }
    }

    private void Open(TunnelState tunnel)
    {
        LinuxSocket channel = tunnel.Channel!;
        _readers.Add(channel.Fd, new Reader(tunnel, channel, new RawInjector(Marks.Injected, tunnel.Device, deviceV6: Marks.AddressDeviceV6)));
        _epoll.Add(channel.Fd, EpollEvents.EPOLLIN, (ulong)channel.Fd);
    }

    private void Close(TunnelState tunnel)
    {
        if (_readers.Values.FirstOrDefault(r => r.Tunnel == tunnel) is not { } reader) return;
        _readers.Remove(reader.Channel.Fd);
        _epoll.Remove(reader.Channel.Fd);
        reader.Injector.Dispose();
    }

    private void Read(Reader reader)
    {
        for (int i = 0; i < FramesPerTurn; i++)
        {
            int n = reader.Channel.Receive(_frame, SocketFlags.MSG_DONTWAIT);
            if (n == -Errno.EAGAIN) return;
            if (n <= 0)
            {
                // The process is gone; the control connection, which says so too, decides what becomes of the tunnel.
                _epoll.Remove(reader.Channel.Fd);
                return;
            }
            DropReason reason = Deliver(reader, _frame.AsSpan(0, n));
            if (reason != DropReason.None) reader.Tunnel.Counters.Drop(reason);
        }
    }

    private DropReason Deliver(Reader reader, Span<byte> frame)
    {
        if (frame.Length < ProtocolConstants.PacketPrefixSize || frame.Length > ProtocolConstants.MaxPacketFrameSize ||
            frame[0] != (byte)FrameType.Packet || FrameHeader.BodyLength(frame) != frame.Length - ProtocolConstants.FrameHeaderSize) return DropReason.BadFrame;
        Span<byte> packet = frame[ProtocolConstants.PacketPrefixSize..];
        OffloadMetadata offload = OffloadMetadata.Read(frame[ProtocolConstants.FrameHeaderSize..]);
        if (PacketParser.TryParse(packet, out PacketInfo info) != PacketError.None) return DropReason.Malformed;
        if (offload.Validate(info) != PacketError.None) return DropReason.Malformed;

        DropReason reason = _gate.Decide(reader.Tunnel, info, packet, Environment.TickCount64, out Flow? flow);
        if (reason != DropReason.None) return reason;
        if (flow is not null && info.IsTcp && (info.TcpFlags & TcpFlags.Syn) != 0 && TcpOptions.TryGetMss(packet, info, out ushort mss))
            lock (reader.Tunnel.Flows.Gate) flow.PeerMss = mss;
        if (offload.NeedsChecksum) InternetChecksum.CompletePartial(packet, offload);
        if (reader.Injector.Send(packet, info.Destination) != packet.Length) return DropReason.InjectFailed;
        reader.Tunnel.Counters.Received(packet.Length);
        return DropReason.None;
    }

    [LoggerMessage(500, LogLevel.Error, "the channel of {Device} cannot be read")]
    private partial void LogReaderFailed(string device, Exception e);
}
