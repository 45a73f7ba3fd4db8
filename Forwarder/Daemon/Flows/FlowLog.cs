using Microsoft.Extensions.Logging;
using PersonalVpn.Daemon.Tunnels;
using PersonalVpn.Linux;
using PersonalVpn.Packets;

namespace PersonalVpn.Daemon.Flows;

/// <summary>Knows which flows the kernel let pass by itself.</summary>
internal interface IFlowLog
{
    /// <summary>Enters every flow whose first packet has left by now into its tunnel's table. Not under a table's lock.</summary>
    void CatchUp();
}

/// <summary>
/// What pvpnd learns of packets that do not pass it, because the owner's process reads the device itself:
/// <code>
/// group n    first packets of flows on their way out, their owner proven by the kernel's own match → the tunnel's flow table
/// group n+1  packets that the process wrote into its device and that may not come in; dropped     → the tunnel's counters
/// </code>
/// Both are copies; the packets themselves never wait for us.
/// </summary>
internal sealed partial class FlowLog : IFlowLog, IDisposable
{
    private const int CopyBytes = 128;

    private readonly NfLog _opened;
    private readonly NfLog _refused;
    private readonly NfLog.Handler _note;
    private readonly NfLog.Handler _count;
    private readonly Epoll _epoll = new();
    private readonly EventFd _wake = new();
    private readonly TunnelTable _table;
    private readonly ILogger _log;
    private readonly Thread _thread;
    private volatile bool _stop;

    public FlowLog(ushort group, TunnelTable table, ILogger log)
    {
        _opened = new NfLog(group, CopyBytes);
        _refused = new NfLog((ushort)(group + 1), CopyBytes, receiveBufferBytes: 1 << 18);
        _note = Note;
        _count = Count;
        _table = table;
        _log = log;
        _thread = new Thread(Run) { IsBackground = true, Name = "flow-log" };
    }

    public void Start() => _thread.Start();

    public void CatchUp() => _opened.Drain(_note);

    public void Dispose()
    {
        _stop = true;
        _wake.Signal();
        if (_thread.IsAlive) _thread.Join();
        _opened.Dispose();
        _refused.Dispose();
        _wake.Dispose();
        _epoll.Dispose();
    }

    private void Run()
    {
        _epoll.Add(_opened.Fd, EpollEvents.EPOLLIN, 0);
        _epoll.Add(_refused.Fd, EpollEvents.EPOLLIN, 1);
        _epoll.Add(_wake.Fd, EpollEvents.EPOLLIN, 2);
        Span<EpollEvent> events = stackalloc EpollEvent[3];
        while (!_stop)
        {
            _epoll.Wait(events, -1);
            try
            {
                CatchUp();
                _refused.Drain(_count);
            }
            catch (LinuxException e)
            {
                LogFailed(e);
                Thread.Sleep(1000);
            }
        }
    }

    private void Note(in NfLogPacket packet)
    {
        if (packet.OutIfIndex is not { } device || _table.ByInterface(device) is not { } tunnel || packet.Uid != tunnel.Uid) return;
        if (PacketParser.TryParseStart(packet.Payload, out FlowKey key) != PacketError.None || key.Source != tunnel.Address(key.Source.IsV6)) return;
        lock (tunnel.Flows.Gate) tunnel.Flows.Note(key, Environment.TickCount64);
    }

    private void Count(in NfLogPacket packet)
    {
        if (packet.InIfIndex is not { } device || _table.ByInterface(device) is not { } tunnel) return;
        PacketError error = PacketParser.TryParseStart(packet.Payload, out FlowKey key);
        tunnel.Counters.Drop(error switch
        {
            PacketError.QuotedLaterFragment => DropReason.Fragment,
            PacketError.None => key.Destination == tunnel.Address(key.Destination.IsV6) ? DropReason.Unsolicited : DropReason.WrongDestination,
            _ => DropReason.Malformed,
        });
    }

    [LoggerMessage(510, LogLevel.Error, "the log of flows cannot be read")]
    private partial void LogFailed(Exception e);
}
