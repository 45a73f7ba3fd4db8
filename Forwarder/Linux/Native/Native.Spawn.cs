using System.Runtime.InteropServices;

namespace PersonalVpn.Linux;

/// <content>Children (posix_spawn), and descriptors of other processes (pidfd). The posix_ functions return the error number itself.</content>
internal static unsafe partial class Native
{
    [LibraryImport(LibC, EntryPoint = "posix_spawn")]
    internal static partial int PosixSpawn(int* pid, byte* path, byte* fileActions, byte* attributes, byte** arguments, byte** environment);

    [LibraryImport(LibC, EntryPoint = "posix_spawn_file_actions_init")]
    internal static partial int FileActionsInit(byte* actions);

    [LibraryImport(LibC, EntryPoint = "posix_spawn_file_actions_adddup2")]
    internal static partial int FileActionsDup2(byte* actions, int fd, int newFd);

    [LibraryImport(LibC, EntryPoint = "posix_spawn_file_actions_destroy")]
    internal static partial int FileActionsDestroy(byte* actions);

    [LibraryImport(LibC, EntryPoint = "posix_spawnattr_init")]
    internal static partial int SpawnAttrInit(byte* attributes);

    [LibraryImport(LibC, EntryPoint = "posix_spawnattr_setflags")]
    internal static partial int SpawnAttrSetFlags(byte* attributes, short flags);

    [LibraryImport(LibC, EntryPoint = "posix_spawnattr_setsigmask")]
    internal static partial int SpawnAttrSetSigMask(byte* attributes, byte* set);

    [LibraryImport(LibC, EntryPoint = "posix_spawnattr_setsigdefault")]
    internal static partial int SpawnAttrSetSigDefault(byte* attributes, byte* set);

    [LibraryImport(LibC, EntryPoint = "posix_spawnattr_destroy")]
    internal static partial int SpawnAttrDestroy(byte* attributes);

    [LibraryImport(LibC, EntryPoint = "sigemptyset")]
    internal static partial int SigEmptySet(byte* set);

    [LibraryImport(LibC, EntryPoint = "sigaddset")]
    internal static partial int SigAddSet(byte* set, int signal);

    [LibraryImport(LibC, EntryPoint = "waitpid", SetLastError = true)]
    internal static partial int WaitPid(int pid, int* status, int options);

    [LibraryImport(LibC, EntryPoint = "kill", SetLastError = true)]
    internal static partial int Kill(int pid, int signal);

    [LibraryImport(LibC, EntryPoint = "syscall", SetLastError = true)]
    internal static partial nint Syscall(nint number, nint first, nint second, nint third);
}
