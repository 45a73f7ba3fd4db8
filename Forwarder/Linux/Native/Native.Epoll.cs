using System.Runtime.InteropServices;

namespace PersonalVpn.Linux;

/// <content>epoll and eventfd.</content>
internal static unsafe partial class Native
{
    [LibraryImport(LibC, EntryPoint = "epoll_create1", SetLastError = true)]
    internal static partial int EpollCreate1(int flags);

    [LibraryImport(LibC, EntryPoint = "epoll_ctl", SetLastError = true)]
    internal static partial int EpollCtl(SafeHandle epoll, int operation, int fd, EpollEvent* change);

    [LibraryImport(LibC, EntryPoint = "epoll_wait", SetLastError = true)]
    internal static partial int EpollWait(SafeHandle epoll, EpollEvent* events, int count, int timeoutMs);

    [LibraryImport(LibC, EntryPoint = "eventfd", SetLastError = true)]
    internal static partial int EventFd(uint initial, int flags);
}
