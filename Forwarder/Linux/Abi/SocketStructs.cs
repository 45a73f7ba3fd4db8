using System.Runtime.InteropServices;

namespace PersonalVpn.Linux.Abi;

/// <summary>One piece of a gathered or scattered transfer.</summary>
[CStruct("struct iovec", "sys/uio.h")]
[StructLayout(LayoutKind.Sequential)]
internal struct IoVec
{
    internal nint iov_base;
    internal nuint iov_len;
}

/// <summary>
/// Argument of sendmsg and recvmsg:
/// <code>
/// 0  msg_name*      8  msg_namelen (4, +4 padding)   16 msg_iov*   24 msg_iovlen
/// 32 msg_control*   40 msg_controllen                48 msg_flags (4, +4 padding)
/// </code>
/// </summary>
[CStruct("struct msghdr", "sys/socket.h")]
[StructLayout(LayoutKind.Sequential)]
internal struct MsgHdr
{
    internal nint msg_name;
    internal uint msg_namelen;
    internal nint msg_iov;
    internal nuint msg_iovlen;
    internal nint msg_control;
    internal nuint msg_controllen;
    internal int msg_flags;
}

/// <summary>One message of sendmmsg and recvmmsg; msg_len is the kernel's answer.</summary>
[CStruct("struct mmsghdr", "sys/socket.h")]
[StructLayout(LayoutKind.Sequential)]
internal struct MMsgHdr
{
    internal MsgHdr msg_hdr;
    internal uint msg_len;
}

/// <summary>Header of one piece of ancillary data; data follows at once (16 is a multiple of 8), the next one 8-aligned.</summary>
[CStruct("struct cmsghdr", "sys/socket.h")]
[StructLayout(LayoutKind.Sequential)]
internal struct CMsgHdr
{
    internal nuint cmsg_len;
    internal int cmsg_level;
    internal int cmsg_type;
}

/// <summary>Answer of SO_PEERCRED: who called connect(), as of that moment.</summary>
[CStruct("struct ucred", "sys/socket.h")]
[StructLayout(LayoutKind.Sequential)]
internal struct UCred
{
    internal int pid;
    internal uint uid;
    internal uint gid;
}

/// <summary>Argument of SO_LINGER; seconds.</summary>
[CStruct("struct linger", "sys/socket.h")]
[StructLayout(LayoutKind.Sequential)]
internal struct Linger
{
    internal int l_onoff;
    internal int l_linger;
}

/// <summary>IPv4 socket address; port and address in network order.</summary>
[CStruct("struct sockaddr_in", "netinet/in.h")]
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct SockAddrIn
{
    internal ushort sin_family;
    internal ushort sin_port;
    internal fixed byte sin_addr[4];
    internal fixed byte sin_zero[8];
}

/// <summary>IPv6 socket address; port, flow label and address in network order, the scope (an interface index) in host order.</summary>
[CStruct("struct sockaddr_in6", "netinet/in.h")]
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct SockAddrIn6
{
    internal ushort sin6_family;
    internal ushort sin6_port;
    internal uint sin6_flowinfo;
    internal fixed byte sin6_addr[16];
    internal uint sin6_scope_id;
}

/// <summary>Unix-domain socket address; a path that starts with NUL is in the abstract namespace.</summary>
[CStruct("struct sockaddr_un", "sys/un.h")]
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct SockAddrUn
{
    internal const int PathBytes = 108;

    internal ushort sun_family;
    internal fixed byte sun_path[PathBytes];
}

/// <summary>Netlink address; port id 0 is the kernel.</summary>
[CStruct("struct sockaddr_nl", "linux/netlink.h")]
[StructLayout(LayoutKind.Sequential)]
internal struct SockAddrNl
{
    internal ushort nl_family;
    internal ushort nl_pad;
    internal uint nl_pid;
    internal uint nl_groups;
}

/// <summary>Argument of poll.</summary>
[CStruct("struct pollfd", "poll.h")]
[StructLayout(LayoutKind.Sequential)]
internal struct PollFd
{
    internal int fd;
    internal short events;
    internal short revents;
}

[CStruct("struct winsize", "sys/ioctl.h")]
[StructLayout(LayoutKind.Sequential)]
internal struct WinSize
{
    internal ushort ws_row;
    internal ushort ws_col;
    internal ushort ws_xpixel;
    internal ushort ws_ypixel;
}

/// <summary>The head of statx's answer; the same on every architecture, as fstat's is not.</summary>
[CStruct("struct statx", "linux/stat.h")]
[StructLayout(LayoutKind.Sequential, Size = 256)]
internal struct StatX
{
    internal uint stx_mask;
    internal uint stx_blksize;
    internal ulong stx_attributes;
    internal uint stx_nlink;
    internal uint stx_uid;
    internal uint stx_gid;
    internal ushort stx_mode;

    [CField("")]
    internal ushort padding;
    internal ulong stx_ino;
}
