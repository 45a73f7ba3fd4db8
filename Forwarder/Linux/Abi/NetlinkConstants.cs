namespace PersonalVpn.Linux.Abi;

/// <summary>linux/netlink.h.</summary>
[CConstants("sys/socket.h", "linux/netlink.h")]
internal static class NetlinkH
{
    internal const int NETLINK_ROUTE = 0;
    internal const int NETLINK_SOCK_DIAG = 4;
    internal const int NETLINK_NETFILTER = 12;

    internal const int SOL_NETLINK = 270;
    internal const int NETLINK_EXT_ACK = 11;
    internal const int NETLINK_GET_STRICT_CHK = 12;

    internal const ushort NLMSG_NOOP = 1;
    internal const ushort NLMSG_ERROR = 2;
    internal const ushort NLMSG_DONE = 3;

    internal const ushort NLM_F_REQUEST = 0x1;
    internal const ushort NLM_F_MULTI = 0x2;
    internal const ushort NLM_F_ACK = 0x4;
    internal const ushort NLM_F_DUMP_INTR = 0x10;
    internal const ushort NLM_F_DUMP = 0x300;
    internal const ushort NLM_F_REPLACE = 0x100;
    internal const ushort NLM_F_EXCL = 0x200;
    internal const ushort NLM_F_CREATE = 0x400;
    internal const ushort NLM_F_APPEND = 0x800;
    internal const ushort NLM_F_CAPPED = 0x100;
    internal const ushort NLM_F_ACK_TLVS = 0x200;

    internal const ushort NLMSGERR_ATTR_MSG = 1;

    internal const ushort NLA_F_NESTED = 0x8000;
    [CExpression("(unsigned short)NLA_TYPE_MASK")]
    internal const ushort NLA_TYPE_MASK = 0x3fff;
}

/// <summary>linux/netfilter.h, linux/netfilter/nfnetlink.h and nfnetlink_queue.h.</summary>
[CConstants("netinet/in.h", "linux/netfilter.h", "linux/netfilter/nfnetlink.h", "linux/netfilter/nfnetlink_queue.h")]
internal static class NfQueueH
{
    internal const int NF_DROP = 0;
    internal const int NF_ACCEPT = 1;

    internal const byte NFNETLINK_V0 = 0;
    internal const int NFNL_SUBSYS_QUEUE = 3;

    internal const int NFQNL_MSG_PACKET = 0;
    internal const int NFQNL_MSG_VERDICT = 1;
    internal const int NFQNL_MSG_CONFIG = 2;
    internal const int NFQNL_MSG_VERDICT_BATCH = 3;

    internal const byte NFQNL_CFG_CMD_BIND = 1;
    internal const byte NFQNL_CFG_CMD_UNBIND = 2;
    internal const byte NFQNL_COPY_PACKET = 2;

    internal const ushort NFQA_PACKET_HDR = 1;
    internal const ushort NFQA_VERDICT_HDR = 2;
    internal const ushort NFQA_MARK = 3;
    internal const ushort NFQA_IFINDEX_INDEV = 5;
    internal const ushort NFQA_IFINDEX_OUTDEV = 6;
    internal const ushort NFQA_PAYLOAD = 10;
    internal const ushort NFQA_CAP_LEN = 13;
    internal const ushort NFQA_SKB_INFO = 14;
    internal const ushort NFQA_UID = 16;
    internal const ushort NFQA_GID = 17;

    internal const ushort NFQA_CFG_CMD = 1;
    internal const ushort NFQA_CFG_PARAMS = 2;
    internal const ushort NFQA_CFG_QUEUE_MAXLEN = 3;
    internal const ushort NFQA_CFG_MASK = 4;
    internal const ushort NFQA_CFG_FLAGS = 5;

    internal const uint NFQA_CFG_F_GSO = 4;
    internal const uint NFQA_CFG_F_UID_GID = 8;

