using System.Runtime.InteropServices;

namespace PersonalVpn.Linux.Abi;

/// <summary>fcntl.h and sys/stat.h.</summary>
[CConstants("fcntl.h", "sys/stat.h")]
internal static class FcntlH
{
    internal const int O_RDONLY = 0;
    internal const int O_RDWR = 2;
    internal const int O_NOCTTY = 0x100;
    internal const int O_NONBLOCK = 0x800;
    internal const int O_DIRECTORY = 0x10000;
    internal const int O_CLOEXEC = 0x80000;
    internal const int F_GETFL = 3;
    internal const int F_SETFL = 4;
    internal const int F_DUPFD_CLOEXEC = 1030;
    internal const int AT_FDCWD = -100;
    internal const int AT_EMPTY_PATH = 0x1000;
    internal const int AT_SYMLINK_NOFOLLOW = 0x100;
    internal const int S_IFMT = 0xf000;
    internal const int S_IFDIR = 0x4000;
    internal const int S_IFREG = 0x8000;
    internal const int S_IFSOCK = 0xc000;
}

/// <summary>sys/uio.h: flags of preadv2.</summary>
[CConstants("sys/uio.h")]
internal static class UioH
{
    internal const int RWF_NOWAIT = 8;
}

/// <summary>linux/stat.h: statx.</summary>
[CConstants("linux/stat.h")]
internal static class StatH
{
    internal const uint STATX_TYPE = 0x1;
    internal const uint STATX_MODE = 0x2;
    internal const uint STATX_UID = 0x8;
}

/// <summary>linux/openat2.h.</summary>
[CConstants("linux/openat2.h", "sys/syscall.h")]
internal static class OpenAt2H
{
    internal const ulong RESOLVE_NO_MAGICLINKS = 0x02;
    internal const ulong RESOLVE_BENEATH = 0x08;

    [CExpression("SYS_openat2")]
    internal const int SYS_openat2 = 437;
}

/// <summary>How openat2 opens.</summary>
[CStruct("struct open_how", "linux/openat2.h")]
[StructLayout(LayoutKind.Sequential)]
internal struct OpenHow
{
    internal ulong flags;
    internal ulong mode;
    internal ulong resolve;
}

/// <summary>sys/ioctl.h.</summary>
[CConstants("sys/ioctl.h")]
internal static class IoctlH
{
    internal const uint TIOCGWINSZ = 0x5413;
}

/// <summary>unistd.h.</summary>
[CConstants("unistd.h")]
internal static class UnistdH
{
    internal const int X_OK = 1;
}

/// <summary>poll.h.</summary>
[CConstants("poll.h")]
internal static class PollH
{
    internal const short POLLIN = 1;
    internal const short POLLOUT = 4;
}

/// <summary>sys/eventfd.h.</summary>
[CConstants("sys/eventfd.h")]
internal static class EventFdH
{
    internal const int EFD_CLOEXEC = 0x80000;
    internal const int EFD_NONBLOCK = 0x800;
}

/// <summary>sys/epoll.h: how a descriptor is watched (the events themselves are public: <see cref="EpollEvents"/>).</summary>
[CConstants("sys/epoll.h")]
internal static class EpollH
{
    internal const int EPOLL_CLOEXEC = 0x80000;
    internal const int EPOLL_CTL_ADD = 1;
    internal const int EPOLL_CTL_DEL = 2;
    internal const int EPOLL_CTL_MOD = 3;
}

/// <summary>sched.h: namespaces.</summary>
[CConstants("linux/sched.h")]
internal static class SchedH
{
    internal const int CLONE_NEWNET = 0x40000000;
}

/// <summary>linux/sockios.h.</summary>
[CConstants("sys/ioctl.h", "linux/sockios.h")]
internal static class SockiosH
{
    internal const uint SIOCOUTQ = 0x5411;
}

/// <summary>linux/prctl.h and linux/capability.h.</summary>
[CConstants("linux/prctl.h", "linux/capability.h")]
internal static class PrctlH
{
    internal const int PR_CAPBSET_READ = 23;
    internal const int PR_CAPBSET_DROP = 24;
    internal const int PR_SET_NO_NEW_PRIVS = 38;
    internal const int PR_GET_NO_NEW_PRIVS = 39;
    internal const int PR_SET_DUMPABLE = 4;
    internal const int PR_CAP_AMBIENT = 47;
    internal const int PR_CAP_AMBIENT_CLEAR_ALL = 4;
    internal const uint _LINUX_CAPABILITY_VERSION_3 = 0x20080522;
}
