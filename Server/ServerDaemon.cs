using System.Net;
using Microsoft.Extensions.Logging;
using PersonalVpn.Linux;
using PersonalVpn.Server.Capture;
using PersonalVpn.Server.Configuration;
using PersonalVpn.Server.Control;
using PersonalVpn.Server.Egress;
using PersonalVpn.Server.Inject;
using PersonalVpn.Server.Register;
using PersonalVpn.Server.Resume;
using PersonalVpn.Server.Sessions;
using PersonalVpn.Tunnel.Configuration;
using PersonalVpn.Tunnel.Diagnostics;
using PersonalVpn.Tunnel.Protocol;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Server;

/// <summary>pvpn-server from start to end: listeners, event loops, sessions, capture.</summary>
internal sealed partial class ServerDaemon : IDisposable
{
    private const int MaxLoops = 64;

    private readonly string? _configPath;
    private readonly Action<LogLevel> _setLogLevel;
    private readonly ILogger _log;
    private readonly Lock _reloading = new();
    private readonly HostKey _hostKey;
    private readonly SessionRegistry _registry;
    private readonly ServerNetwork _network;
    private readonly CaptureWorker[] _captures;
    private volatile ServerContext _context;
    private readonly ServerLoop[] _loops;
    private readonly Startups _startups;
    private readonly Registrar _registrar;
    private readonly List<Listener> _listeners = [];
    private readonly ControlSocket _control;
    private readonly ManualResetEventSlim _stop = new();
    private long _nextId, _touched;

    public ServerDaemon(ServerConfig config, string? configPath, ILogger log, Action<LogLevel> setLogLevel)
    {
        _configPath = configPath;
        _setLogLevel = setLogLevel;
        _log = log;
        _control = new ControlSocket(config.ControlSocket, this, log);
        _hostKey = HostKey.Load(config.HostKey, config.Certificate);
        IReadOnlyList<Lease> former = [];
        LeaseFile file = config.LeaseFile is { } path ? LeaseFile.Open(path.Replace("%f", _hostKey.FileNamePart, StringComparison.Ordinal), log, out former) : LeaseFile.None(log);
        _registry = new SessionRegistry(config, new LeaseBook(new TicketSealer(_hostKey.TicketKey), file), former);
        _startups = new Startups(config.MaxStartups, config.StartupsFrom, config.StartupsRate);
        // A session belongs to one loop, and so to one queue of the device, up and down.
        _network = new ServerNetwork(config, _registry.Pools, Math.Clamp(Environment.ProcessorCount, 1, MaxLoops), log);
        _captures = [.. _network.Queues.Select(queue => new CaptureWorker(queue, _registry, log))];
        _context = NewContext(config);
        _loops = [.. _network.Queues.Select(queue => new ServerLoop(new EventLoop(LogLoopError),
            config.Inject == InjectMode.Raw ? new RawSocketInjector(ProtocolConstants.DefaultMtu) : new TunInjector(queue, ProtocolConstants.DefaultMtu)))];
        _registrar = new Registrar(_loops, Accepted, log);
    }

    public IReadOnlyList<Session> Sessions => _registry.All;

