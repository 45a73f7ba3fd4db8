using PersonalVpn.Linux;

namespace PersonalVpn.Server.Relay;

/// <summary>
/// Waits until a stream has sent what waited, for one writer at a time. The stream's <see cref="NonBlockingStream.Drained"/> is its own
/// from here on.
/// </summary>
internal sealed class SendRoom
{
    private readonly TaskCreationOptions _options;
    private TaskCompletionSource _given;

    /// <param name="stream">The stream.</param>
    /// <param name="onPool">True: who waited goes on in the thread pool; false: on the event loop that sent the rest.</param>
    public SendRoom(NonBlockingStream stream, bool onPool = false)
    {
        _options = onPool ? TaskCreationOptions.RunContinuationsAsynchronously : TaskCreationOptions.None;
        _given = new TaskCompletionSource(_options);
        Stream = stream;
        stream.Drained = Give;
    }

    public NonBlockingStream Stream { get; }

    /// <summary>Lets who waits go on, whatever still waits to be sent.</summary>
    public void Give() => _given.TrySetResult();

    public Task WaitAsync()
    {
        _given = new TaskCompletionSource(_options);
        // It may have drained, or failed, before there was anybody to be told.
        if (Stream.PendingBytes == 0) _given.TrySetResult();
        return _given.Task;
    }
}
