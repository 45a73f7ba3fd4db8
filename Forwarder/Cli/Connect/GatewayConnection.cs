using System.Net.Security;
using System.Security.Authentication;
using PersonalVpn.Cli.Config;
using PersonalVpn.Cli.Connect.Dial;
using PersonalVpn.Cli.Local;
using PersonalVpn.Linux;
using PersonalVpn.Tunnel.Protocol;
using PersonalVpn.Tunnel.Tls;

namespace PersonalVpn.Cli.Connect;

/// <summary>
/// A TLS session with a gateway: handshake done, certificate seen but not yet judged. With gateways in between it
/// is a session inside their sessions, end to end: each hop relays the bytes of the next one.
/// <code>
/// Tls (last gateway) ─► Tls of hop 2 ─► Tls of hop 1 ─► Transport: the Way's socket
/// </code>
/// </summary>
internal sealed class GatewayConnection : IDisposable
{
    private GatewayConnection? _first;
    private Action<Exception>? _loopFailed;

    private GatewayConnection(Way way, EventLoop loop, NonBlockingStream transport, SslStream tls, ServerCertificateObserver certificate)
    {
        Way = way;
        Loop = loop;
        Transport = transport;
        Tls = tls;
        Certificate = certificate;
        Control = new ControlChannel(tls, new FrameBuffer());
    }

    /// <summary>What carries the bytes to the first gateway; closed with this.</summary>
    public Way Way { get; }

    /// <summary>To break whatever waits: shut it down. TCP, or with a ProxyCommand a Unix socket.</summary>
    public LinuxSocket Socket => Way.Socket;

    /// <summary>The thread that completes what the transport waits for; later the packet loop.</summary>
    public EventLoop Loop { get; }

    /// <summary>Told of what a handler on the loop let out. One for all sessions of a chain: they share the loop.</summary>
    public Action<Exception>? LoopFailed
    {
        get => _first is null ? _loopFailed : _first.LoopFailed;
        set => (_first ?? this)._loopFailed = value;
    }

    public NonBlockingStream Transport { get; }
    public SslStream Tls { get; }
    public ServerCertificateObserver Certificate { get; }
    public ControlChannel Control { get; }

    /// <summary>Connects to the first gateway of a chain, on whatever way leads there, and makes TLS.</summary>
    /// <exception cref="UserError">There is no way, or no TLS.</exception>
    public static GatewayConnection Open(Hop hop, ForwarderClient forwarder, Action<string> verbose)
    {
        Way way = Dialler.Open(hop, forwarder, verbose);
        try
        {
            return Secure(way, hop.Host, hop.Port, hop.Config.ConnectTimeout);
        }
        catch
        {
            way.Dispose();
            throw;
        }
    }

    /// <summary>The same through this one, which must have accepted the user: from here on its session carries the next one's bytes.</summary>
    /// <exception cref="PeerClosedException">The hop refuses.</exception>
    public async Task<GatewayConnection> ThroughAsync(string host, int port, CancellationToken cancel)
    {
        await Control.SendAsync(new RelayMessage(host, (ushort)port).Encode(), cancel).ConfigureAwait(false);
        await Control.ReceiveAsync(FrameType.Relayed, cancel).ConfigureAwait(false);
        if (!Control.Buffer.IsEmpty) throw new ProtocolException("bytes from the next gateway before it was spoken to");
        var observer = new ServerCertificateObserver();
        SslStream tls = Handshake(Tls, host, port, observer);
        return new GatewayConnection(Way, Loop, Transport, tls, observer) { _first = _first ?? this };
    }

    public void Dispose()
    {
        Tls.Dispose();
        Transport.Dispose();
        Loop.Dispose();
        Way.Dispose();
    }

    private static GatewayConnection Secure(Way way, string host, int port, TimeSpan timeout)
    {
        LinuxSocket socket = way.Socket;
        if (way.IsTcp) socket.SetNoDelay();
        var observer = new ServerCertificateObserver();
        GatewayConnection? made = null;
        // What a handler lets out while the connection is being closed concerns nobody any more.
        var loop = new EventLoop(e => made?.LoopFailed?.Invoke(e));
        loop.Start("packets");
        var transport = new NonBlockingStream(socket, loop);
        using var limit = new Timer(_ => Shut(socket), null, timeout, Timeout.InfiniteTimeSpan);
        try
        {
            SslStream tls = Handshake(transport, host, port, observer);
            return made = new GatewayConnection(way, loop, transport, tls, observer);
        }
        catch (Exception e)
        {
            // A program that failed knows better what was wrong than the handshake that it left behind.
            string? trouble = e is UserError ? way.Trouble : null;
            transport.Dispose();
            loop.Dispose();
            if (trouble is not null) throw new UserError(trouble);
            throw;
        }
    }

    /// <summary>Breaks whatever waits. For timers: what they let out ends the process, and the socket may have been closed at the same moment.</summary>
    public static void Shut(LinuxSocket socket)
    {
        try { socket.Shutdown(); }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // It has ended by itself meanwhile.
        }
    }

    // The stream belongs to the session, also when there is none.
    private static SslStream Handshake(Stream stream, string host, int port, ServerCertificateObserver observer)
    {
        var tls = new SslStream(stream, leaveInnerStreamOpen: false);
        try
        {
            tls.AuthenticateAsClient(TlsSettings.Client(host, observer));
        }
        catch (Exception e) when (e is AuthenticationException or IOException)
        {
            tls.Dispose();
            throw new UserError($"{host} port {port}: no TLS 1.3 handshake; is a pvpn-server listening there? ({(e.InnerException ?? e).Message})");
        }
        if (TlsSettings.IsTunnel(tls)) return tls;
        tls.Dispose();
        throw new UserError($"{host} port {port} speaks TLS but is no pvpn-server; check host and port");
    }
}
