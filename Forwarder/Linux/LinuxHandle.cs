using System.Globalization;
using System.Runtime.InteropServices;
using PersonalVpn.Linux.Abi;

namespace PersonalVpn.Linux;

/// <summary>
/// A file descriptor that belongs to this object: closed once, never under a call that uses it. All descriptors of this
/// library are close-on-exec.
/// </summary>
public abstract class LinuxHandle : SafeHandle
{
    /// <summary>Takes over a descriptor.</summary>
    protected LinuxHandle(int fd, bool ownsHandle)
        : base(-1, ownsHandle) => SetHandle(fd);

    /// <summary>The number of the descriptor, for epoll and for messages. Valid as long as this object is not disposed.</summary>
    public int Fd => (int)handle;

    /// <inheritdoc/>
    public override bool IsInvalid => (int)handle < 0;

    /// <inheritdoc/>
    public override string ToString() => $"fd {Fd.ToString(CultureInfo.InvariantCulture)}";

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => Native.Close((int)handle) == 0;

    /// <summary>Turns the C convention (-1 and errno) into "bytes or negative errno".</summary>
    internal static int Result(nint result) => result >= 0 ? (int)result : -Marshal.GetLastPInvokeError();

    /// <summary>Turns the C convention into an exception.</summary>
    internal static int Check(nint result, string operation) =>
        result >= 0 ? (int)result : throw new LinuxException(operation, Marshal.GetLastPInvokeError());

    /// <summary>Waits until the descriptor is readable (or at its end) or, if asked, writable.</summary>
    /// <param name="forWrite">True to wait for room to write.</param>
    /// <param name="timeoutMs">Milliseconds; -1 waits for ever.</param>
    /// <returns>False when the time is up.</returns>
    /// <exception cref="LinuxException">poll failed.</exception>
    public unsafe bool Poll(bool forWrite, int timeoutMs)
    {
        bool added = false;
        try
        {
            DangerousAddRef(ref added);
            PollFd fd = new() { fd = Fd, events = forWrite ? PollH.POLLOUT : PollH.POLLIN };
            long end = Environment.TickCount64 + timeoutMs;
            int left = timeoutMs;
            while (true)
            {
                int n = Result(Native.Poll(&fd, 1, left));
                if (n >= 0) return n > 0;
                if (n != -Errno.EINTR) throw new LinuxException("poll", -n);
                if (timeoutMs >= 0) left = (int)Math.Max(0, end - Environment.TickCount64);
            }
        }
        finally
        {
            if (added) DangerousRelease();
        }
    }

    /// <summary>Switches between blocking and non-blocking. It is a property of the open file: all who share it see the change.</summary>
    /// <exception cref="LinuxException">fcntl failed.</exception>
    public void SetNonBlocking(bool on)
    {
        int flags = Check(Native.Fcntl(this, FcntlH.F_GETFL, 0), "fcntl F_GETFL");
        int wanted = on ? flags | FcntlH.O_NONBLOCK : flags & ~FcntlH.O_NONBLOCK;
        if (wanted != flags) Check(Native.Fcntl(this, FcntlH.F_SETFL, wanted), "fcntl F_SETFL");
    }

    /// <summary>True when the open file is non-blocking.</summary>
    public bool NonBlocking => (Check(Native.Fcntl(this, FcntlH.F_GETFL, 0), "fcntl F_GETFL") & FcntlH.O_NONBLOCK) != 0;
}
