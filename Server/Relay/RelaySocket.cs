using System.Net;
using System.Net.Sockets;
using PersonalVpn.Linux;
using PersonalVpn.Server.Sessions;
using PersonalVpn.Tunnel.Protocol;

namespace PersonalVpn.Server.Relay;

/// <summary>The connection from a hop to the next gateway.</summary>
internal static class RelaySocket
{
    private static readonly TimeSpan ConnectTime = TimeSpan.FromSeconds(10);

    // Nothing in a relay speaks for the hop: TCP itself finds out that an end has gone.
    private static readonly TimeSpan KeepAliveTime = TimeSpan.FromSeconds(30);
    private const int KeepAliveCount = 3;

    /// <summary>Connects to the first address that answers. The stream owns the socket.</summary>
    /// <exception cref="SessionRefusedException">None does.</exception>
    public static async Task<NonBlockingStream> ConnectAsync(IReadOnlyList<IPEndPoint> places, string name, EventLoop loop, CancellationToken cancel)
    {
        string problem = "";
        foreach (IPEndPoint place in places)
        {
            cancel.ThrowIfCancellationRequested();
            LinuxSocket socket = LinuxSocket.CreateTcp(place.AddressFamily == AddressFamily.InterNetworkV6);
            try
            {
                int error = await Task.Run(() => socket.TryConnect(place, ConnectTime), cancel).ConfigureAwait(false);
                if (error == 0)
                {
                    socket.SetNoDelay();
                    socket.SetKeepAlive(KeepAliveTime, KeepAliveCount);
                    return new NonBlockingStream(socket, loop);
                }
                problem = new LinuxException("connect", -error).Message;
            }
            catch
            {
                socket.Dispose();
                throw;
            }
            socket.Dispose();
        }
        throw new SessionRefusedException(CloseReason.NotPermitted, $"{name} cannot be reached from this gateway: {problem}");
    }
}
