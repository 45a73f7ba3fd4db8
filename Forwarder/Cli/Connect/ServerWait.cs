namespace PersonalVpn.Cli.Connect;

/// <summary>One wait for the server: bounded in time, and shown to whoever looks on.</summary>
/// <param name="shown">Ends what is shown of it; null = nothing is.</param>
/// <param name="limit">How long it may last.</param>
/// <param name="late">What to do then.</param>
internal sealed class ServerWait(IDisposable? shown, TimeSpan limit, Action late) : IDisposable
{
    private readonly Timer _timer = new(_ => late(), null, limit, Timeout.InfiniteTimeSpan);

    public void Dispose()
    {
        _timer.Dispose();
        shown?.Dispose();
    }
}
