using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using PersonalVpn.Linux;
using PersonalVpn.Packets;
using PersonalVpn.Server.Sessions;

namespace PersonalVpn.Server.Control;

/// <summary>
/// The administrator's socket: sessions, disconnect. Mode 0600, and only root or the server's own user is answered. A plain thread,
/// one request a connection: nothing here is fast or frequent.
/// </summary>
internal sealed partial class ControlSocket : IDisposable
{
    private const int MaxMessage = 1 << 16;
    private readonly LinuxSocket _listener;
    private readonly ServerDaemon _daemon;
    private readonly ILogger _log;
    private readonly string _path;
    private volatile bool _stop;

    public ControlSocket(string path, ServerDaemon daemon, ILogger log)
    {
        _path = path;
        _daemon = daemon;
        _log = log;
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        try { _listener = LinuxSocket.ListenUnix(path, 0x180 /* 0600 */); }
        catch (LinuxException e) when (e.Error == Errno.EADDRINUSE)
        {
            throw new InvalidOperationException($"another pvpn-server listens on {path}; stop it first: systemctl stop pvpn-server", e);
        }
    }

    public void Start() => new Thread(Serve) { IsBackground = true, Name = "control" }.Start();

    public void Dispose()
    {
        _stop = true;
        _listener.Shutdown();
        _listener.Dispose();
        File.Delete(_path);
    }

    private void Serve()
    {
        while (!_stop)
        {
            try
            {
                if (!_listener.Poll(forWrite: false, timeoutMs: 1000)) continue;
                using LinuxSocket? client = _listener.Accept(out _);
                if (client is null) continue;
                uint uid = client.GetPeerCredentials().Uid;
                ServerReply reply = uid != 0 && uid != Capabilities.EffectiveUid ? new ServerReply("only root may ask", null, 0) : Receive(client);
                // A list longer than one message comes in several; an empty one ends it.
                byte[] bytes = JsonSerializer.SerializeToUtf8Bytes(reply, ServerJson.Default.ServerReply);
                for (int at = 0; at < bytes.Length; at += MaxMessage) client.Send(bytes.AsSpan(at, Math.Min(MaxMessage, bytes.Length - at)));
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException)
            {
                if (!_stop) LogFailed(e);
            }
        }
    }

    private ServerReply Receive(LinuxSocket client)
    {
        byte[] message = new byte[4096];
        if (!client.Poll(forWrite: false, timeoutMs: 2000)) return new ServerReply("no request came", null, 0);
        int n = client.Receive(message);
        ServerRequest? request;
        try { request = n > 0 ? JsonSerializer.Deserialize(message.AsSpan(0, n), ServerJson.Default.ServerRequest) : null; }
        catch (JsonException) { request = null; }
        return request switch
        {
            { Operation: "sessions" } => new ServerReply(null, [.. _daemon.Sessions.OrderBy(s => s.Id).Select(Status)], 0),
            { Operation: "disconnect", Target: { } target } => new ServerReply(null, null, _daemon.Disconnect(target)),
            _ => new ServerReply("unknown request; are both programs of the same version?", null, 0),
        };
    }

    private static SessionStatus Status(Session s) => new(s.Id, s.User, s.Peer,
        [.. new[] { s.AddressV4, s.AddressV6 }.OfType<IpAddr>().Select(a => a.ToString())],
        s.Since.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture),
        s.Counters.BytesIn, s.Counters.BytesOut, s.Counters.PacketsIn, s.Counters.PacketsOut, s.Counters.Drops(), s.RelayTo, s.Registers);

    [LoggerMessage(900, LogLevel.Warning, "control socket")]
    private partial void LogFailed(Exception e);
}
