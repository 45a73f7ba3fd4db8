using System.Runtime.CompilerServices;

namespace PersonalVpn.Linux;

/// <summary><c>await new LoopYield(loop)</c>: goes on on the loop's thread after the events that wait there now.</summary>
public readonly struct LoopYield(EventLoop loop) : ICriticalNotifyCompletion
{
    /// <summary>The awaiter: this.</summary>
    public LoopYield GetAwaiter() => this;

    /// <summary>Never at once.</summary>
    public bool IsCompleted => false;

    /// <summary>Nothing to get.</summary>
    public void GetResult() { }

    /// <inheritdoc/>
    public void OnCompleted(Action continuation) => loop.Post(continuation);

    /// <inheritdoc/>
    public void UnsafeOnCompleted(Action continuation) => loop.Post(continuation);
}
