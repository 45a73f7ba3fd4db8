using PersonalVpn.Cli.Local;
using PersonalVpn.Linux;

namespace PersonalVpn.Cli.Session;

/// <summary>Waits for pvpnd's last word on the control connection: a message (the tunnel was taken down) or the end (it died).</summary>
internal sealed class ForwarderWatch : IDisposable
{
    private readonly TaskCompletionSource<bool> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ForwarderClient _forwarder;
    private volatile bool _disposed;

    public ForwarderWatch(ForwarderClient forwarder)
    {
        _forwarder = forwarder;
        new Thread(Watch) { IsBackground = true, Name = "forwarder-watch" }.Start();
    }

    /// <summary>True: taken down on purpose; false: the forwarder is gone.</summary>
    public Task<bool> Ended => _ended.Task;

    /// <summary>The last word was read by somebody who waited for an answer.</summary>
    public void TakenDown() => _ended.TrySetResult(true);

    public void Dispose() => _disposed = true;

    private void Watch()
    {
        try { Look(); }
        catch (ObjectDisposedException)
        {
            // The owner let go of the connection between two looks: there is nobody to tell.
        }
    }

    private void Look()
    {
        byte[] message = new byte[4096];
        // Peeking leaves the answers to requests for whoever asked.
        while (!_disposed)
        {
            if (!_forwarder.Socket.Poll(forWrite: false, timeoutMs: 1000)) continue;
            int n = _forwarder.Socket.Receive(message, SocketFlags.MSG_PEEK | SocketFlags.MSG_DONTWAIT);
            if (n == -Errno.EAGAIN) continue;
            if (_disposed) return;
            if (n <= 0) _ended.TrySetResult(false);
            else if (message.AsSpan(0, n).IndexOf("taken down"u8) >= 0) _ended.TrySetResult(true);
            else
            {
                Thread.Sleep(50);
                continue;
            }
            return;
        }
    }
}
