using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using Microsoft.Extensions.Logging;
using PersonalVpn.Linux;
using PersonalVpn.Packets;
using PersonalVpn.Server.Configuration;
using PersonalVpn.Server.Register;
using PersonalVpn.Server.Relay;
using PersonalVpn.Server.Web;
using PersonalVpn.Tunnel.Diagnostics;
using PersonalVpn.Tunnel.Protocol;
using PersonalVpn.Tunnel.Tls;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Server.Sessions;

/// <summary>What every connection needs of the server.</summary>
internal sealed record ServerContext(ServerConfig Config, HostKey HostKey, UserAuthenticator Authenticator, SessionRegistry Registry,
    string Banner, ILogger Log);

/// <summary>An event loop and the way out of the sessions that it serves.</summary>
internal sealed record ServerLoop(EventLoop Events, Inject.IInjector Injector);

/// <summary>
/// One connection from accept to end:
/// <code>
/// TLS handshake ─► login ─► OPEN / CONFIG ─► packets
/// └─ LoginGraceTime, on the thread pool ───┘└ on the event loop, until either side ends it
/// </code>
/// A client that agrees on no ALPN of ours is a browser, and gets what a browser expects.
/// </summary>
/// <param name="server">What every connection needs.</param>
/// <param name="socket">The connection; of a carrier its lowest one.</param>
/// <param name="peer">Who is at its other end: for a carrier, the gateway.</param>
/// <param name="loop">The loop that serves it.</param>
/// <param name="id">Number of the session.</param>
/// <param name="carrier">What it came in by when it came through a gateway; belongs to the connection.</param>
internal sealed partial class ClientConnection(ServerContext server, LinuxSocket socket, IPEndPoint peer, ServerLoop loop, long id, Carrier? carrier = null) : IDisposable
{
    // A client that cannot use what it gets names what to avoid, and may not name more; each of them costs a line of the log and of the lease file.
    private const int MaxOpens = ProtocolConstants.MaxAvoid + 2;

    private readonly ILogger _log = server.Log;
    private readonly string _peer = (peer.Address.IsIPv4MappedToIPv6 ? new IPEndPoint(peer.Address.MapToIPv4(), peer.Port) : peer) + (carrier is null ? "" : $" (through {carrier.Gateway})");
    private LoggedIn? _login;
    private Session? _session;
    private NonBlockingStream? _target;
    private Callee? _callee, _called;

    /// <summary>Called when it turns out to be a browser's.</summary>
    public Action? IsWeb { get; init; }

