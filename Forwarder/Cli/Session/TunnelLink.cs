using PersonalVpn.Cli.Connect;

namespace PersonalVpn.Cli.Session;

/// <summary>One connection that carries the tunnel, until it is lost: its pump and its keep-alive. The tunnel itself outlives it.</summary>
internal sealed class TunnelLink : IDisposable
{
    private readonly GatewayConnection _connection;
    private readonly PacketPump _pump;
    private readonly KeepAlive _keepAlive;

    /// <summary>Starts to carry packets.</summary>
    /// <param name="connection">Logged in, addresses agreed on; owned from here on.</param>
    /// <param name="tunnel">Where packets come from and go to; not owned.</param>
    /// <param name="interval">Keep-alive interval.</param>
    /// <param name="count">Keep-alive intervals of silence that mean death.</param>
    public TunnelLink(GatewayConnection connection, OpenedTunnel tunnel, TimeSpan interval, int count)
    {
        _connection = connection;
        _pump = new PacketPump(connection, tunnel.Channel, tunnel.Device);
        _keepAlive = new KeepAlive(_pump, connection.Socket, interval, count);
        _pump.Start();
    }

    /// <summary>Completes when the connection is lost, or pvpnd closed the tunnel.</summary>
    public Task<PumpEnd> Ended => _pump.Ended;

    /// <summary>Why; after <see cref="Ended"/>.</summary>
    public string Reason => _keepAlive.Reason ?? _pump.Ended.Result.Reason;

    /// <summary>Says goodbye, as far as the server can still be told.</summary>
    public void SendClose(string text) => _pump.SendClose(text);

    public void NetworkChanged() => _keepAlive.NetworkChanged();

    public void Dispose()
    {
        _keepAlive.Dispose();
        // The packet thread has ended before anything is taken from under it, and before another one reads the same ports.
        _connection.Loop.Dispose();
        _connection.Dispose();
    }
}
