using PersonalVpn.Linux.Abi;

namespace PersonalVpn.Linux;

/// <summary>A descriptor that is not a socket: a device, a namespace, an event counter.</summary>
public sealed class LinuxFile : LinuxHandle
{
    private LinuxFile(int fd, bool ownsHandle)
        : base(fd, ownsHandle)
    {
    }

    /// <summary>Wraps a descriptor.</summary>
    /// <param name="fd">The descriptor.</param>
    /// <param name="ownsHandle">True: closed with this object.</param>
    public static LinuxFile FromFd(int fd, bool ownsHandle = true) => new(fd, ownsHandle);

    /// <summary>Opens a file for reading.</summary>
    /// <exception cref="LinuxException">open failed.</exception>
    public static LinuxFile OpenRead(string path) => Open(path, FcntlH.O_RDONLY);

    /// <summary>Opens a directory, to open what is in it.</summary>
    /// <exception cref="LinuxException">open failed: not there, not permitted, or no directory.</exception>
    public static LinuxFile OpenDirectory(string path) => Open(path, FcntlH.O_RDONLY | FcntlH.O_DIRECTORY);

    /// <summary>Opens a device for reading and writing.</summary>
    /// <param name="path">The device.</param>
    /// <param name="nonBlocking">True: reads and writes answer EAGAIN instead of waiting.</param>
    /// <exception cref="LinuxException">open failed.</exception>
    public static LinuxFile OpenDevice(string path, bool nonBlocking) =>
        Open(path, FcntlH.O_RDWR | (nonBlocking ? FcntlH.O_NONBLOCK : 0));

    /// <summary>Reads once. EINTR is retried.</summary>
    /// <returns>Bytes (0 at the end) or a negative errno.</returns>
    public unsafe int Read(Span<byte> buffer)
    {
        fixed (byte* p = buffer)
        {
            int n;
            do n = Result(Native.Read(this, p, (nuint)buffer.Length));
            while (n == -Errno.EINTR);
            return n;
        }
    }

    /// <summary>Reads what is there without waiting, whatever the open file's mode (preadv2 with RWF_NOWAIT).</summary>
    /// <returns>Bytes (0 at the end) or a negative errno: EAGAIN when there is nothing.</returns>
    public unsafe int ReadNoWait(Span<byte> buffer)
    {
        fixed (byte* p = buffer)
        {
            IoVec piece = new() { iov_base = (nint)p, iov_len = (nuint)buffer.Length };
            int n;
            do n = Result(Native.PReadV2(this, &piece, 1, -1, UioH.RWF_NOWAIT));
            while (n == -Errno.EINTR);
            return n;
        }
    }

    /// <summary>Writes once. EINTR is retried.</summary>
    /// <returns>Bytes or a negative errno.</returns>
    public unsafe int Write(ReadOnlySpan<byte> buffer)
    {
        fixed (byte* p = buffer)
        {
            int n;
            do n = Result(Native.Write(this, p, (nuint)buffer.Length));
            while (n == -Errno.EINTR);
            return n;
        }
    }

    /// <summary>Writes two pieces in one call: header and packet of a TUN device go together without being copied together.</summary>
    /// <returns>Bytes of both or a negative errno.</returns>
    public unsafe int Write(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
    {
        fixed (byte* p = first, q = second)
        {
            IoVec* pieces = stackalloc IoVec[2];
            pieces[0] = new IoVec { iov_base = (nint)p, iov_len = (nuint)first.Length };
            pieces[1] = new IoVec { iov_base = (nint)q, iov_len = (nuint)second.Length };
            int n;
            do n = Result(Native.WriteV(this, pieces, 2));
            while (n == -Errno.EINTR);
            return n;
        }
    }

    private static LinuxFile Open(string path, int flags)
    {
        ArgumentNullException.ThrowIfNull(path);
        int fd;
        do fd = Result(Native.Open(path, flags | FcntlH.O_CLOEXEC, 0));
        while (fd == -Errno.EINTR);
        return new LinuxFile(LinuxException.Check(fd, $"open {path}"), true);
    }
}
