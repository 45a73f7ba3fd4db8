using Microsoft.Win32.SafeHandles;
using PersonalVpn.Linux.Abi;

namespace PersonalVpn.Linux;

/// <summary>What <see cref="FileBeneath.Open"/> found.</summary>
public enum FileBeneathKind
{
    /// <summary>Nothing that may be read: not there, not below the directory, not for everybody, no file.</summary>
    None,

    /// <summary>A regular file.</summary>
    File,

    /// <summary>A directory.</summary>
    Directory,
}

/// <summary>
/// Opens what a stranger names, below a directory and nowhere else. The kernel holds it (openat2 with RESOLVE_BENEATH, Linux 5.6):
/// whatever <c>..</c> and symbolic links there are, and whoever moves them meanwhile. And only what everybody on this machine may
/// read: a key that lies there by mistake stays where it is.
/// </summary>
public static class FileBeneath
{
    /// <summary>Opens one.</summary>
    /// <param name="directory">The directory that is not left.</param>
    /// <param name="path">Relative, without a leading slash; empty is the directory itself.</param>
    /// <param name="file">The file, which the caller closes; null unless it is a regular file.</param>
    /// <exception cref="LinuxException">The directory cannot be opened, or the kernel knows no openat2.</exception>
    public static unsafe FileBeneathKind Open(string directory, string path, out SafeFileHandle? file)
    {
        ArgumentNullException.ThrowIfNull(path);
        file = null;
        using LinuxFile root = LinuxFile.OpenDirectory(directory);
        // Not to wait for a named pipe's writer, nor to get a terminal.
        OpenHow how = new()
        {
            flags = FcntlH.O_RDONLY | FcntlH.O_CLOEXEC | FcntlH.O_NONBLOCK | FcntlH.O_NOCTTY,
            resolve = OpenAt2H.RESOLVE_BENEATH | OpenAt2H.RESOLVE_NO_MAGICLINKS,
        };
        int fd = LinuxHandle.Result(Native.OpenAt2(OpenAt2H.SYS_openat2, root, path.Length == 0 ? "." : path, &how, (nuint)sizeof(OpenHow)));
        if (fd == -Errno.ENOSYS) throw new LinuxException($"open a file in {directory}", Errno.ENOSYS, "needs Linux 5.6");
        if (fd < 0) return FileBeneathKind.None;
        var opened = new SafeFileHandle(fd, ownsHandle: true);
        StatX stat;
        int result = LinuxHandle.Result(Native.StatX(opened, "", FcntlH.AT_EMPTY_PATH, StatH.STATX_TYPE | StatH.STATX_MODE, &stat));
        bool forEverybody = result >= 0 && (stat.stx_mode & (int)UnixFileMode.OtherRead) != 0;
        FileBeneathKind kind = !forEverybody ? FileBeneathKind.None : (stat.stx_mode & FcntlH.S_IFMT) switch
        {
            FcntlH.S_IFREG => FileBeneathKind.File,
            FcntlH.S_IFDIR => FileBeneathKind.Directory,
            _ => FileBeneathKind.None,
        };
        if (kind == FileBeneathKind.File) file = opened;
        else opened.Dispose();
        return kind;
    }
}
