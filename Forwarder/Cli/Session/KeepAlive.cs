using System.Diagnostics;
using System.Globalization;
using System.Net;
using PersonalVpn.Cli.Connect;
using PersonalVpn.Linux;

namespace PersonalVpn.Cli.Session;

/// <summary>
/// Finds out that a connection is dead, by asking and not being answered:
/// <code>
/// ServerAliveInterval x ServerAliveCountMax of silence            given up
/// the network has changed, or this host slept: asked at once      given up after <see cref="ProbeTime"/>
/// the local address of the connection has gone                    given up at once
/// </code>
/// </summary>
internal sealed class KeepAlive : IDisposable
{
    private static readonly TimeSpan ProbeTime = TimeSpan.FromSeconds(5), Tick = TimeSpan.FromSeconds(1);

    private readonly PacketPump _pump;
    private readonly LinuxSocket _socket;
    private readonly IPAddress? _local;
    private readonly TimeSpan _interval;
    private readonly int _count;
    private readonly Timer _timer;
    private readonly Lock _gate = new();
    private long _lastPing, _probedAt, _tickedAt = Stopwatch.GetTimestamp();
    private DateTime _tickedWall = DateTime.UtcNow;

    /// <param name="pump">Asks, and hears.</param>
    /// <param name="socket">Shut when the connection is given up.</param>
    /// <param name="interval">Silence after which the server is asked; zero: never.</param>
    /// <param name="count">Intervals of silence after which it is dead.</param>
    public KeepAlive(PacketPump pump, LinuxSocket socket, TimeSpan interval, int count)
    {
        (_pump, _socket, _interval, _count) = (pump, socket, interval, Math.Max(count, 1));
        _local = socket.LocalEndPoint?.Address;
        _timer = new Timer(_ => OnTick(), null, Tick, Tick);
    }

    /// <summary>Why the connection was given up, if it was.</summary>
    public string? Reason { get; private set; }

    /// <summary>Interfaces, addresses or routes have changed; any thread.</summary>
    public void NetworkChanged()
    {
        lock (_gate)
        {
            if (_local is not null && !NetworkEvents.IsLocal(_local)) GiveUp($"this host no longer has the address {_local}");
            else Probe();
        }
    }

    public void Dispose() => _timer.Dispose();

    private void OnTick()
    {
        lock (_gate)
        {
            // The monotonic clock stands still while the host sleeps, the other does not. A clock that was set costs one question.
            DateTime wall = DateTime.UtcNow;
            TimeSpan asleep = wall - _tickedWall - Stopwatch.GetElapsedTime(_tickedAt);
            (_tickedWall, _tickedAt) = (wall, Stopwatch.GetTimestamp());
            if (asleep > ProbeTime) Probe();

            TimeSpan silence = _pump.Silence;
            if (_probedAt != 0 && silence < Stopwatch.GetElapsedTime(_probedAt)) _probedAt = 0;
            if (_probedAt != 0 && Stopwatch.GetElapsedTime(_probedAt) >= ProbeTime) GiveUp(Silent(ProbeTime) + " after the network changed");
            else if (_interval <= TimeSpan.Zero || silence < _interval) return;
            else
            {
                // After a tick that came late (this process was stopped, the machine busy) the server may not have been asked yet.
                TimeSpan asked = Stopwatch.GetElapsedTime(_lastPing);
                bool unasked = _lastPing == 0 || asked >= silence;
                if (!unasked && silence >= _interval * _count && asked >= Tick / 2) GiveUp(Silent(silence));
                else if (unasked || asked >= _interval) Ping();
            }
        }
    }

    private void Probe()
    {
        if (_probedAt != 0) return;
        Ping();
        _probedAt = Stopwatch.GetTimestamp();
    }

    private void Ping()
    {
        _lastPing = Stopwatch.GetTimestamp();
        _pump.Ping();
    }

    private void GiveUp(string reason)
    {
        Reason ??= reason;
        GatewayConnection.Shut(_socket);
    }

    private static string Silent(TimeSpan time) => string.Create(CultureInfo.InvariantCulture, $"no sign of life for {time.TotalSeconds:0} s");
}
