namespace PersonalVpn.Linux.Abi;

/// <summary>sys/socket.h: families, types, options, flags.</summary>
[CConstants("sys/socket.h")]
internal static class SocketH
{
    internal const int AF_UNSPEC = 0;
    internal const int AF_UNIX = 1;
    internal const int AF_INET = 2;
    internal const int AF_INET6 = 10;
    internal const int AF_NETLINK = 16;

    internal const int SOCK_STREAM = 1;
    internal const int SOCK_DGRAM = 2;
    internal const int SOCK_RAW = 3;
    internal const int SOCK_SEQPACKET = 5;
    internal const int SOCK_NONBLOCK = 0x800;
    internal const int SOCK_CLOEXEC = 0x80000;

    internal const int SOL_SOCKET = 1;
    internal const int SO_REUSEADDR = 2;
    internal const int SO_TYPE = 3;
    internal const int SO_ERROR = 4;
    internal const int SO_SNDBUF = 7;
    internal const int SO_RCVBUF = 8;
    internal const int SO_KEEPALIVE = 9;
    internal const int SO_PEERCRED = 17;
    internal const int SO_BINDTODEVICE = 25;
    internal const int SO_ACCEPTCONN = 30;
    internal const int SO_SNDBUFFORCE = 32;
    internal const int SO_RCVBUFFORCE = 33;
    internal const int SO_MARK = 36;
    internal const int SO_PROTOCOL = 38;
    internal const int SO_DOMAIN = 39;

    internal const int SCM_RIGHTS = 1;

    internal const int MSG_PEEK = 0x2;
    internal const int MSG_CTRUNC = 0x8;
    internal const int MSG_TRUNC = 0x20;
    internal const int MSG_DONTWAIT = 0x40;
    internal const int MSG_NOSIGNAL = 0x4000;
    internal const int MSG_CMSG_CLOEXEC = 0x40000000;

    internal const int SHUT_RD = 0;
    internal const int SHUT_WR = 1;
    internal const int SHUT_RDWR = 2;

    internal const int SOMAXCONN = 4096;
}

/// <summary>netinet/in.h: protocols and IP-level options.</summary>
[CConstants("netinet/in.h")]
internal static class InH
{
    internal const int IPPROTO_IP = 0;
    internal const int IPPROTO_ICMP = 1;
    internal const int IPPROTO_TCP = 6;
    internal const int IPPROTO_UDP = 17;
    internal const int IPPROTO_IPV6 = 41;
    internal const int IPPROTO_ICMPV6 = 58;
    internal const int IPPROTO_UDPLITE = 136;
    internal const int IPPROTO_RAW = 255;

    internal const int IP_HDRINCL = 3;
    internal const int IP_FREEBIND = 15;
    internal const int IPV6_V6ONLY = 26;
    internal const int IPV6_HDRINCL = 36;
}

/// <summary>linux/tcp.h: TCP options and the fields of struct tcp_info that we read.</summary>
[CConstants("stddef.h", "linux/tcp.h")]
internal static class TcpH
{
    internal const int TCP_NODELAY = 1;
    internal const int TCP_KEEPIDLE = 4;
    internal const int TCP_KEEPINTVL = 5;
    internal const int TCP_KEEPCNT = 6;
    internal const int TCP_INFO = 11;
    internal const int TCP_CONGESTION = 13;
    internal const int TCP_USER_TIMEOUT = 18;
    internal const int TCP_NOTSENT_LOWAT = 25;

    [CExpression("offsetof(struct tcp_info, tcpi_state)")]
    internal const int TcpInfoState = 0;

    [CExpression("offsetof(struct tcp_info, tcpi_snd_mss)")]
    internal const int TcpInfoSndMss = 16;

    [CExpression("offsetof(struct tcp_info, tcpi_rcv_mss)")]
    internal const int TcpInfoRcvMss = 20;

    [CExpression("offsetof(struct tcp_info, tcpi_pmtu)")]
    internal const int TcpInfoPmtu = 60;

    [CExpression("offsetof(struct tcp_info, tcpi_rtt)")]
    internal const int TcpInfoRtt = 68;

    [CExpression("offsetof(struct tcp_info, tcpi_total_retrans)")]
    internal const int TcpInfoTotalRetrans = 100;
}

/// <summary>netinet/tcp.h: states of a TCP socket, as in tcp_info and sock_diag.</summary>
[CConstants("netinet/tcp.h")]
internal static class TcpStateH
{
    internal const int TCP_ESTABLISHED = 1;
    internal const int TCP_SYN_SENT = 2;
    internal const int TCP_SYN_RECV = 3;
    internal const int TCP_FIN_WAIT1 = 4;
    internal const int TCP_FIN_WAIT2 = 5;
    internal const int TCP_TIME_WAIT = 6;
    internal const int TCP_CLOSE = 7;
    internal const int TCP_CLOSE_WAIT = 8;
    internal const int TCP_LAST_ACK = 9;
    internal const int TCP_LISTEN = 10;
    internal const int TCP_CLOSING = 11;
}
