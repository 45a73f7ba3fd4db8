using System.ComponentModel;
using Microsoft.Win32.SafeHandles;
using Mono.Unix.Native;

namespace PersonalVpn.UserAuth;

/// <summary>
/// A regular file opened for reading together with what the kernel says about exactly this open file: no second look
/// at a path that may meanwhile mean another file. FIFOs and devices are refused without blocking on them.
/// </summary>
internal sealed class CheckedFile : IDisposable
{
    private readonly SafeFileHandle _handle;
    private readonly Stat _stat;
    private readonly string _path;

    private CheckedFile(SafeFileHandle handle, in Stat stat, string path)
    {
        _handle = handle;
        _stat = stat;
        _path = path;
    }

    /// <summary>Numeric owner.</summary>
    public uint OwnerUid => _stat.st_uid;

    /// <summary>The nine permission bits.</summary>
    public uint PermissionBits => (uint)_stat.st_mode & 0x1FF;

    /// <summary>The effective user of this process.</summary>
    public static uint CurrentUid => Syscall.geteuid();

    /// <summary>Opens a file; symbolic links are followed, as ssh does.</summary>
    /// <param name="path">Path.</param>
    /// <param name="file">The open file; dispose it.</param>
    /// <param name="missing">True when there is no such file.</param>
    /// <param name="error">One line that says what is wrong.</param>
    public static bool TryOpen(string path, out CheckedFile? file, out bool missing, out string error)
    {
        file = null;
        missing = false;
        // O_NONBLOCK: opening a FIFO that somebody put here must not hang us.
        int fd = Syscall.open(path, OpenFlags.O_RDONLY | OpenFlags.O_CLOEXEC | OpenFlags.O_NONBLOCK | OpenFlags.O_NOCTTY);
        if (fd < 0)
        {
            Errno errno = Stdlib.GetLastError();
            missing = errno is Errno.ENOENT or Errno.ENOTDIR;
            error = $"cannot read '{path}': {ErrorText(errno)}";
            return false;
        }
        var handle = new SafeFileHandle(fd, ownsHandle: true);
        if (Syscall.fstat(fd, out Stat stat) != 0)
        {
            error = $"cannot read '{path}': {ErrorText(Stdlib.GetLastError())}";
            handle.Dispose();
            return false;
        }
        if ((stat.st_mode & FilePermissions.S_IFMT) != FilePermissions.S_IFREG)
        {
            error = $"'{path}' is not a regular file";
            handle.Dispose();
            return false;
        }
        file = new CheckedFile(handle, stat, path);
        error = "";
        return true;
    }

    /// <summary>
    /// As sshd's StrictModes: the file and every directory above it (the real ones, links resolved) up to the user's home, or to the
    /// root where the file is not below that, belong to root or <paramref name="trustedUid"/>, and nobody else may write to them.
    /// </summary>
    /// <remarks>
    /// One directory is taken that sshd refuses: a sticky one of root's (/tmp). Nobody but an entry's owner can replace the entry
    /// there, and that owner is looked at, too.
    /// </remarks>
    /// <param name="trustedUid">Owner accepted beside root.</param>
    /// <param name="home">Home directory that ends the way up, or null.</param>
    /// <param name="error">One line that says what is wrong and what to do.</param>
    public bool IsOnlyWritableByOwner(uint trustedUid, string? home, out string error)
    {
        if (!IsTrusted(_path, _stat, trustedUid, out error))
        {
            return false;
        }
        string real = File.ResolveLinkTarget($"/proc/self/fd/{_handle.DangerousGetHandle()}", false)?.FullName ?? Path.GetFullPath(_path);
        Stat homeStat = default;
        bool hasHome = home is not null && Syscall.stat(home, out homeStat) == 0;
        for (string? directory = Path.GetDirectoryName(real); directory is not null; directory = Path.GetDirectoryName(directory))
        {
            if (Syscall.stat(directory, out Stat stat) != 0)
            {
                error = $"cannot look at directory '{directory}': {ErrorText(Stdlib.GetLastError())}";
                return false;
            }
            bool sticky = stat.st_uid == 0 && (stat.st_mode & FilePermissions.S_ISVTX) != 0;
            if (!sticky && !IsTrusted(directory, stat, trustedUid, out error))
            {
                return false;
            }
            if (hasHome && stat.st_ino == homeStat.st_ino && stat.st_dev == homeStat.st_dev)
            {
                break;
            }
        }
        error = "";
        return true;
    }

    /// <summary>Reads everything; the caller owns (and, for secrets, wipes) the array.</summary>
    /// <param name="maximumBytes">Larger files are refused.</param>
    /// <param name="content">The bytes.</param>
    /// <param name="error">One line that says what is wrong.</param>
    public bool TryReadAll(int maximumBytes, out byte[] content, out string error)
    {
        content = [];
        if (_stat.st_size > maximumBytes)
        {
            error = $"'{_path}' is larger than {maximumBytes} bytes";
            return false;
        }
        byte[] buffer = GC.AllocateUninitializedArray<byte>((int)_stat.st_size);
        try
        {
            int done = 0;
            while (done < buffer.Length)
            {
                int n = RandomAccess.Read(_handle, buffer.AsSpan(done), done);
                if (n == 0)
                {
                    break;
                }
                done += n;
            }
            content = done == buffer.Length ? buffer : buffer[..done];
            error = "";
            return true;
        }
        catch (IOException e)
        {
            error = $"cannot read '{_path}': {PublicKey.OneLine(e)}";
            return false;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _handle.Dispose();

    private static bool IsTrusted(string path, in Stat stat, uint trustedUid, out string error)
    {
        if (stat.st_uid != 0 && stat.st_uid != trustedUid)
        {
            error = $"'{path}' belongs to uid {stat.st_uid}: it must belong to root or uid {trustedUid} (chown it)";
            return false;
        }
        if (((uint)stat.st_mode & 0x12) != 0) // 022: group or others may write
        {
            error = $"'{path}' is writable by group or others: run: chmod go-w '{path}'";
            return false;
        }
        error = "";
        return true;
    }

    private static string ErrorText(Errno errno) =>
        NativeConvert.TryFromErrno(errno, out int number) ? new Win32Exception(number).Message : errno.ToString();
}
