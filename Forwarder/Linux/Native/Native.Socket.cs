using System.Runtime.InteropServices;
using PersonalVpn.Linux.Abi;

namespace PersonalVpn.Linux;

/// <summary>
/// The C library as it is: same arguments, -1 and errno. One group of calls per file. Callers turn errors into
/// <see cref="LinuxException"/> or negative errno; a SafeHandle goes in, so a descriptor cannot be closed under a call.
/// </summary>
internal static unsafe partial class Native
{
    private const string LibC = "libc";

    [LibraryImport(LibC, EntryPoint = "socket", SetLastError = true)]
    internal static partial int Socket(int domain, int type, int protocol);

    [LibraryImport(LibC, EntryPoint = "socketpair", SetLastError = true)]
    internal static partial int SocketPair(int domain, int type, int protocol, int* fds);

    [LibraryImport(LibC, EntryPoint = "bind", SetLastError = true)]
    internal static partial int Bind(SafeHandle socket, byte* address, uint length);

    [LibraryImport(LibC, EntryPoint = "connect", SetLastError = true)]
    internal static partial int Connect(SafeHandle socket, byte* address, uint length);

    [LibraryImport(LibC, EntryPoint = "listen", SetLastError = true)]
    internal static partial int Listen(SafeHandle socket, int backlog);

    [LibraryImport(LibC, EntryPoint = "accept4", SetLastError = true)]
    internal static partial int Accept4(SafeHandle socket, byte* address, uint* length, int flags);

    [LibraryImport(LibC, EntryPoint = "shutdown", SetLastError = true)]
    internal static partial int Shutdown(SafeHandle socket, int how);

    [LibraryImport(LibC, EntryPoint = "getsockname", SetLastError = true)]
    internal static partial int GetSockName(SafeHandle socket, byte* address, uint* length);

    [LibraryImport(LibC, EntryPoint = "getpeername", SetLastError = true)]
    internal static partial int GetPeerName(SafeHandle socket, byte* address, uint* length);

    [LibraryImport(LibC, EntryPoint = "setsockopt", SetLastError = true)]
    internal static partial int SetSockOpt(SafeHandle socket, int level, int name, byte* value, uint length);

    [LibraryImport(LibC, EntryPoint = "getsockopt", SetLastError = true)]
    internal static partial int GetSockOpt(SafeHandle socket, int level, int name, byte* value, uint* length);

    [LibraryImport(LibC, EntryPoint = "recv", SetLastError = true)]
    internal static partial nint Recv(SafeHandle socket, byte* buffer, nuint length, int flags);

    [LibraryImport(LibC, EntryPoint = "recvfrom", SetLastError = true)]
    internal static partial nint RecvFrom(SafeHandle socket, byte* buffer, nuint length, int flags, byte* address, uint* addressLength);

    [LibraryImport(LibC, EntryPoint = "send", SetLastError = true)]
    internal static partial nint Send(SafeHandle socket, byte* buffer, nuint length, int flags);

    [LibraryImport(LibC, EntryPoint = "sendto", SetLastError = true)]
    internal static partial nint SendTo(SafeHandle socket, byte* buffer, nuint length, int flags, byte* address, uint addressLength);

    [LibraryImport(LibC, EntryPoint = "sendmsg", SetLastError = true)]
    internal static partial nint SendMsg(SafeHandle socket, MsgHdr* message, int flags);

    [LibraryImport(LibC, EntryPoint = "recvmsg", SetLastError = true)]
    internal static partial nint RecvMsg(SafeHandle socket, MsgHdr* message, int flags);

    [LibraryImport(LibC, EntryPoint = "sendmmsg", SetLastError = true)]
    internal static partial int SendMMsg(SafeHandle socket, MMsgHdr* messages, uint count, int flags);

    [LibraryImport(LibC, EntryPoint = "recvmmsg", SetLastError = true)]
    internal static partial int RecvMMsg(SafeHandle socket, MMsgHdr* messages, uint count, int flags, void* timeout);
}
