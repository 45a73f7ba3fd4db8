using PersonalVpn.Linux.Abi;

namespace PersonalVpn.Linux;

/// <content>Unix-domain sockets: the control channel between the user's process and the daemon, and packet channels.</content>
public sealed unsafe partial class LinuxSocket
{
    /// <summary>Most descriptors one message may carry (SCM_MAX_FD, net/scm.h).</summary>
    public const int MaxFdsPerMessage = 253;

    /// <summary>Creates a Unix socket that keeps message borders and order.</summary>
    /// <exception cref="LinuxException">socket failed.</exception>
    public static LinuxSocket CreateUnixSeqPacket() => Create(SocketH.AF_UNIX, SocketH.SOCK_SEQPACKET, 0, "AF_UNIX seqpacket");

    /// <summary>Two connected Unix sockets that keep message borders.</summary>
    /// <param name="bufferBytes">What each may have under way; beyond net.core.wmem_max where the capability allows it.</param>
    /// <exception cref="LinuxException">socketpair failed.</exception>
    public static (LinuxSocket First, LinuxSocket Second) SeqPacketPair(int bufferBytes)
    {
        int* fds = stackalloc int[2];
        Check(Native.SocketPair(SocketH.AF_UNIX, SocketH.SOCK_SEQPACKET | SocketH.SOCK_CLOEXEC, 0, fds), "socketpair AF_UNIX");
        LinuxSocket first = new(fds[0], true);
        LinuxSocket second = new(fds[1], true);
        try
        {
            first.SetSendBuffer(bufferBytes);
            second.SetSendBuffer(bufferBytes);
        }
        catch
        {
            first.Dispose();
            second.Dispose();
            throw;
        }

        return (first, second);
    }

    /// <summary>Two connected Unix stream sockets, for a program whose standard input and output are a connection of ours.</summary>
    /// <exception cref="LinuxException">socketpair failed.</exception>
    public static (LinuxSocket First, LinuxSocket Second) StreamPair()
    {
        int* fds = stackalloc int[2];
        Check(Native.SocketPair(SocketH.AF_UNIX, SocketH.SOCK_STREAM | SocketH.SOCK_CLOEXEC, 0, fds), "socketpair AF_UNIX");
        return (new(fds[0], true), new(fds[1], true));
    }

    /// <summary>
    /// Listens at a path (seqpacket). The socket file has exactly this mode, whatever the umask, and never a wider one in
    /// between: bind() takes the mode of the unbound socket's inode (net/unix/af_unix.c, unix_bind_bsd) less the umask. A file
    /// that a crashed server left (nobody listens) is replaced; a living server's is not.
    /// </summary>
    /// <param name="path">Where; "@name" is the abstract namespace, which has no mode.</param>
    /// <param name="mode">Permission bits, for example 0x1b6 (0666).</param>
    /// <param name="backlog">How many connections may wait.</param>
    /// <exception cref="LinuxException">EADDRINUSE: another server lives there, or the path is no socket.</exception>
    public static LinuxSocket ListenUnix(string path, int mode, int backlog = 128)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        LinuxSocket socket = CreateUnixSeqPacket();
        try
        {
            Check(Native.FChmod(socket, (uint)mode), "fchmod AF_UNIX socket");
            int result = socket.BindUnix(path);
            if (result == -Errno.EADDRINUSE && RemoveStale(path)) result = socket.BindUnix(path);
            if (result < 0) throw new LinuxException($"bind AF_UNIX {path}", -result);
            if (path[0] != '@') WidenTo(path, mode);
            Check(Native.Listen(socket, backlog), $"listen AF_UNIX {path}");
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Connects to a Unix seqpacket server.</summary>
    /// <exception cref="LinuxException">ENOENT or ECONNREFUSED: nobody listens; EACCES: not for us.</exception>
    public static LinuxSocket ConnectUnix(string path)
    {
        LinuxSocket socket = CreateUnixSeqPacket();
        int result = socket.BeginConnectUnix(path);
        if (result == 0) return socket;
        socket.Dispose();
        throw new LinuxException($"connect to {path}", -result);
    }

    /// <summary>Sends one message with descriptors (SCM_RIGHTS). The receiver gets duplicates; ours stay ours.</summary>
    /// <param name="data">At least one byte.</param>
    /// <param name="fds">Up to <see cref="MaxFdsPerMessage"/>; none is allowed.</param>
    /// <param name="flags"><see cref="SocketFlags"/>.</param>
    /// <returns>Bytes or a negative errno.</returns>
    public int SendWithFds(ReadOnlySpan<byte> data, ReadOnlySpan<int> fds, int flags = 0)
    {
        if (fds.IsEmpty) return Send(data, flags);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(fds.Length, MaxFdsPerMessage);
        int controlLength = sizeof(CMsgHdr) + (fds.Length * sizeof(int));
        byte* control = stackalloc byte[sizeof(CMsgHdr) + (MaxFdsPerMessage * sizeof(int)) + 8];
        *(CMsgHdr*)control = new CMsgHdr
        {
            cmsg_len = (nuint)controlLength,
            cmsg_level = SocketH.SOL_SOCKET,
            cmsg_type = SocketH.SCM_RIGHTS,
        };
        fds.CopyTo(new Span<int>(control + sizeof(CMsgHdr), fds.Length));
        fixed (byte* p = data)
        {
            IoVec piece = new() { iov_base = (nint)p, iov_len = (nuint)data.Length };
            MsgHdr message = new()
            {
                msg_iov = (nint)(&piece),
                msg_iovlen = 1,
                msg_control = (nint)control,
                msg_controllen = (nuint)((controlLength + 7) & ~7),
            };
            int n;
            do n = Result(Native.SendMsg(this, &message, flags | SocketH.MSG_NOSIGNAL));
            while (n == -Errno.EINTR);
            return n;
        }
    }

    /// <summary>
    /// Receives one message with the descriptors it carries; they are close-on-exec and belong to the caller. Descriptors that
    /// do not fit are never left open: the control buffer holds exactly as many as fit, so the kernel drops the others.
    /// </summary>
    /// <param name="data">Where the message goes.</param>
    /// <param name="fds">Where the descriptors go; may be empty.</param>
    /// <param name="fdCount">How many came.</param>
    /// <param name="truncated">The message was longer than the buffer, or there were more descriptors.</param>
    /// <param name="flags"><see cref="SocketFlags"/>.</param>
    /// <returns>Bytes, 0 when the peer is gone, or a negative errno.</returns>
    public int ReceiveWithFds(Span<byte> data, Span<int> fds, out int fdCount, out bool truncated, int flags = 0)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(fds.Length, MaxFdsPerMessage);
        fdCount = 0;
        truncated = false;

        // net/core/scm.c, scm_max_fds: (msg_controllen - sizeof(cmsghdr)) / 4 descriptors are installed, not one more; CMSG_SPACE's
        // padding would let one in that nobody expects.
        byte* control = stackalloc byte[sizeof(CMsgHdr) + (MaxFdsPerMessage * sizeof(int)) + 8];
        fixed (byte* p = data)
        {
            IoVec piece = new() { iov_base = (nint)p, iov_len = (nuint)data.Length };
            MsgHdr message;
            int n;
            do
            {
                message = new MsgHdr
                {
                    msg_iov = (nint)(&piece),
                    msg_iovlen = 1,
                    msg_control = (nint)control,
                    msg_controllen = fds.IsEmpty ? 0 : (nuint)(sizeof(CMsgHdr) + (fds.Length * sizeof(int))),
                };
                n = Result(Native.RecvMsg(this, &message, flags | SocketH.MSG_CMSG_CLOEXEC));
            }
            while (n == -Errno.EINTR);
            if (n < 0) return n;
            truncated = (message.msg_flags & (SocketH.MSG_TRUNC | SocketH.MSG_CTRUNC)) != 0;
            fdCount = TakeFds(control, message.msg_controllen, fds, ref truncated);
            return n;
        }
    }