    /// <summary>Runs the connection to its end; never throws. <paramref name="authenticated"/> is called once login is over, well or not.</summary>
    public async Task RunAsync(Action authenticated)
    {
        long began = Environment.TickCount64;
        bool clear = carrier is null && await ClearText.IsAsync(socket, loop.Events, server.Config.LoginGraceTime).ConfigureAwait(false);
        NonBlockingStream transport = carrier?.Transport ?? new NonBlockingStream(socket, loop.Events);
        var tls = new SslStream(carrier?.Stream ?? transport, leaveInnerStreamOpen: false);
        ControlChannel? control = null;
        try
        {
            if (clear)
            {
                IsWeb?.Invoke();
                await new WebConnection(transport, transport, _peer, server.Config.WebRoot, _log).RunAsync().ConfigureAwait(false);
                return;
            }
            TimeSpan left = server.Config.LoginGraceTime - TimeSpan.FromMilliseconds(Environment.TickCount64 - began);
            using (var grace = new CancellationTokenSource(left > TimeSpan.Zero ? left : TimeSpan.Zero))
            using (grace.Token.Register(socket.Shutdown))
            {
                try
                {
                    await tls.AuthenticateAsServerAsync(TlsSettings.Server(server.HostKey.TlsContext), grace.Token).ConfigureAwait(false);
                    if (TlsSettings.IsTunnel(tls))
                    {
                        control = new ControlChannel(tls, new FrameBuffer());
                        await OpenAsync(control, tls, transport, grace.Token).ConfigureAwait(false);
                    }
                }
                catch (Exception e) when (grace.IsCancellationRequested && e is not SessionRefusedException)
                {
                    throw new SessionRefusedException(CloseReason.AuthenticationFailed, $"login was not finished within {server.Config.LoginGraceTime.TotalSeconds:0} s (LoginGraceTime)");
                }
            }
            if (control is null)
            {
                IsWeb?.Invoke();
                await new WebConnection(tls, transport, _peer, server.Config.WebRoot, _log).RunAsync().ConfigureAwait(false);
                return;
            }
            authenticated();
            await (_callee is { } taken ? taken.Ended : _session is { RelayTo: not null } ? RelayAsync(tls, transport) : ServeAsync(control.Buffer, transport)).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            await EndAsync(e, control).ConfigureAwait(false);
        }
        finally
        {
            authenticated();
            if (_session is not null) server.Registry.Remove(_session);
            // A login that led to nothing leaves nothing, but for a session that somebody wanted to come back to.
            else if (_login is not null) server.Registry.Abandon(_login.Lease, id, over: !_login.Resumed);
            _called?.Finish();
            Dispose();
            await tls.DisposeAsync().ConfigureAwait(false);
            await transport.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Ends a login that is under way; any thread.</summary>
    public void GiveWay()
    {
        try
        {
            socket.Shutdown();
        }
        catch (ObjectDisposedException)
        {
            // It has ended by itself meanwhile.
        }
    }

    public void Dispose()
    {
        _target?.Dispose();
        _session?.Dispose();
    }

    private async Task OpenAsync(ControlChannel control, SslStream tls, NonBlockingStream transport, CancellationToken cancel)
    {
        LoggedIn who = await Login.RunAsync(control, server, id, peer.Address.IsIPv4MappedToIPv6 ? peer.Address.MapToIPv4() : peer.Address,
            (user, why) => LogAuthFailed(user, _peer, why), cancel).ConfigureAwait(false);
        _login = who;
        await control.SendAsync(new TicketMessage(server.Registry.Issue(who.Lease)).Encode(), cancel).ConfigureAwait(false);
        UserPolicy policy = UserPolicy.For(server.Config, who.User, who.Key.Options);
        (FrameType asked, byte[] body) = await control.ReceiveAsync(FrameType.Open, cancel, FrameType.Relay, FrameType.Register, FrameType.Accept).ConfigureAwait(false);
        if (await OpenForServerAsync(asked, body, who, policy, control, tls, transport, cancel).ConfigureAwait(false)) return;
        if (asked == FrameType.Relay)
        {
            await RelayAsync(RelayMessage.Decode(body), who, policy, control, tls, transport, cancel).ConfigureAwait(false);
            return;
        }
        _session = new Session(id, who.User, _peer, policy, tls, transport) { Lease = who.Lease };
        // By the session: others may send to its addresses from the moment that it has them, and TLS takes one writer at a time.
        _session.SendControl(Configure(_session, OpenMessage.Decode(body)));
        // The client may not be able to use the addresses; it asks again before it sends its first packet.
        int opens = 1;
        _session.Reopen = open => ++opens <= MaxOpens ? Configure(_session, open) : throw new ProtocolException($"more than {MaxOpens} OPENs");
    }

    // What is refused here is refused before the first byte was relayed, and in one line of the log.
    private async Task RelayAsync(RelayMessage message, LoggedIn who, UserPolicy policy, ControlChannel control, SslStream tls, NonBlockingStream transport, CancellationToken cancel)
    {
        string to = $"{StderrLoggerProvider.OneLine(message.Host)}:{message.Port}";
        var session = new Session(id, who.User, _peer, policy, tls, transport) { RelayTo = to, Lease = who.Lease };
        // Counted before anything is looked up or connected: MaxSessionsPerUser bounds that, too.
        server.Registry.AddRelay(session);
        _session = session;
        string name = message.Host.TrimEnd('.').ToLowerInvariant();
        if (server.Config.IsReserved(name))
        {
            await CallAsync(name, message.Port, who.User, policy, control, cancel).ConfigureAwait(false);
            return;
        }
        IReadOnlyList<IPEndPoint> places = await policy.Relay.ResolveAsync(who.User, message.Host, message.Port, cancel).ConfigureAwait(false);
        _target = await RelaySocket.ConnectAsync(places, to, loop.Events, cancel).ConfigureAwait(false);
        await control.SendAsync(RelayedMessage.Encode(), cancel).ConfigureAwait(false);
        LogRelayed(id, who.User, _peer, to, _target.Socket.RemoteEndPoint?.ToString() ?? "");
        if (!control.Buffer.IsEmpty) throw new ProtocolException("bytes after RELAY before RELAYED");
    }

    private async Task RelayAsync(SslStream tls, NonBlockingStream transport)
    {
        Session session = _session!;
        RelaySocket.KeepAlive(transport.Socket);
        transport.RunContinuationsAsynchronously = false;
        RelayEnd far = _called?.End ?? new RelayEnd(_target!, _target!);
        far.Transport.RunContinuationsAsynchronously = false;
        await new LoopYield(loop.Events);
        string reason = await new ByteRelay(new RelayEnd(tls, transport), far, loop.Events, session.Counters).RunAsync().ConfigureAwait(false);
        LogClosed(session.Id, session.User, _peer, reason, session.Counters.BytesIn, session.Counters.BytesOut);
    }

    private byte[] Configure(Session session, OpenMessage open)
    {
        IReadOnlyList<IpPrefix> routes = Routes(session, open.Destinations);
        server.Registry.Assign(session, open.Avoid);
        var config = new ConfigMessage(session.AddressV4, session.AddressV6, ProtocolConstants.DefaultMtu,
            (ushort)Math.Min(server.Config.ClientAliveInterval.TotalSeconds, ushort.MaxValue), (byte)server.Config.ClientAliveCountMax, routes);
        LogOpened(session.Id, session.User, _peer, _login!.Resumed ? "again has" : "has", string.Join(' ', new[] { session.AddressV4, session.AddressV6 }.Where(a => a is not null)), string.Join(' ', routes));
        return config.Encode();
    }

    private IReadOnlyList<IpPrefix> Routes(Session session, IReadOnlyList<IpPrefix> wanted)
    {
        if (wanted.Count == 0)
        {
            return session.Policy.PushedRoutes.Count > 0 ? session.Policy.PushedRoutes
                : throw new SessionRefusedException(CloseReason.NotPermitted, $"the server has no route for user {session.User}; name a destination, or ask the administrator (Route in server.conf)");
        }
        // "default" asks for both families; the one that is not permitted here stays out, and the client closes it.
        bool both = wanted.Contains(IpPrefix.AllV4) && wanted.Contains(IpPrefix.AllV6);
        var granted = new List<IpPrefix>();
        foreach (IpPrefix p in wanted)
        {
            bool usable = !p.IsV6 || server.Config.AddressPool6 is not null;
            if (usable && session.Policy.PermitsRoute(p)) granted.Add(p);
            else if (!(both && p.IsDefault)) throw new SessionRefusedException(CloseReason.NotPermitted, $"{p} is not permitted for user {session.User}; permitted routes: {string.Join(' ', session.Policy.PushedRoutes)}");
        }
        return granted.Count > 0 ? granted : throw new SessionRefusedException(CloseReason.NotPermitted, $"'default' is not permitted for user {session.User}; permitted routes: {string.Join(' ', session.Policy.PushedRoutes)}");
    }

    private async Task ServeAsync(FrameBuffer frames, NonBlockingStream transport)
    {
        Session session = _session!;
        // From here on the loop's thread does the work itself: a hop to the pool per read would cost more than the read.
        transport.RunContinuationsAsynchronously = false;
        await new LoopYield(loop.Events);
        string reason = await session.ReceiveAsync(frames, loop.Injector, loop.Events, server.Registry.ServerV4, server.Registry.ServerV6).ConfigureAwait(false);
        LogClosed(session.Id, session.User, _peer, reason, session.Counters.BytesIn, session.Counters.BytesOut);
        if (!session.IsLeft) await session.LingerAsync(frames).ConfigureAwait(false);
    }

    // One line in the log for every end that is not an ordinary one, and a reason for the client where it can still be told.
    private async Task EndAsync(Exception e, ControlChannel? control)
    {
        (CloseReason? reason, string text) = e switch
        {
            SessionRefusedException r => (r.Reason, r.Message),
            ProtocolException p => (CloseReason.ProtocolError, p.Message),
            PeerClosedException p => (null, "the client says: " + p.Message),
            AuthenticationException a => (null, "TLS: " + (a.InnerException ?? a).Message),
            IOException i => ((CloseReason?)null, (i.InnerException ?? i).Message),
            OperationCanceledException => (null, "given up"),
            ObjectDisposedException => (null, "closed"),
            _ => (CloseReason.InternalError, e.ToString()),
        };
        if (_session is { } s) LogEnded(s.Id, s.User, _peer, text);
        else LogRefused(_peer, text);
        if (reason is not { } tell || control is null) return;
        string told = tell == CloseReason.InternalError ? "the server failed; its log says why" : text;
        if (_session is { AddressV4: not null } live)
        {
            live.Close(tell, told);
            await live.LingerAsync(control.Buffer).ConfigureAwait(false);
            return;
        }
        try
        {
            using var limit = new CancellationTokenSource(1000);
            await control.SendAsync(new CloseMessage(tell, told).Encode(), limit.Token).ConfigureAwait(false);
            // What was sent goes out before the end: shut our direction, and let the client read it.
            socket.ShutdownSend();
            await Task.Delay(200, limit.Token).ConfigureAwait(false);
        }
        catch (Exception again) when (again is IOException or ObjectDisposedException or OperationCanceledException or InvalidOperationException)
        {
            LogCloseNotSent(_peer, again.Message);
        }
    }

    [LoggerMessage(800, LogLevel.Warning, "authentication failed for user '{User}' from {Peer}: {Why}")]
    private partial void LogAuthFailed(string user, string peer, string why);

    [LoggerMessage(801, LogLevel.Information, "session {Id}: user {User} from {Peer} {Has} {Addresses}, routes {Routes}")]
    private partial void LogOpened(long id, string user, string peer, string has, string addresses, string routes);

    [LoggerMessage(806, LogLevel.Information, "session {Id}: user {User} from {Peer} is relayed to {Target} ({Address})")]
    private partial void LogRelayed(long id, string user, string peer, string target, string address);

    [LoggerMessage(802, LogLevel.Information, "session {Id}: user {User} from {Peer} ended: {Reason}; {BytesIn} bytes in, {BytesOut} bytes out")]
    private partial void LogClosed(long id, string user, string peer, string reason, long bytesIn, long bytesOut);

    [LoggerMessage(803, LogLevel.Warning, "session {Id}: user {User} from {Peer} ended: {Reason}")]
    private partial void LogEnded(long id, string user, string peer, string reason);

    [LoggerMessage(804, LogLevel.Information, "connection from {Peer} ended before login: {Reason}")]
    private partial void LogRefused(string peer, string reason);

    [LoggerMessage(805, LogLevel.Debug, "{Peer} could not be told: {Problem}")]
    private partial void LogCloseNotSent(string peer, string problem);
}
