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

    /// <summary>
    /// Connects to the first address that answers, each tried <see cref="AddressOrder.AttemptDelay"/> after the one before or as soon as
    /// that has failed (RFC 8305). The stream owns the socket.
    /// </summary>
    /// <exception cref="SessionRefusedException">None does.</exception>
    public static async Task<NonBlockingStream> ConnectAsync(IReadOnlyList<IPEndPoint> places, string name, EventLoop loop, CancellationToken cancel)
    {
        string problem = "";
        var waiting = new Queue<IPEndPoint>(AddressOrder.Interleave(places));
        var running = new List<Task<Attempt>>();
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        try
        {
            while (waiting.Count > 0 || running.Count > 0)
            {
                if (waiting.TryDequeue(out IPEndPoint? place)) running.Add(TryConnectAsync(place, loop, over.Token));
                Task pause = Task.Delay(waiting.Count > 0 ? AddressOrder.AttemptDelay : Timeout.InfiniteTimeSpan, over.Token);
                Task first = await Task.WhenAny([.. running, pause]).ConfigureAwait(false);
                cancel.ThrowIfCancellationRequested();
                if (first == pause) continue;
                var ended = (Task<Attempt>)first;
                running.Remove(ended);
                (LinuxSocket? socket, int error) = await ended.ConfigureAwait(false);
                if (socket is not null) return Stream(socket, loop);
                problem = new LinuxException("connect", error).Message;
            }
        }
        finally
        {
            await over.CancelAsync().ConfigureAwait(false);
            // One that has been connected just now comes too late.
            foreach (Task<Attempt> late in running)
                _ = late.ContinueWith(t => t.Result.Socket?.Dispose(), CancellationToken.None, TaskContinuationOptions.OnlyOnRanToCompletion, TaskScheduler.Default);
        }
        throw new SessionRefusedException(CloseReason.Unreachable, $"{name} cannot be reached from this gateway: {problem}");
    }

    private static NonBlockingStream Stream(LinuxSocket socket, EventLoop loop)
    {
        try
        {
            socket.SetNoDelay();
            KeepAlive(socket);
            return new NonBlockingStream(socket, loop);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>For either end of a relay.</summary>
    public static void KeepAlive(LinuxSocket socket) => socket.SetKeepAlive(KeepAliveTime, KeepAliveCount);

    // No thread waits: a few users who ask for places that do not answer would hold up everybody's login.
    private static async Task<Attempt> TryConnectAsync(IPEndPoint place, EventLoop loop, CancellationToken cancel)
    {
        LinuxSocket? socket = null;
        try
        {
            socket = LinuxSocket.CreateTcp(place.AddressFamily == AddressFamily.InterNetworkV6);
            int error = await ConnectAsync(socket, place, loop, cancel).ConfigureAwait(false);
            if (error == 0) return new Attempt(Interlocked.Exchange(ref socket, null), 0);
            return new Attempt(null, error);
        }
        catch (LinuxException e)
        {
            // No socket of that family, for example; another address may do.
            return new Attempt(null, e.Error);
        }
        finally
        {
            socket?.Dispose();
        }
    }

    // 0 or an errno.
    private static async Task<int> ConnectAsync(LinuxSocket socket, IPEndPoint place, EventLoop loop, CancellationToken cancel)
    {
        socket.SetNonBlocking(true);
        int begun = socket.BeginConnect(place);
        if (begun is not (-Errno.EINPROGRESS or -Errno.EINTR)) return -begun;
        var answer = new Answer();
        loop.Register(socket.Fd, EpollEvents.EPOLLOUT | EpollEvents.EPOLLET, answer);
        try
        {
            await answer.Came.WaitAsync(ConnectTime, cancel).ConfigureAwait(false);
            return socket.TakeError();
        }
        catch (TimeoutException)
        {
            return Errno.ETIMEDOUT;
        }
        finally
        {
            loop.Unregister(socket.Fd);
        }
    }

    /// <summary>How a connect ended: a socket that is connected, or an errno.</summary>
    private readonly record struct Attempt(LinuxSocket? Socket, int Error);

    /// <summary>The end of a connect, well or not.</summary>
    private sealed class Answer : IEventHandler
    {
        private readonly TaskCompletionSource _came = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Came => _came.Task;

        public void OnEvents(uint events) => _came.TrySetResult();
    }
}
