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

/// <summary>A TLS session with a gateway: socket marked by pvpnd, handshake done, certificate seen but not yet judged.</summary>
internal sealed class GatewayConnection : IDisposable
{
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

    /// <summary>Told of what a handler on the loop let out.</summary>
    public Action<Exception>? LoopFailed { get; set; }

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
        foreach (IPAddress address in Resolve(host))
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

    public void Dispose()
    {
        Tls.Dispose();
        Transport.Dispose();
        Loop.Dispose();
        Socket.Dispose();
    }

    private static IPAddress[] Resolve(string host)
    {
        if (IPAddress.TryParse(host, out IPAddress? literal)) return [literal];
        try { return Dns.GetHostAddresses(host); }
        catch (SocketException)
        {
            throw new UserError($"cannot resolve '{host}': check the name, or the host's DNS");
        }
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
        var tls = new SslStream(transport, leaveInnerStreamOpen: false);
        using var limit = new Timer(_ => socket.Shutdown(), null, timeout, Timeout.InfiniteTimeSpan);
        try
        {
            tls.AuthenticateAsClient(TlsSettings.Client(host, observer));
        }
        catch (Exception e) when (e is AuthenticationException or IOException)
        {
            End();
            throw new UserError($"{host} port {port}: no TLS 1.3 handshake; is a pvpn-server listening there? ({(e.InnerException ?? e).Message})");
        }
        if (!TlsSettings.IsTunnel(tls))
        {
            End();
            throw new UserError($"{host} port {port} speaks TLS but is no pvpn-server; check host and port");
        }
        return made = new GatewayConnection(socket, loop, transport, tls, observer);

        void End()
        {
            tls.Dispose();
            transport.Dispose();
            loop.Dispose();
        }
    }

    private static string Explain(int errno, IPAddress address, int port, TimeSpan timeout) => errno switch
    {
        Errno.ECONNREFUSED => $"{address} port {port}: connection refused; is pvpn-server running there, on that port?",
        Errno.ETIMEDOUT => $"{address} port {port}: no answer within {timeout.TotalSeconds:0} s; check the address and the firewalls on the way",
        Errno.ENETUNREACH or Errno.EHOSTUNREACH => $"{address} port {port}: unreachable; check this host's routes",
        _ => $"{address} port {port}: {new LinuxException("connect", errno).Message}",
    };
}
