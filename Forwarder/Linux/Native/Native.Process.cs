using System.Runtime.InteropServices;
using PersonalVpn.Linux.Abi;

namespace PersonalVpn.Linux;

/// <content>Capabilities, namespaces, users. All of these except the uid calls act on the calling thread alone.</content>
internal static unsafe partial class Native
{
    [LibraryImport(LibC, EntryPoint = "setns", SetLastError = true)]
    internal static partial int SetNs(SafeHandle ns, int type);

    [LibraryImport(LibC, EntryPoint = "prctl", SetLastError = true)]
    internal static partial int Prctl(int option, nuint arg2, nuint arg3, nuint arg4, nuint arg5);

    [LibraryImport(LibC, EntryPoint = "capget", SetLastError = true)]
    internal static partial int CapGet(CapHeader* header, CapData* data);

    [LibraryImport(LibC, EntryPoint = "capset", SetLastError = true)]
    internal static partial int CapSet(CapHeader* header, CapData* data);

    [LibraryImport(LibC, EntryPoint = "geteuid")]
    internal static partial uint GetEUid();

    [LibraryImport(LibC, EntryPoint = "getuid")]
    internal static partial uint GetUid();
}
