using PersonalVpn.Linux.Abi;

namespace PersonalVpn.Linux;

/// <summary>A counter that wakes a thread out of epoll. Any thread may signal.</summary>
public sealed unsafe class EventFd : LinuxHandle
{
    /// <summary>Creates a counter at 0.</summary>
    /// <exception cref="LinuxException">eventfd failed.</exception>
    public EventFd()
        : base(Check(Native.EventFd(0, EventFdH.EFD_CLOEXEC | EventFdH.EFD_NONBLOCK), "eventfd"), true)
    {
    }

    /// <summary>Makes it readable.</summary>
    public void Signal()
    {
        ulong one = 1;
        int n;
        do n = Result(Native.Write(this, (byte*)&one, sizeof(ulong)));
        while (n == -Errno.EINTR);

        // EAGAIN: the counter is full, so it is readable anyway.
        if (n is < 0 and not -Errno.EAGAIN) throw new LinuxException("signal eventfd", -n);
    }

    /// <summary>Back to 0; nothing happens when it is.</summary>
    public void Drain()
    {
        ulong value;
        int n;
        do n = Result(Native.Read(this, (byte*)&value, sizeof(ulong)));
        while (n == -Errno.EINTR);
        if (n is < 0 and not -Errno.EAGAIN) throw new LinuxException("drain eventfd", -n);
    }
}
