using System.Net;
using Microsoft.Extensions.Logging;
using PersonalVpn.Linux;
using PersonalVpn.Server.Capture;
using PersonalVpn.Server.Configuration;
using PersonalVpn.Server.Control;
using PersonalVpn.Server.Egress;
using PersonalVpn.Server.Inject;
using PersonalVpn.Server.Sessions;
using PersonalVpn.Tunnel.Protocol;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Server;

/// <summary>pvpn-server from start to end: listeners, event loops, sessions, capture.</summary>
internal sealed partial class ServerDaemon : IDisposable
{
    private readonly ServerConfig _config;
    private readonly ILogger _log;
    private readonly HostKey _hostKey;
    private readonly SessionRegistry _registry;
    private readonly ServerNetwork _network;
    private readonly IInjector _injector;
    private readonly CaptureWorker _capture;
    private readonly ServerContext _context;
    private readonly EventLoop[] _loops;
    private readonly List<Listener> _listeners = [];
    private readonly ControlSocket _control;
    private readonly ManualResetEventSlim _stop = new();
    private long _nextId;
    private int _startups;

    public ServerDaemon(ServerConfig config, ILogger log)
    {
        _config = config;
        _log = log;
        _control = new ControlSocket(config.ControlSocket, this, log);
        _hostKey = HostKey.Load(config.HostKey, config.Certificate);
        _registry = new SessionRegistry(config);
        _network = new ServerNetwork(config, _registry.Pools, log);
        _injector = config.Inject == InjectMode.Raw ? new RawSocketInjector(ProtocolConstants.DefaultMtu) : new TunInjector(_network.Tun, ProtocolConstants.DefaultMtu);
        _capture = new CaptureWorker(_network.Tun, _registry, log);
        string banner = config.Banner is { } file ? File.ReadAllText(file).Trim() : "";
        if (banner.Length > ProtocolConstants.MaxText / 4) banner = banner[..(ProtocolConstants.MaxText / 4)];
        _context = new ServerContext(config, _hostKey, new UserAuthenticator(config.AuthorizedKeysFile), _registry, _injector, banner, log);
        _loops = [.. Enumerable.Range(0, Math.Max(1, Environment.ProcessorCount)).Select(_ => new EventLoop(LogLoopError))];
    }

    public IReadOnlyList<Session> Sessions => _registry.All;

    /// <summary>Serves until <see cref="Stop"/>.</summary>
    public void Run(Action ready)
    {
        for (int i = 0; i < _loops.Length; i++) _loops[i].Start($"loop-{i}");
        _capture.Start();
        string[] addresses = _config.ListenAddresses.Count > 0 ? [.. _config.ListenAddresses] : File.Exists("/proc/net/if_inet6") ? ["::"] : ["0.0.0.0"];
        foreach (string address in addresses) _listeners.Add(new Listener(new IPEndPoint(IPAddress.Parse(address), _config.Port), this));
        using var keepAlive = new Timer(_ => KeepAlive(), null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));
        _control.Start();
        LogStarted(string.Join(", ", addresses), _config.Port, _hostKey.PublicKey.Fingerprint, _network.Tun.Name);
        ready();
        _stop.Wait();
        foreach (Session s in Sessions) s.Close(CloseReason.ShuttingDown, "the server shuts down");
    }

    public void Stop() => _stop.Set();

    /// <summary>Ends sessions by user name or id; returns how many.</summary>
    public int Disconnect(string userOrId)
    {
        var victims = Sessions.Where(s => s.User == userOrId || s.Id.ToString(System.Globalization.CultureInfo.InvariantCulture) == userOrId).ToList();
        foreach (Session s in victims) s.Close(CloseReason.Disconnected, "disconnected by the administrator");
        return victims.Count;
    }

    public void Dispose()
    {
        foreach (Listener l in _listeners) l.Dispose();
        _control.Dispose();
        _capture.Dispose();
        foreach (EventLoop l in _loops) l.Dispose();
        _injector.Dispose();
        _network.Dispose();
        _hostKey.Dispose();
        _stop.Dispose();
    }

    // ClientAliveInterval: a client that was silent is asked, and given up after ClientAliveCountMax intervals.
    private void KeepAlive()
    {
        long interval = (long)_config.ClientAliveInterval.TotalMilliseconds, now = Environment.TickCount64;
        if (interval <= 0) return;
        foreach (Session s in Sessions)
        {
            long silent = now - s.LastHeard;
            if (silent > interval * _config.ClientAliveCountMax) s.Close(CloseReason.Timeout, $"no sign of life for {silent / 1000} s");
            else if (silent > interval && silent % interval < 1000) s.SendControl(PingMessage.Encode(FrameType.Ping, (ulong)now));
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
        int startups = Interlocked.Increment(ref _startups);
        if (startups > _config.MaxStartups)
        {
            Interlocked.Decrement(ref _startups);
            LogTooManyStartups(peer.ToString(), _config.MaxStartups);
            socket.Dispose();
            return;
        }
        socket.SetNoDelay();
        long id = Interlocked.Increment(ref _nextId);
        int counted = 1;
        var connection = new ClientConnection(_context, socket, peer, _loops[id % _loops.Length], id);
        _ = Task.Run(() => connection.RunAsync(() => Interlocked.Add(ref _startups, -Interlocked.Exchange(ref counted, 0))));
    }

    [LoggerMessage(10, LogLevel.Information, "listening on {Addresses} port {Port}, host key {Fingerprint}, device {Device}")]
    private partial void LogStarted(string addresses, int port, string fingerprint, string device);

    [LoggerMessage(11, LogLevel.Warning, "{Peer} refused: more than {Max} connections are logging in (MaxStartups)")]
    private partial void LogTooManyStartups(string peer, int max);

    [LoggerMessage(12, LogLevel.Error, "event loop")]
    private partial void LogLoopError(Exception e);

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
                if (at.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6) _socket.SetV6Only(!at.Address.Equals(IPAddress.IPv6Any) || daemon._config.ListenAddresses.Contains("0.0.0.0"));
                _socket.Bind(at);
                _socket.Listen();
                _socket.SetNonBlocking(true);
                daemon._loops[0].Register(_socket.Fd, EpollEvents.EPOLLIN, this);
            }
            catch
            {
                _socket.Dispose();
                throw;
            }
        }

        public void OnEvents(uint events)
        {
            while (_socket.Accept(out int error) is { } accepted) _daemon.Accepted(accepted);
        }

        public void Dispose()
        {
            _daemon._loops[0].Unregister(_socket.Fd);
            _socket.Dispose();
        }
    }
}
