using System.Globalization;
using PersonalVpn.Linux;

namespace PersonalVpn.Cli.Session;

/// <summary>ServerAliveInterval and ServerAliveCountMax: a server that is silent for interval x count although asked is dead.</summary>
internal sealed class KeepAlive : IDisposable
{
    private readonly Timer? _timer;

    private KeepAlive(PacketPump pump, LinuxSocket socket, TimeSpan interval, int count)
    {
        if (interval <= TimeSpan.Zero) return;
        _timer = new Timer(_ =>
        {
            if (pump.Silence < interval) return;
            if (pump.Silence >= interval * count)
            {
                Reason = string.Create(CultureInfo.InvariantCulture, $"no sign of life for {pump.Silence.TotalSeconds:0} s");
                socket.Shutdown();
            }
            else pump.Ping();
        }, null, interval, interval);
    }

    /// <summary>Why the connection was given up, if it was.</summary>
    public string? Reason { get; private set; }

    public static KeepAlive Start(PacketPump pump, LinuxSocket socket, TimeSpan interval, int count) => new(pump, socket, interval, Math.Max(count, 1));

    public void Dispose() => _timer?.Dispose();
}
