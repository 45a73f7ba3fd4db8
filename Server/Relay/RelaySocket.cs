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
                int error = await TryConnectAsync(socket, place, loop, cancel).ConfigureAwait(false);
                if (error == 0)
                {
                    socket.SetNoDelay();
                    KeepAlive(socket);
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
        throw new SessionRefusedException(CloseReason.Unreachable, $"{name} cannot be reached from this gateway: {problem}");
    }

    /// <summary>For either end of a relay.</summary>
    public static void KeepAlive(LinuxSocket socket) => socket.SetKeepAlive(KeepAliveTime, KeepAliveCount);

    // No thread waits: a few users who ask for places that do not answer would hold up everybody's login.
    private static async Task<int> TryConnectAsync(LinuxSocket socket, IPEndPoint place, EventLoop loop, CancellationToken cancel)
    {
        socket.SetNonBlocking(true);
        int begun = socket.BeginConnect(place);
        if (begun is not (-Errno.EINPROGRESS or -Errno.EINTR)) return begun;
        var answer = new Answer();
        loop.Register(socket.Fd, EpollEvents.EPOLLOUT | EpollEvents.EPOLLET, answer);
        try
        {
            await answer.Came.WaitAsync(ConnectTime, cancel).ConfigureAwait(false);
            return -socket.TakeError();
        }
        catch (TimeoutException)
        {
            return -Errno.ETIMEDOUT;
        }
        finally
        {
            loop.Unregister(socket.Fd);
        }
    }

    /// <summary>The end of a connect, well or not.</summary>
    private sealed class Answer : IEventHandler
    {
        private readonly TaskCompletionSource _came = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Came => _came.Task;

        public void OnEvents(uint events) => _came.TrySetResult();
    }
}