    /// <summary>Serves until <see cref="Stop"/>.</summary>
    public void Run(Action ready)
    {
        for (int i = 0; i < _loops.Length; i++) _loops[i].Events.Start($"loop-{i}");
        for (int i = 0; i < _loops.Length; i++) _loops[i].Events.Register(_network.Queues[i].Fd, EpollEvents.EPOLLIN, _captures[i]);
        string[] addresses = Config.ListenAddresses.Count > 0 ? [.. Config.ListenAddresses] : File.Exists("/proc/net/if_inet6") ? ["::"] : ["0.0.0.0"];
        foreach (string address in addresses) _listeners.Add(new Listener(new IPEndPoint(IPAddress.Parse(address), Config.Port), this));
        using var keepAlive = new Timer(_ => EverySecond(), null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));
        _control.Start();
        LogStarted(string.Join(", ", addresses), Config.Port, _hostKey.PublicKey.Fingerprint, _network.Queues[0].Name);
        _registrar.Apply(Config);
        ready();
        _stop.Wait();
        _registrar.Dispose();
        foreach (Session s in Sessions) s.Close(CloseReason.ShuttingDown, "the server shuts down");
        LogMemory(MemoryReport.Line());
    }

    public void Stop() => _stop.Set();

    /// <summary>SIGHUP: reads the file again for connections from now on; a file that cannot be used leaves the old one in force.</summary>
    public void Reload()
    {
        lock (_reloading)
        {
            try
            {
                (ServerConfig next, IReadOnlyList<string> needRestart) = ServerReload.Merge(Config, ServerConfigReader.Load(_configPath), _registry.Pools.Select(p => p.Pool));
                ServerContext context = NewContext(next);
                _registry.Limit(next);
                _startups.Limit(next.MaxStartups, next.StartupsFrom, next.StartupsRate);
                _context = context;
                _setLogLevel(next.LogLevel);
                _registrar.Apply(next);
                LogReloaded();
                if (needRestart.Count > 0) LogNeedRestart(string.Join(", ", needRestart));
            }
            catch (Exception e) when (e is ConfigurationException or IOException or UnauthorizedAccessException)
            {
                LogReloadFailed(e.Message);
            }
        }
    }

    /// <summary>Ends sessions by user name or id; returns how many.</summary>
    public int Disconnect(string userOrId)
    {
        var victims = Sessions.Where(s => s.User == userOrId || s.Id.ToString(System.Globalization.CultureInfo.InvariantCulture) == userOrId).ToList();
        foreach (Session s in victims) s.Close(CloseReason.Disconnected, "disconnected by the administrator");
        // Those that are lost and would come back by a ticket are meant, too.
        return victims.Count + _registry.ForgetLost(userOrId);
    }

    public void Dispose()
    {
        foreach (Listener l in _listeners) l.Dispose();
        _control.Dispose();
        foreach (ServerLoop l in _loops)
        {
            l.Events.Dispose();
            l.Injector.Dispose();
        }
        _network.Dispose();
        _registry.Dispose();
        _hostKey.Dispose();
        _stop.Dispose();
    }

    private ServerConfig Config => _context.Config;

    private ServerContext NewContext(ServerConfig config)
    {
        string banner = config.Banner is { } file ? File.ReadAllText(file).Trim() : "";
        if (banner.Length > ProtocolConstants.MaxText / 4) banner = banner[..(ProtocolConstants.MaxText / 4)];
        var authenticator = new UserAuthenticator(config.AuthorizedKeysFile, strictModes: config.StrictModes);
        return new ServerContext(config, _hostKey, authenticator, _registry, banner, _log);
    }

    private void EverySecond()
    {
        _registry.ForgetExpired();
        if (Environment.TickCount64 - _touched >= 5000)
        {
            _touched = Environment.TickCount64;
            _registry.Touch();
        }
        KeepAlive();
    }

    // ClientAliveInterval: a client that was silent is asked, and given up after ClientAliveCountMax intervals.
    private void KeepAlive()
    {
        long interval = (long)Config.ClientAliveInterval.TotalMilliseconds, now = Environment.TickCount64;
        if (interval <= 0) return;
        foreach (Session s in Sessions.Where(s => s.RelayTo is null))
        {
            try
            {
                long silent = now - s.LastHeard;
                if (silent > interval * Config.ClientAliveCountMax) s.Close(CloseReason.Timeout, $"no sign of life for {silent / 1000} s");
                else if (silent > interval && silent % interval < 1000) s.SendControl(PingMessage.Encode(FrameType.Ping, (ulong)now));
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException)
            {
                // It ended while we looked at it. What a timer lets out ends the process, and everybody else's session with it.
                LogKeepAliveFailed(s.Id, e.Message);
            }
        }
    }

    private void Accepted(LinuxSocket socket)
    {
        IPEndPoint? peer = socket.RemoteEndPoint;
        if (peer is null)
        {
            socket.Dispose();
            return;
        }
        long id = Interlocked.Increment(ref _nextId);
        socket.SetNoDelay();
        Begin(new ClientConnection(_context, socket, peer, _loops[id % _loops.Length], id) { IsWeb = () => _startups.Demote(id) }, id, peer, socket);
    }

    // What a gateway relays is a connection like any other; its source is the gateway.
    private void Accepted(Carrier carrier, ServerLoop loop)
    {
        LinuxSocket socket = carrier.Transport.Socket;
        if (socket.RemoteEndPoint is not { } peer)
        {
            carrier.Stream.Dispose();
            return;
        }
        long id = Interlocked.Increment(ref _nextId);
        Begin(new ClientConnection(_context, socket, peer, loop, id, carrier) { IsWeb = () => _startups.Demote(id) }, id, peer, carrier.Stream);
    }

    private void Begin(ClientConnection connection, long id, IPEndPoint peer, IDisposable lower)
    {
        if (!_startups.TryEnter(id, peer.Address, Environment.TickCount64, connection.GiveWay))
        {
            LogTooManyStartups(peer.ToString(), Config.MaxStartups);
            lower.Dispose();
            return;
        }
        _ = Task.Run(async () =>
        {
            try
            {
                await connection.RunAsync(() => _startups.Leave(id)).ConfigureAwait(false);
            }
            catch (LinuxException e)
            {
                // The kernel has no room to watch one more: it ends before it began, and its place is free again.
                _startups.Leave(id);
                lower.Dispose();
                LogLoopError(e);
            }
        });
    }

    private bool RefuseFor(int errno)
    {
        // Out of descriptors or memory: the connection stays in the queue of the kernel, and the loop would be told of it again and
        // again. Look away for a while; sessions go on meanwhile.
        if (errno is not (Errno.EMFILE or 23 or Errno.ENOBUFS or Errno.ENOMEM)) return false;
        LogCannotAccept(new LinuxException("accept", errno).Message);
        return true;
    }

    [LoggerMessage(10, LogLevel.Information, "listening on {Addresses} port {Port}, host key {Fingerprint}, device {Device}")]
    private partial void LogStarted(string addresses, int port, string fingerprint, string device);

    [LoggerMessage(11, LogLevel.Warning, "{Peer} refused: more than {Max} connections are logging in (MaxStartups)")]
    private partial void LogTooManyStartups(string peer, int max);

    [LoggerMessage(12, LogLevel.Error, "event loop")]
    private partial void LogLoopError(Exception e);

    [LoggerMessage(13, LogLevel.Error, "no new connection can be taken ({Problem}); trying again in 100 ms")]
    private partial void LogCannotAccept(string problem);

    [LoggerMessage(14, LogLevel.Debug, "session {Id} could not be asked for a sign of life: {Problem}")]
    private partial void LogKeepAliveFailed(long id, string problem);

    [LoggerMessage(18, LogLevel.Debug, "{Report}")]
    private partial void LogMemory(string report);

    [LoggerMessage(15, LogLevel.Information, "configuration reloaded; it counts for new connections")]
    private partial void LogReloaded();

    [LoggerMessage(16, LogLevel.Warning, "changed, but in force after a restart alone: {Keywords}")]
    private partial void LogNeedRestart(string keywords);

    [LoggerMessage(17, LogLevel.Error, "configuration not reloaded, the old one stays in force: {Problem}")]
    private partial void LogReloadFailed(string problem);

    /// <summary>One listening socket on the first event loop.</summary>
    private sealed class Listener : IEventHandler, IDisposable
    {
        private readonly LinuxSocket _socket;
        private readonly ServerDaemon _daemon;

        public Listener(IPEndPoint at, ServerDaemon daemon)
        {
            _daemon = daemon;
            _socket = LinuxSocket.CreateTcp(at.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6);
            try
            {
                _socket.SetReuseAddress();
                if (at.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6) _socket.SetV6Only(!at.Address.Equals(IPAddress.IPv6Any) || daemon.Config.ListenAddresses.Contains("0.0.0.0"));
                _socket.Bind(at);
                _socket.Listen();
                _socket.SetNonBlocking(true);
                daemon._loops[0].Events.Register(_socket.Fd, EpollEvents.EPOLLIN, this);
            }
            catch
            {
                _socket.Dispose();
                throw;
            }
        }

        public void OnEvents(uint events)
        {
            int error;
            while (_socket.Accept(out error) is { } accepted) _daemon.Accepted(accepted);
            if (!_daemon.RefuseFor(error)) return;
            Loop.Modify(_socket.Fd, 0);
            Loop.PostDelayed(TimeSpan.FromMilliseconds(100), () => Loop.Modify(_socket.Fd, EpollEvents.EPOLLIN));
        }

        private EventLoop Loop => _daemon._loops[0].Events;

        public void Dispose()
        {
            Loop.Unregister(_socket.Fd);
            _socket.Dispose();
        }
    }
}
