using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using PersonalVpn.Cli.Local;
using PersonalVpn.Linux;
using PersonalVpn.Tunnel.Local;
using PersonalVpn.Tunnel.Protocol;
using PersonalVpn.Tunnel.Tls;

namespace PersonalVpn.Cli.Connect;

/// <summary>
/// A TLS session with a gateway: socket marked by pvpnd, handshake done, certificate seen but not yet judged. With gateways in between it
/// is a session inside their sessions, end to end: each hop relays the bytes of the next one.
/// <code>
/// Tls (last gateway) ─► Tls of hop 2 ─► Tls of hop 1 ─► Transport: the socket, pvpnd's mark
/// </code>
/// </summary>
internal sealed class GatewayConnection : IDisposable
{
    private GatewayConnection? _first;
    private Action<Exception>? _loopFailed;

    private GatewayConnection(LinuxSocket socket, EventLoop loop, NonBlockingStream transport, SslStream tls, ServerCertificateObserver certificate)
    {
        Socket = socket;
        Loop = loop;
        Transport = transport;
        Tls = tls;
        Certificate = certificate;
        Control = new ControlChannel(tls, new FrameBuffer());
    }

    public LinuxSocket Socket { get; }

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

    /// <summary>
    /// Connects to the first address that answers. The socket is made here, as the user, and marked by the daemon before it is
    /// connected: it alone bypasses the tunnels, not the gateway's address.
    /// </summary>
    public static GatewayConnection Open(string host, int port, TimeSpan timeout, ForwarderClient forwarder, Action<string> verbose)
    {
        string? last = null;
        foreach (IPAddress address in GatewayNames.Resolve(host, verbose))
        {
            verbose($"connecting to {address} port {port}");
            LinuxSocket socket = LinuxSocket.CreateTcp(address.AddressFamily == AddressFamily.InterNetworkV6);
            try
            {
                forwarder.Ask(new ForwarderRequest { Operation = ForwarderOperation.Mark }, socket.Fd);
                int error = socket.TryConnect(new IPEndPoint(address, port), timeout);
                if (error == 0) return Secure(socket, host, port, timeout);
                last = Explain(-error, address, port, timeout);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
            socket.Dispose();
        }
        throw new UserError(last ?? $"{host}: no address");
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
        return new GatewayConnection(Socket, Loop, Transport, tls, observer) { _first = _first ?? this };
    }

    public void Dispose()
    {
        Tls.Dispose();
        Transport.Dispose();
        Loop.Dispose();
        Socket.Dispose();
    }

    private static GatewayConnection Secure(LinuxSocket socket, string host, int port, TimeSpan timeout)
    {
        socket.SetNoDelay();
        var observer = new ServerCertificateObserver();
        GatewayConnection? made = null;
        // What a handler lets out while the connection is being closed concerns nobody any more.
        var loop = new EventLoop(e => made?.LoopFailed?.Invoke(e));
        loop.Start("packets");
        var transport = new NonBlockingStream(socket, loop);
        using var limit = new Timer(_ => socket.Shutdown(), null, timeout, Timeout.InfiniteTimeSpan);
        try
        {
            SslStream tls = Handshake(transport, host, port, observer);
            return made = new GatewayConnection(socket, loop, transport, tls, observer);
        }
        catch
        {
            transport.Dispose();
            loop.Dispose();
            throw;
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

    private static string Explain(int errno, IPAddress address, int port, TimeSpan timeout) => errno switch
    {
        Errno.ECONNREFUSED => $"{address} port {port}: connection refused; is pvpn-server running there, on that port?",
        Errno.ETIMEDOUT => $"{address} port {port}: no answer within {timeout.TotalSeconds:0} s; check the address and the firewalls on the way",
        Errno.ENETUNREACH or Errno.EHOSTUNREACH => $"{address} port {port}: unreachable; check this host's routes",
        _ => $"{address} port {port}: {new LinuxException("connect", errno).Message}",
    };
}
