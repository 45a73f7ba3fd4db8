using System.Runtime.InteropServices;
using PersonalVpn.Linux.Abi;

namespace PersonalVpn.Linux;

/// <content>Terminals (termios(3)).</content>
internal static unsafe partial class Native
{
    [LibraryImport(LibC, EntryPoint = "tcgetattr", SetLastError = true)]
    internal static partial int TcGetAttr(SafeHandle file, Termios* modes);

    [LibraryImport(LibC, EntryPoint = "tcsetattr", SetLastError = true)]
    internal static partial int TcSetAttr(SafeHandle file, int when, Termios* modes);
}
