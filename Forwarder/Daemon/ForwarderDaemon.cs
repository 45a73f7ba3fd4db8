using Microsoft.Extensions.Logging;
using PersonalVpn.Daemon.Control;
using PersonalVpn.Daemon.Flows;
using PersonalVpn.Daemon.Inbound;
using PersonalVpn.Daemon.Outbound;
using PersonalVpn.Daemon.Tunnels;
using PersonalVpn.Linux;
using PersonalVpn.Tunnel.Configuration;
using PersonalVpn.Tunnel.Diagnostics;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Daemon;

/// <summary>
/// pvpnd from start to end. Order is safety: the firewall chains stand before any tunnel, readers before the socket that can ask
/// for tunnels; at the end tunnels go first and the chains last.
/// </summary>
internal sealed partial class ForwarderDaemon : IDisposable
{
    private readonly string? _configPath;
    private readonly ILogger _log;
    private readonly Action<LogLevel> _setLogLevel;
    private readonly TunnelTable _table = new();
    private readonly KernelState _kernel;
    private readonly TunnelManager _manager;
    private readonly QueueWorker[] _queues;
    private readonly InboundWorker _inbound;
    private readonly FlowLog _flowLog;
    private readonly List<SockDiag> _diags = [];
    private readonly LinuxSocket _listener;
    private readonly ControlServer _control;
    private volatile ForwarderConfig _config;

    public ForwarderDaemon(ForwarderConfig config, string? configPath, ILogger log, Action<LogLevel> setLogLevel)
    {
        _config = config;
        _configPath = configPath;
        _log = log;
        _setLogLevel = setLogLevel;
        Directory.CreateDirectory(Path.GetDirectoryName(config.ControlSocket)!);
        // First of all: only one daemon per socket, and only it may touch the kernel.
        _listener = Listen(config.ControlSocket);
        _kernel = new KernelState(log);
        _manager = new TunnelManager(_table, _kernel, new StateFile(config.ControlSocket + ".state"), () => _config, log);
        _flowLog = new FlowLog(config.QueueNumber, _table, log);
        _queues = [NewQueue(config.QueueNumber, gso: true), NewQueue((ushort)(config.QueueNumber + 1), gso: false)];
        _inbound = new InboundWorker(new InboundGate(NewLookup(), config.OwnerLookup, _flowLog), log);
        _manager.Opened += _inbound.Add;
        _manager.Closing += _inbound.Remove;
        foreach (QueueWorker q in _queues) _manager.Closing += q.Forget;
        _control = new ControlServer(_listener, new RequestTable(_manager, () => _config), _manager, log);
    }

    /// <summary>Serves until <see cref="Stop"/>, then undoes everything.</summary>
    public void Run(Action ready)
    {
        _manager.Install(_config.QueueNumber);
        foreach (QueueWorker q in _queues) q.Start();
        _inbound.Start();
        _flowLog.Start();
        ready();
        _control.Run(EverySecond);
        LogStopping();
        LogMemory(MemoryReport.Line());
        RemoveEverything();
    }

    /// <summary>What a run that crashed has left goes, its blocks too: for an administrator who removes the program, not for a restart.</summary>
    public void RemoveLeftovers()
    {
        _manager.Install(_config.QueueNumber);
        RemoveEverything();
    }

    // 0666: SO_PEERCRED and the request table decide, not the file's mode.
    private static LinuxSocket Listen(string path)
    {
        try { return LinuxSocket.ListenUnix(path, 0x1b6); }
        catch (LinuxException e) when (e.Error == Errno.EADDRINUSE)
        {
            throw new InvalidOperationException($"another pvpnd listens on {path}; stop it first: systemctl stop pvpnd", e);
        }
    }

    private void RemoveEverything()
    {
        _manager.RemoveAll();
        Firewall.Remove();
        File.Delete(_config.ControlSocket);
    }

    public void Stop() => _control.Stop();

    /// <summary>SIGHUP: a configuration that cannot be used leaves the old one in force. Socket, queue and owner lookup need a restart.</summary>
    public void Reload() => _control.Post(() =>
    {
        try
        {
            ForwarderConfig next = ForwarderConfig.Load(_configPath);
            _config = next with { ControlSocket = _config.ControlSocket, QueueNumber = _config.QueueNumber, OwnerLookup = _config.OwnerLookup };
            _setLogLevel(next.LogLevel);
            LogReloaded();
        }
        catch (ConfigurationException e) { LogReloadFailed(e.Message); }
    });

    public void Dispose()
    {
        _control.Dispose();
        foreach (QueueWorker q in _queues) q.Dispose();
        _inbound.Dispose();
        _flowLog.Dispose();
        foreach (SockDiag d in _diags) d.Dispose();
        _kernel.Dispose();
        _listener.Dispose();
    }

    private QueueWorker NewQueue(ushort number, bool gso)
    {
        var diag = new SockDiag();
        _diags.Add(diag);
        return new QueueWorker(number, gso, _table, new OwnerGate(NewLookup(), _config.OwnerLookup, _flowLog), diag, _log);
    }

    private OwnerLookup NewLookup()
    {
        var diag = new SockDiag();
        _diags.Add(diag);
        return new OwnerLookup(_config.OwnerLookup, new SockDiagEvidence(diag), new ProcfsEvidence());
    }

    // A firewall reload (iptables -F, a restart of firewalld) takes our chains with it. Nothing leaks by that: a device without a
    // queue has no reader. But tunnels stand still, so the chains are put back.
    private void EverySecond()
    {
        long now = Environment.TickCount64;
        foreach (TunnelState t in _table.All)
            lock (t.Flows.Gate) t.Flows.Sweep(now);
        if (_table.All.Count == 0 || _manager.IsFirewallInPlace()) return;
        LogFirewallLost();
        try { _manager.ReinstallFirewall(_config.QueueNumber); }
        catch (InvalidOperationException e) { LogFirewallFailed(e); }
    }

    [LoggerMessage(1, LogLevel.Information, "stopping: removing all tunnels")]
    private partial void LogStopping();

    [LoggerMessage(6, LogLevel.Debug, "{Report}")]
    private partial void LogMemory(string report);

    [LoggerMessage(2, LogLevel.Information, "configuration reloaded")]
    private partial void LogReloaded();

    [LoggerMessage(3, LogLevel.Error, "configuration not reloaded, the old one stays in force: {Problem}")]
    private partial void LogReloadFailed(string problem);

    [LoggerMessage(4, LogLevel.Warning, "somebody removed our firewall chains; putting them back")]
    private partial void LogFirewallLost();

    [LoggerMessage(5, LogLevel.Error, "our firewall chains cannot be put back")]
    private partial void LogFirewallFailed(Exception e);
}
