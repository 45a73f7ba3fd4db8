using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PersonalVpn.Linux.Abi;

namespace PersonalVpn.Linux;

/// <summary>Whose an open file is, and who may write it: asked of the descriptor, so that nobody can exchange the file in between.</summary>
/// <param name="Uid">The owner.</param>
/// <param name="Mode">Permission bits.</param>
public readonly record struct FileOwner(uint Uid, UnixFileMode Mode)
{
    /// <summary>The calling process's user.</summary>
    public static uint CurrentUid => Native.GetUid();

    /// <summary>True when the calling process's user may run this file (its mode, and that of the directories above, say so).</summary>
    /// <param name="path">The file.</param>
    public static bool CanRun(string path) => File.Exists(path) && Native.Access(path, UnistdH.X_OK) == 0;

    /// <summary>Asks the kernel.</summary>
    /// <param name="file">An open file.</param>
    /// <exception cref="LinuxException">statx failed.</exception>
    public static unsafe FileOwner Of(SafeFileHandle file)
    {
        StatX stat;
        if (Native.StatX(file, "", FcntlH.AT_EMPTY_PATH, StatH.STATX_MODE | StatH.STATX_UID, &stat) < 0)
            throw new LinuxException("statx", Marshal.GetLastPInvokeError());
        return new FileOwner(stat.stx_uid, (UnixFileMode)(stat.stx_mode & 0xfff));
    }

    /// <summary>True when nobody but this user and root can have written it: ssh's rule for a user's configuration.</summary>
    /// <param name="uid">The user.</param>
    public bool IsSafeFor(uint uid) => (Uid == uid || Uid == 0) && (Mode & (UnixFileMode.GroupWrite | UnixFileMode.OtherWrite)) == 0;
}
