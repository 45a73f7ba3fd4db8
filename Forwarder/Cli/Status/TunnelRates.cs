using PersonalVpn.Tunnel.Local;

namespace PersonalVpn.Cli.Status;

/// <summary>A tunnel with how fast it is; no rates when it was not there a moment ago.</summary>
internal sealed record RatedTunnel(TunnelStatus Status, double? BytesOutPerSecond, double? BytesInPerSecond);

/// <summary>Rates out of counters: what was added since the last look, by the time between.</summary>
internal sealed class TunnelRates(TimeProvider? time = null)
{
    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private Dictionary<(string Device, string Since), TunnelStatus> _last = [];
    private long _lastTime;

    /// <summary>The tunnels with their rates since the last call.</summary>
    public IReadOnlyList<RatedTunnel> Next(IReadOnlyList<TunnelStatus> tunnels)
    {
        long now = _time.GetTimestamp();
        double seconds = _time.GetElapsedTime(_lastTime, now).TotalSeconds;
        RatedTunnel[] rated = [.. tunnels.Select(t => _last.TryGetValue(Key(t), out TunnelStatus? before) && seconds > 0
            ? new RatedTunnel(t, Rate(t.BytesOut, before.BytesOut, seconds), Rate(t.BytesIn, before.BytesIn, seconds)) : new RatedTunnel(t, null, null))];
        _lastTime = now;
        _last = tunnels.DistinctBy(Key).ToDictionary(Key);
        return rated;
    }

    private static (string, string) Key(TunnelStatus t) => (t.Device, t.Since);

    private static double Rate(long now, long before, double seconds) => Math.Max(0, now - before) / seconds;
}
