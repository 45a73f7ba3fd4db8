using System.Diagnostics;
using PersonalVpn.Cli.Connect;
using PersonalVpn.Cli.Local;
using PersonalVpn.Cli.Terminal;
using PersonalVpn.Tunnel.Protocol;

namespace PersonalVpn.Cli.Session;

/// <summary>Back at the server: logged in, and told the addresses.</summary>
internal sealed record Return(Arrival Arrival, ConfigMessage Config) : IDisposable
{
    public void Dispose() => Arrival.Connection.Dispose();
}

/// <summary>
/// Makes a lost connection again, as often as it takes. Attempts are 0.5 s apart, then twice as long, up to 30 s, each by up to a half
/// more or less, so that the clients of a server that restarts do not all come at once; a change of the network is a reason to try now.
/// </summary>
/// <param name="connector">Makes connections.</param>
/// <param name="forwarderSocket">pvpnd, which marks the sockets.</param>
/// <param name="open">Asks the last gateway for the addresses.</param>
/// <param name="messages">For details.</param>
internal sealed class Reconnector(ChainConnector connector, string forwarderSocket, Func<Arrival, ConfigMessage> open, Messages messages)
{
    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(500), Longest = TimeSpan.FromSeconds(30), Settled = TimeSpan.FromSeconds(30),
        Again = TimeSpan.FromSeconds(2), Closest = TimeSpan.FromSeconds(1);

    private readonly object _gate = new();
    private bool _now;
    private TimeSpan _delay = TimeSpan.Zero;
    private long _since;
    private volatile bool _given;

    /// <summary>The network has changed: what failed a moment ago may work now. Any thread.</summary>
    public void TryNow()
    {
        lock (_gate)
        {
            _now = true;
            Monitor.Pulse(_gate);
        }
    }

    /// <summary>Begins. The task ends with the new connection, or with the error of a gateway that will not have us back.</summary>
    public Task<Return> Start()
    {
        // A connection that breaks again and again is not asked for again and again at once; but one that has come back after a long
        // outage does not pay for that a second time.
        if (_since == 0 || Stopwatch.GetElapsedTime(_since) >= Settled) _delay = TimeSpan.Zero;
        else if (_delay > Again) _delay = Again;
        lock (_gate) _now = false;
        return Task.Factory.StartNew(Run, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>Gives up, also an attempt that is under way.</summary>
    public void Abort()
    {
        _given = true;
        connector.Abort();
        TryNow();
    }

    // True when it was called off before the time was over.
    private bool Wait(TimeSpan time)
    {
        lock (_gate)
        {
            if (!_now) Monitor.Wait(_gate, time);
            bool now = _now;
            _now = false;
            return now;
        }
    }

    private Return Run()
    {
        long began = 0;
        while (true)
        {
            TimeSpan wait = (_delay > TimeSpan.Zero ? _delay : First / 2) * (0.5 + Random.Shared.NextDouble());
            if (Wait(wait))
            {
                _delay = TimeSpan.Zero;
                // On a host whose routes change all the time (containers, routing daemons) every change would be an attempt.
                while (!_given && began != 0 && Closest - Stopwatch.GetElapsedTime(began) is var rest && rest > TimeSpan.Zero) Wait(rest);
            }
            began = Stopwatch.GetTimestamp();
            if (_given) throw new UserError("given up");
            _delay = _delay == TimeSpan.Zero ? First : _delay * 2 < Longest ? _delay * 2 : Longest;
            try
            {
                Return back = Attempt();
                _since = Stopwatch.GetTimestamp();
                return back;
            }
            catch (Exception e) when (!_given && e is UserError { MayPass: true } or IOException or ObjectDisposedException)
            {
                messages.Verbose(e.Message);
            }
        }
    }

    private Return Attempt()
    {
        // One of its own: the other one waits for pvpnd's last word about the tunnel.
        using ForwarderClient forwarder = Connect();
        (Arrival arrival, ConfigMessage config) = connector.Connect(forwarder, open);
        return new Return(arrival, config);
    }

    // That pvpnd is gone is noticed elsewhere; that it has no room for one more connection passes.
    private ForwarderClient Connect()
    {
        try { return ForwarderClient.Connect(forwarderSocket); }
        catch (UserError e) { throw e.Passing(); }
    }
}