    internal const uint NFQA_SKB_CSUMNOTREADY = 1;
    internal const uint NFQA_SKB_GSO = 2;
}

/// <summary>linux/netfilter/nf_tables.h.</summary>
[CConstants("netinet/in.h", "linux/netfilter/nfnetlink.h", "linux/netfilter/nf_tables.h")]
internal static class NfTablesH
{
    internal const int NFNL_SUBSYS_NFTABLES = 10;

    internal const int NFT_MSG_NEWGEN = 15;
    internal const int NFT_MSG_GETGEN = 16;

    internal const ushort NFTA_GEN_ID = 1;
}

/// <summary>linux/netfilter/nfnetlink_log.h.</summary>
[CConstants("netinet/in.h", "linux/netfilter/nfnetlink.h", "linux/netfilter/nfnetlink_log.h")]
internal static class NfLogH
{
    internal const int NFNL_SUBSYS_ULOG = 4;

    internal const int NFULNL_MSG_PACKET = 0;
    internal const int NFULNL_MSG_CONFIG = 1;

    internal const byte NFULNL_CFG_CMD_BIND = 1;
    internal const byte NFULNL_COPY_PACKET = 2;

    internal const ushort NFULA_IFINDEX_INDEV = 4;
    internal const ushort NFULA_IFINDEX_OUTDEV = 5;
    internal const ushort NFULA_PAYLOAD = 9;
    internal const ushort NFULA_UID = 11;

    internal const ushort NFULA_CFG_CMD = 1;
    internal const ushort NFULA_CFG_MODE = 2;
    internal const ushort NFULA_CFG_NLBUFSIZ = 3;
    internal const ushort NFULA_CFG_TIMEOUT = 4;
    internal const ushort NFULA_CFG_QTHRESH = 5;
}

/// <summary>linux/sock_diag.h and linux/inet_diag.h.</summary>
[CConstants("linux/sock_diag.h", "linux/inet_diag.h")]
internal static class SockDiagH
{
    internal const ushort SOCK_DIAG_BY_FAMILY = 20;
    internal const ushort SOCK_DESTROY = 21;
    internal const ushort INET_DIAG_INFO = 2;
    internal const ushort INET_DIAG_MARK = 15;
    internal const uint INET_DIAG_NOCOOKIE = 0xffffffff;
}

/// <summary>linux/rtnetlink.h: messages, route attributes, types, tables.</summary>
[CConstants("linux/rtnetlink.h")]
internal static class RtnetlinkH
{
    internal const uint RTMGRP_LINK = 0x1;
    internal const uint RTMGRP_IPV4_IFADDR = 0x10;
    internal const uint RTMGRP_IPV4_ROUTE = 0x40;
    internal const uint RTMGRP_IPV6_IFADDR = 0x100;
    internal const uint RTMGRP_IPV6_ROUTE = 0x400;

    internal const ushort RTM_NEWLINK = 16;
    internal const ushort RTM_DELLINK = 17;
    internal const ushort RTM_GETLINK = 18;
    internal const ushort RTM_NEWADDR = 20;
    internal const ushort RTM_DELADDR = 21;
    internal const ushort RTM_GETADDR = 22;
    internal const ushort RTM_NEWROUTE = 24;
    internal const ushort RTM_DELROUTE = 25;
    internal const ushort RTM_GETROUTE = 26;
    internal const ushort RTM_NEWRULE = 32;
    internal const ushort RTM_DELRULE = 33;
    internal const ushort RTM_GETRULE = 34;

    internal const ushort RTA_DST = 1;
    internal const ushort RTA_SRC = 2;
    internal const ushort RTA_OIF = 4;
    internal const ushort RTA_GATEWAY = 5;
    internal const ushort RTA_PRIORITY = 6;
    internal const ushort RTA_PREFSRC = 7;
    internal const ushort RTA_METRICS = 8;
    internal const ushort RTA_TABLE = 15;
    internal const ushort RTA_MARK = 16;
    internal const ushort RTA_UID = 25;

