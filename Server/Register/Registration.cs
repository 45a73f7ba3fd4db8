using Microsoft.Extensions.Logging;
using PersonalVpn.Server.Sessions;
using PersonalVpn.Tunnel.Protocol;

namespace PersonalVpn.Server.Register;

/// <summary>
/// One name at one gateway, kept for as long as this object lives: connect, log in, REGISTER, then wait for callers; when it ends, again
/// after a while that doubles from a second to a minute. The log has one line for each change, not one for each try.
/// </summary>
internal sealed partial class Registration : IDisposable
{
    // Callers that are being taken at a time: each is a login at the gateway, and the gateway's users decide how many there are.
    private const int MaxAccepting = 64;

    private static readonly TimeSpan FirstWait = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LastWait = TimeSpan.FromSeconds(60);

    private readonly RegisterTarget _target;
    private readonly Registrar _owner;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _sendGate = new();
    private string? _lastProblem;
    private int _accepting;
    private long _lastHeard;

    public Registration(RegisterTarget target, Registrar owner, ILogger log)
    {
        _target = target;
        _owner = owner;
        _log = log;
        _ = Task.Run(RunAsync);
    }

    /// <summary>Gives the name up.</summary>
    public void Dispose() => _stop.Cancel();

    private async Task RunAsync()
    {
        TimeSpan wait = FirstWait;
        while (!_stop.IsCancellationRequested)
        {
            long began = Environment.TickCount64;
            try
            {
                await StandAsync().ConfigureAwait(false);
            }
            catch (Exception e) when (_stop.IsCancellationRequested)
            {
                LogGivenUp(_target.Name, _target.Gateway, e.Message);
                return;
            }
            catch (Exception e)
            {
                string problem = Explain(e);
                if (problem != _lastProblem) LogLost(_target.Name, _target.Gateway, problem);
                _lastProblem = problem;
            }
            // Two servers of one name take it from each other: what stood for a moment only is no success.
            if (Environment.TickCount64 - began > LastWait.TotalMilliseconds) wait = FirstWait;
            try { await Task.Delay(wait * (0.75 + (Random.Shared.NextDouble() / 2)), _stop.Token).ConfigureAwait(false); }
            catch (OperationCanceledException) { return; }
            wait = wait * 2 < LastWait ? wait * 2 : LastWait;
        }
    }

    // A stream that ends says so in words of the runtime's own, which tell an administrator nothing.
    private static string Explain(Exception e) => e switch
    {
        PeerClosedException => "the gateway says: " + e.Message,
        EndOfStreamException => "the gateway closed the connection; is pvpn-server running there?",
        _ => (e.InnerException ?? e).Message,
    };

    // Never returns: what ends it is an exception that says why.
    private async Task StandAsync()
    {
        ServerLoop loop = _owner.NextLoop();
        using GatewayLink link = await GatewayLink.OpenAsync(_target, _owner.Settings, loop.Events, _stop.Token).ConfigureAwait(false);
        using CancellationTokenRegistration stopped = _stop.Token.Register(() => Leave(link));
        await link.AskAsync(new RegisterMessage(_target.Name).Encode(), FrameType.Registered, _stop.Token).ConfigureAwait(false);
        _lastProblem = null;
        _lastHeard = Environment.TickCount64;
        LogRegistered(_target.Name, _target.Gateway, _target.User);
        using var alive = new Timer(_ => KeepAlive(link), null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));
        while (true)
        {
            (FrameType type, byte[] body) = await link.ReceiveAsync(FrameType.Incoming, CancellationToken.None, FrameType.Ping, FrameType.Pong).ConfigureAwait(false);
            _lastHeard = Environment.TickCount64;
            if (type == FrameType.Ping) Send(link, PingMessage.Encode(FrameType.Pong, PingMessage.Decode(body)));
            else if (type == FrameType.Incoming) Take(CallMessage.Decode(body));
        }
    }

    private void Take(byte[] token)
    {
        if (Interlocked.Increment(ref _accepting) > MaxAccepting)
        {
            Interlocked.Decrement(ref _accepting);
            LogTooMany(_target.Name, _target.Gateway, MaxAccepting);
            return;
        }
        _ = Task.Run(() => AcceptAsync(token));
    }

    private async Task AcceptAsync(byte[] token)
    {
        try
        {
            ServerLoop loop = _owner.NextLoop();
            GatewayLink link = await GatewayLink.OpenAsync(_target, _owner.Settings, loop.Events, _stop.Token).ConfigureAwait(false);
            try { await link.AskAsync(CallMessage.Encode(FrameType.Accept, token), FrameType.Relayed, _stop.Token).ConfigureAwait(false); }
            catch
            {
                link.Dispose();
                throw;
            }
            _owner.Accept(new Carrier(link.Tls, link.Transport, _target.Gateway), loop);
        }
        catch (Exception e)
        {
            LogNotTaken(_target.Name, _target.Gateway, Explain(e));
        }
        finally
        {
            Interlocked.Decrement(ref _accepting);
        }
    }

    // A gateway that is silent for too long is gone, however much its address still answers.
    private void KeepAlive(GatewayLink link)
    {
        (TimeSpan interval, int count) = _owner.KeepAlive;
        if (interval <= TimeSpan.Zero) return;
        double silent = Environment.TickCount64 - _lastHeard, every = interval.TotalMilliseconds;
        if (silent > every * count) Shut(link);
        else if (silent > every && silent % every < 1000) Send(link, PingMessage.Encode(FrameType.Ping, (ulong)_lastHeard));
    }

    private void Leave(GatewayLink link)
    {
        Send(link, new CloseMessage(CloseReason.Normal, "the server gives the name up").Encode());
        Shut(link);
    }

    // A failure ends the reading, and that says why.
    private void Send(GatewayLink link, byte[] frame)
    {
        lock (_sendGate)
        {
            try
            {
                link.Tls.Write(frame);
                link.Transport.Push();
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException or NotSupportedException)
            {
                Shut(link);
            }
        }
    }

    private static void Shut(GatewayLink link)
    {
        try { link.Transport.Socket.Shutdown(); }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // It has ended by itself meanwhile.
        }
    }

    [LoggerMessage(830, LogLevel.Information, "registered as '{Name}' at {Gateway}, user {User}")]
    private partial void LogRegistered(string name, string gateway, string user);

    [LoggerMessage(831, LogLevel.Warning, "not registered as '{Name}' at {Gateway}: {Problem}; trying again")]
    private partial void LogLost(string name, string gateway, string problem);

    [LoggerMessage(832, LogLevel.Debug, "'{Name}' at {Gateway} is given up: {Problem}")]
    private partial void LogGivenUp(string name, string gateway, string problem);

    [LoggerMessage(833, LogLevel.Warning, "a user who asks for '{Name}' at {Gateway} was not taken: {Problem}")]
    private partial void LogNotTaken(string name, string gateway, string problem);

    [LoggerMessage(834, LogLevel.Warning, "a user who asks for '{Name}' at {Gateway} was not taken: {Max} others are being taken")]
    private partial void LogTooMany(string name, string gateway, int max);
}
