using PersonalVpn.Linux.Abi;

namespace PersonalVpn.Linux;

/// <summary>The error numbers that callers tell apart (asm-generic/errno.h). Hot-path methods return them negated.</summary>
[CConstants("errno.h")]
public static class Errno
{
    /// <summary>Operation not permitted.</summary>
    public const int EPERM = 1;

    /// <summary>No such file, rule or socket.</summary>
    public const int ENOENT = 2;

    /// <summary>No such route.</summary>
    public const int ESRCH = 3;

    /// <summary>Interrupted; retried by this library.</summary>
    public const int EINTR = 4;

    /// <summary>Input/output error; a TUN device that is not up.</summary>
    public const int EIO = 5;

    /// <summary>Bad file descriptor.</summary>
    public const int EBADF = 9;

    /// <summary>Nothing to read, or no room to write, now.</summary>
    public const int EAGAIN = 11;

    /// <summary>Out of memory.</summary>
    public const int ENOMEM = 12;

    /// <summary>Forbidden; a prohibit route or rule.</summary>
    public const int EACCES = 13;

    /// <summary>Taken by another.</summary>
    public const int EBUSY = 16;

    /// <summary>Exists already.</summary>
    public const int EEXIST = 17;

    /// <summary>No such network device.</summary>
    public const int ENODEV = 19;

    /// <summary>Invalid argument; also what a blackhole route answers.</summary>
    public const int EINVAL = 22;

    /// <summary>Too many open files.</summary>
    public const int EMFILE = 24;

    /// <summary>The peer reads no more.</summary>
    public const int EPIPE = 32;

    /// <summary>Name too long.</summary>
    public const int ENAMETOOLONG = 36;

    /// <summary>The kernel has no such call.</summary>
    public const int ENOSYS = 38;

    /// <summary>The device behind a descriptor is gone.</summary>
    public const int EBADFD = 77;

    /// <summary>Not a socket.</summary>
    public const int ENOTSOCK = 88;

    /// <summary>The packet is longer than the device or socket takes.</summary>
    public const int EMSGSIZE = 90;

    /// <summary>The protocol has no such option.</summary>
    public const int ENOPROTOOPT = 92;

    /// <summary>The kernel was built without this.</summary>
    public const int EOPNOTSUPP = 95;

    /// <summary>Address or path in use.</summary>
    public const int EADDRINUSE = 98;

    /// <summary>No such address on this machine.</summary>
    public const int EADDRNOTAVAIL = 99;

    /// <summary>The network interface is down.</summary>
    public const int ENETDOWN = 100;

    /// <summary>No route.</summary>
    public const int ENETUNREACH = 101;

    /// <summary>Aborted: what the owner of a destroyed socket sees (SOCK_DESTROY).</summary>
    public const int ECONNABORTED = 103;

    /// <summary>Reset by the peer.</summary>
    public const int ECONNRESET = 104;

    /// <summary>A queue overflowed and messages were lost.</summary>
    public const int ENOBUFS = 105;

    /// <summary>Connected already.</summary>
    public const int EISCONN = 106;

    /// <summary>Not connected.</summary>
    public const int ENOTCONN = 107;

    /// <summary>Timed out.</summary>
    public const int ETIMEDOUT = 110;

    /// <summary>Nobody listens.</summary>
    public const int ECONNREFUSED = 111;

    /// <summary>Host unreachable; an unreachable route.</summary>
    public const int EHOSTUNREACH = 113;

    /// <summary>A non-blocking connect is under way.</summary>
    public const int EINPROGRESS = 115;

    /// <summary>The socket found is not the one meant (sock_diag cookie).</summary>
    public const int ESTALE = 116;
}
