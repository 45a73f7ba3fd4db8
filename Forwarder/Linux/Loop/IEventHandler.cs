namespace PersonalVpn.Linux;

/// <summary>Gets the events of one descriptor, on the loop's thread.</summary>
public interface IEventHandler
{
    /// <summary>Something happened.</summary>
    /// <param name="events"><see cref="EpollEvents"/>; may be stale: answer EAGAIN kindly.</param>
    void OnEvents(uint events);
}