    internal const ushort RTAX_MTU = 2;
    internal const ushort RTAX_ADVMSS = 8;

    internal const byte RTN_UNSPEC = 0;
    internal const byte RTN_UNICAST = 1;
    internal const byte RTN_LOCAL = 2;
    internal const byte RTN_BROADCAST = 3;
    internal const byte RTN_MULTICAST = 5;
    internal const byte RTN_BLACKHOLE = 6;
    internal const byte RTN_UNREACHABLE = 7;
    internal const byte RTN_PROHIBIT = 8;
    internal const byte RTN_THROW = 9;

    internal const byte RT_SCOPE_UNIVERSE = 0;
    internal const byte RT_SCOPE_LINK = 253;
    internal const byte RT_SCOPE_HOST = 254;
    internal const byte RT_SCOPE_NOWHERE = 255;

    internal const byte RT_TABLE_UNSPEC = 0;
    internal const byte RT_TABLE_COMPAT = 252;
    internal const byte RT_TABLE_MAIN = 254;

    internal const uint RTM_F_CLONED = 0x200;
    internal const uint RTM_F_LOOKUP_TABLE = 0x1000;
}

/// <summary>linux/if_link.h, linux/if_addr.h and linux/if.h.</summary>
[CConstants("linux/if.h", "linux/if_link.h", "linux/if_addr.h")]
internal static class IfH
{
    internal const int IFNAMSIZ = 16;

    internal const ushort IFLA_ADDRESS = 1;
    internal const ushort IFLA_IFNAME = 3;
    internal const ushort IFLA_MTU = 4;
    internal const ushort IFLA_TXQLEN = 13;
    internal const ushort IFLA_LINKINFO = 18;
    internal const ushort IFLA_STATS64 = 23;
    internal const ushort IFLA_GROUP = 27;
    internal const ushort IFLA_EXT_MASK = 29;
    internal const ushort IFLA_INFO_KIND = 1;

    internal const ushort IFA_ADDRESS = 1;
    internal const ushort IFA_LOCAL = 2;
    internal const ushort IFA_FLAGS = 8;
    internal const uint IFA_F_NODAD = 0x2;
    internal const uint IFA_F_TENTATIVE = 0x40;
    internal const uint IFA_F_NOPREFIXROUTE = 0x200;

    internal const uint IFF_UP = 0x1;
    internal const uint IFF_LOOPBACK = 0x8;
    internal const uint IFF_POINTOPOINT = 0x10;
    internal const uint IFF_RUNNING = 0x40;
}

/// <summary>linux/fib_rules.h.</summary>
[CConstants("linux/fib_rules.h")]
internal static class FibRulesH
{
    internal const ushort FRA_DST = 1;
    internal const ushort FRA_SRC = 2;
    internal const ushort FRA_IIFNAME = 3;
    internal const ushort FRA_GOTO = 4;
    internal const ushort FRA_PRIORITY = 6;
    internal const ushort FRA_FWMARK = 10;
    internal const ushort FRA_SUPPRESS_PREFIXLEN = 14;
    internal const ushort FRA_TABLE = 15;
    internal const ushort FRA_FWMASK = 16;
    internal const ushort FRA_OIFNAME = 17;
    internal const ushort FRA_UID_RANGE = 20;
    internal const ushort FRA_PROTOCOL = 21;
    internal const ushort FRA_IP_PROTO = 22;

    internal const uint FIB_RULE_INVERT = 2;

    internal const byte FR_ACT_TO_TBL = 1;
    internal const byte FR_ACT_GOTO = 2;
    internal const byte FR_ACT_NOP = 3;
    internal const byte FR_ACT_BLACKHOLE = 6;
    internal const byte FR_ACT_UNREACHABLE = 7;
    internal const byte FR_ACT_PROHIBIT = 8;
}
