using System.Runtime.CompilerServices;
using PersonalVpn.Linux;

namespace PersonalVpn.Server.Sessions;

/// <summary><c>await new LoopYield(loop)</c>: goes on on the loop's thread after the events that wait there now.</summary>
internal readonly struct LoopYield(EventLoop loop) : ICriticalNotifyCompletion
{
    public LoopYield GetAwaiter() => this;

    public bool IsCompleted => false;

    public void GetResult() { }

    public void OnCompleted(Action continuation) => loop.Post(continuation);

    public void UnsafeOnCompleted(Action continuation) => loop.Post(continuation);
}
