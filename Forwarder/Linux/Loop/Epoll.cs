using System.Globalization;
using System.Runtime.InteropServices;
using PersonalVpn.Linux.Abi;

namespace PersonalVpn.Linux;

/// <summary>Events of epoll (sys/epoll.h).</summary>
[CConstants("sys/epoll.h")]
public static class EpollEvents
{
    /// <summary>Readable, or at the end.</summary>
    public const uint EPOLLIN = 0x1;

    /// <summary>Writable.</summary>
    public const uint EPOLLOUT = 0x4;

    /// <summary>Error; always reported. On a netlink queue: messages were lost.</summary>
    public const uint EPOLLERR = 0x8;

    /// <summary>Both directions closed; always reported.</summary>
    public const uint EPOLLHUP = 0x10;

    /// <summary>The peer sends no more.</summary>
    public const uint EPOLLRDHUP = 0x2000;

    /// <summary>Report once per change instead of as long as it holds.</summary>
    public const uint EPOLLET = 0x80000000;

    /// <summary>Report once, then not again until modified.</summary>
    public const uint EPOLLONESHOT = 0x40000000;
}

/// <summary>
/// One answer of epoll. Packed on x86-64 (12 bytes: events, then the 8 bytes of our own choice), and only there; this library
/// is built for that architecture.
/// </summary>
[CStruct("struct epoll_event", "sys/epoll.h")]
[StructLayout(LayoutKind.Sequential, Pack = 4)]
public struct EpollEvent
{
    [CField("events")]
    private uint _events;

    [CField("data")]
    private ulong _data;

    /// <summary>What happened; <see cref="EpollEvents"/>.</summary>
    public uint Events
    {
        readonly get => _events;
        set => _events = value;
    }

    /// <summary>What was given to <see cref="Epoll.Add"/>.</summary>
    public ulong Data
    {
        readonly get => _data;
        set => _data = value;
    }
}

/// <summary>A set of watched descriptors. Add, Modify and Remove may be called from any thread while another waits.</summary>
public sealed unsafe class Epoll : LinuxHandle
{
    /// <summary>Creates an empty set.</summary>
    /// <exception cref="LinuxException">epoll_create1 failed.</exception>
    public Epoll()
        : base(Check(Native.EpollCreate1(EpollH.EPOLL_CLOEXEC), "epoll_create1"), true)
    {
    }

    /// <summary>Watches a descriptor.</summary>
    /// <exception cref="LinuxException">EPERM: the file cannot be watched; EEXIST: it is already.</exception>
    public void Add(int fd, uint events, ulong data) => Control(EpollH.EPOLL_CTL_ADD, fd, events, data, "add");

    /// <summary>Changes what a descriptor is watched for.</summary>
    /// <exception cref="LinuxException">ENOENT: it is not watched.</exception>
    public void Modify(int fd, uint events, ulong data) => Control(EpollH.EPOLL_CTL_MOD, fd, events, data, "modify");

    /// <summary>Watches no more. A descriptor that is not watched or closed is no error.</summary>
    /// <exception cref="LinuxException">epoll_ctl failed.</exception>
    public void Remove(int fd)
    {
        int result = Result(Native.EpollCtl(this, EpollH.EPOLL_CTL_DEL, fd, null));
        if (result is < 0 and not -Errno.ENOENT and not -Errno.EBADF) throw new LinuxException("epoll remove", -result);
    }

    /// <summary>Waits for events.</summary>
    /// <param name="events">Where they go.</param>
    /// <param name="timeoutMs">Milliseconds; 0 looks only, -1 waits for ever.</param>
    /// <returns>How many; 0 when the time is up or a signal came.</returns>
    /// <exception cref="LinuxException">epoll_wait failed.</exception>
    public int Wait(Span<EpollEvent> events, int timeoutMs)
    {
        fixed (EpollEvent* p = events)
        {
            int n = Result(Native.EpollWait(this, p, events.Length, timeoutMs));
            if (n >= 0) return n;
            return n == -Errno.EINTR ? 0 : throw new LinuxException("epoll_wait", -n);
        }
    }

    private void Control(int operation, int fd, uint events, ulong data, string what)
    {
        EpollEvent change = new() { Events = events, Data = data };
        Check(Native.EpollCtl(this, operation, fd, &change), $"epoll {what} fd {fd.ToString(CultureInfo.InvariantCulture)}");
    }
}