    private static int TakeFds(byte* control, nuint length, Span<int> fds, ref bool truncated)
    {
        int count = 0;
        for (nuint at = 0; at + (nuint)sizeof(CMsgHdr) <= length;)
        {
            CMsgHdr* header = (CMsgHdr*)(control + at);
            if (header->cmsg_len < (nuint)sizeof(CMsgHdr) || header->cmsg_len > length - at) break;
            if (header->cmsg_level == SocketH.SOL_SOCKET && header->cmsg_type == SocketH.SCM_RIGHTS)
            {
                int carried = (int)(header->cmsg_len - (nuint)sizeof(CMsgHdr)) / sizeof(int);
                foreach (int fd in new ReadOnlySpan<int>(control + at + sizeof(CMsgHdr), carried))
                {
                    if (count < fds.Length)
                    {
                        fds[count++] = fd;
                        continue;
                    }

                    truncated = true;
                    CloseFd(fd);
                }
            }

            at += (header->cmsg_len + 7) & ~(nuint)7;
        }

        return count;
    }

    /// <summary>Closes a descriptor that was received and is not wanted. Never throws.</summary>
    public static void CloseFd(int fd)
    {
        if (fd >= 0) _ = Native.Close(fd); // close always releases the descriptor on Linux, whatever it answers
    }

    private int BindUnix(string path)
    {
        byte* address = stackalloc byte[SocketAddress.MaxSize];
        int length = SocketAddress.WriteUnix(new Span<byte>(address, SocketAddress.MaxSize), path);
        return Result(Native.Bind(this, address, (uint)length));
    }

    internal int BeginConnectUnix(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        byte* address = stackalloc byte[SocketAddress.MaxSize];
        int length = SocketAddress.WriteUnix(new Span<byte>(address, SocketAddress.MaxSize), path);
        int n;
        do n = Result(Native.Connect(this, address, (uint)length));
        while (n == -Errno.EINTR);
        return n;
    }

    private static bool RemoveStale(string path)
    {
        if (path[0] == '@') return false;
        using LinuxSocket probe = CreateUnixSeqPacket();
        return probe.BeginConnectUnix(path) == -Errno.ECONNREFUSED
            && Mode(path) is int mode && (mode & FcntlH.S_IFMT) == FcntlH.S_IFSOCK
            && Native.Unlink(path) == 0;
    }

    private static void WidenTo(string path, int mode)
    {
        if (Mode(path) is int now && (now & 0xfff) != mode) Check(Native.Chmod(path, (uint)mode), $"chmod {path}");
    }

    private static int? Mode(string path)
    {
        StatX stat;
        return Native.StatXAt(FcntlH.AT_FDCWD, path, FcntlH.AT_SYMLINK_NOFOLLOW, StatH.STATX_TYPE | StatH.STATX_MODE, &stat) < 0
            ? null
            : stat.stx_mode;
    }
}
