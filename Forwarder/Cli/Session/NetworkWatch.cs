using PersonalVpn.Linux;

namespace PersonalVpn.Cli.Session;

/// <summary>Calls back when this host's interfaces, addresses or routes have changed: once for changes that come together.</summary>
internal sealed class NetworkWatch : IDisposable
{
    private static readonly TimeSpan Together = TimeSpan.FromMilliseconds(200), LookUp = TimeSpan.FromSeconds(1);

    private readonly NetworkEvents _events = new();
    private readonly Thread _thread;
    private volatile bool _disposed;

    public NetworkWatch()
    {
        _thread = new Thread(Watch) { IsBackground = true, Name = "network-watch" };
        _thread.Start();
    }

    /// <summary>On the watch's own thread.</summary>
    public event Action? Changed;

    public void Dispose()
    {
        _disposed = true;
        _thread.Join();
        _events.Dispose();
    }

    private void Watch()
    {
        while (!_disposed)
        {
            if (!_events.Wait(LookUp) || _disposed) continue;
            // An address that comes brings a route, and a link that comes an address.
            Thread.Sleep(Together);
            _events.Wait(TimeSpan.Zero);
            Changed?.Invoke();
        }
    }
}
