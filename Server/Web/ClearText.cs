using PersonalVpn.Linux;

namespace PersonalVpn.Server.Web;

/// <summary>Looks at the first byte of a connection without taking it: somebody may speak HTTP in the clear to the port of TLS.</summary>
internal static class ClearText
{
    private const byte Handshake = 0x16;

    /// <summary>
    /// True when what comes first begins no TLS record (nor, with its highest bit, the hello of SSL 2, which TLS refuses in its own words).
    /// False also when nothing comes in time, or the connection ends: the handshake says so. No thread waits meanwhile.
    /// </summary>
    public static async Task<bool> IsAsync(LinuxSocket socket, EventLoop loop, TimeSpan wait)
    {
        int n = Peek(socket, out byte first);
        if (n == -Errno.EAGAIN)
        {
            var came = new FirstByte();
            try
            {
                loop.Register(socket.Fd, EpollEvents.EPOLLIN | EpollEvents.EPOLLRDHUP | EpollEvents.EPOLLONESHOT, came);
                try { await came.Task.WaitAsync(wait).ConfigureAwait(false); }
                finally { loop.Unregister(socket.Fd); }
            }
            catch (Exception e) when (e is TimeoutException or LinuxException or ObjectDisposedException)
            {
                return false;
            }
            n = Peek(socket, out first);
        }
        return n > 0 && first != Handshake && (first & 0x80) == 0;
    }

    private static int Peek(LinuxSocket socket, out byte first)
    {
        Span<byte> one = stackalloc byte[1];
        int n = socket.Receive(one, SocketFlags.MSG_PEEK | SocketFlags.MSG_DONTWAIT);
        first = one[0];
        return n;
    }

    private sealed class FirstByte : IEventHandler
    {
        private readonly TaskCompletionSource _came = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Task => _came.Task;

        public void OnEvents(uint events) => _came.TrySetResult();
    }
}
