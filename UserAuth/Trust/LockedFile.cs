using Mono.Unix.Native;

namespace PersonalVpn.UserAuth;

/// <summary>
/// Opens a file for changing under an exclusive flock (which is what FileShare.None is on Linux). Whoever waited while
/// the file was replaced by rename would hold the lock of a file that no longer has a name; it opens again.
/// </summary>
internal static class LockedFile
{
    private const int EWouldBlock = 11;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Opens and locks; the lock ends when the stream is disposed.</summary>
    /// <param name="path">File.</param>
    /// <param name="create">Whether a missing file is made, mode 0600.</param>
    /// <exception cref="IOException">Cannot be opened, or another process has held the lock for too long.</exception>
    /// <exception cref="UnauthorizedAccessException">May not be written.</exception>
    public static FileStream Open(string path, bool create)
    {
        var options = new FileStreamOptions
        {
            Mode = create ? FileMode.OpenOrCreate : FileMode.Open,
            Access = FileAccess.ReadWrite,
            Share = FileShare.None,
            BufferSize = 0,
        };
        if (create)
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }
        long deadline = Environment.TickCount64 + (long)Patience.TotalMilliseconds;
        while (true)
        {
            try
            {
                var file = new FileStream(path, options);
                if (IsStillNamed(file, path))
                {
                    return file;
                }
                file.Dispose();
            }
            catch (IOException e) when (e.HResult == EWouldBlock && Environment.TickCount64 < deadline)
            {
                Thread.Sleep(10);
            }
        }
    }

    private static bool IsStillNamed(FileStream file, string path) =>
        Syscall.fstat((int)file.SafeFileHandle.DangerousGetHandle(), out Stat open) == 0
        && Syscall.stat(path, out Stat named) == 0
        && open.st_ino == named.st_ino && open.st_dev == named.st_dev;
}
