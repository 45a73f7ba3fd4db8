using PersonalVpn.Linux;

namespace PersonalVpn.Cli.Session;

/// <summary>Calls back when this host's interfaces, addresses or routes have changed: once for changes that come together.</summary>
internal sealed class NetworkWatch : IDisposable
{
    private static readonly TimeSpan Together = TimeSpan.FromMilliseconds(200), LookUp = TimeSpan.FromSeconds(1);

    private readonly NetworkEvents _events = new();
    private volatile bool _disposed;

    public NetworkWatch() => new Thread(Watch) { IsBackground = true, Name = "network-watch" }.Start();

    /// <summary>On the watch's own thread.</summary>
    public event Action? Changed;

    /// <summary>Not waited for: the thread ends with its next look, and a program that ends does not wait a second for it.</summary>
    public void Dispose() => _disposed = true;

    private void Watch()
    {
        using NetworkEvents events = _events;
        while (!_disposed)
        {
            if (!events.Wait(LookUp) || _disposed) continue;
            // An address that comes brings a route, and a link that comes an address.
            Thread.Sleep(Together);
            events.Wait(TimeSpan.Zero);
            if (!_disposed) Changed?.Invoke();
        }
    }
}
