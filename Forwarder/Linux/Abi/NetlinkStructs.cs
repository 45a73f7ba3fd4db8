using System.Runtime.InteropServices;

namespace PersonalVpn.Linux.Abi;

/// <summary>
/// Header of every netlink message (host byte order):
/// <code>
/// 0 nlmsg_len (4, with this header)   4 nlmsg_type (2)   6 nlmsg_flags (2)   8 nlmsg_seq (4)   12 nlmsg_pid (4)
/// </code>
/// </summary>
[CStruct("struct nlmsghdr", "linux/netlink.h")]
[StructLayout(LayoutKind.Sequential)]
internal struct NlMsgHdr
{
    internal const int Size = 16;

    internal uint nlmsg_len;
    internal ushort nlmsg_type;
    internal ushort nlmsg_flags;
    internal uint nlmsg_seq;
    internal uint nlmsg_pid;
}

/// <summary>Answer to a request: 0 or a negative errno, then the header of the request.</summary>
[CStruct("struct nlmsgerr", "linux/netlink.h")]
[StructLayout(LayoutKind.Sequential)]
internal struct NlMsgErr
{
    internal int error;
    internal NlMsgHdr msg;
}

/// <summary>Header of an attribute: length with this header but without padding, then type; the next one starts 4-aligned.</summary>
[CStruct("struct nlattr", "linux/netlink.h")]
[StructLayout(LayoutKind.Sequential)]
internal struct NlAttr
{
    internal const int Size = 4;

    internal ushort nla_len;
    internal ushort nla_type;
}

/// <summary>Second header of netfilter messages; res_id (the queue's number) in network order.</summary>
[CStruct("struct nfgenmsg", "linux/netfilter/nfnetlink.h")]
[StructLayout(LayoutKind.Sequential)]
internal struct NfGenMsg
{
    internal const int Size = 4;

    internal byte nfgen_family;
    internal byte version;
    internal ushort res_id;
}

/// <summary>NFQA_PACKET_HDR, packed; id and ethertype in network order.</summary>
[CStruct("struct nfqnl_msg_packet_hdr", "linux/netfilter/nfnetlink_queue.h")]
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct NfqPacketHdr
{
    internal uint packet_id;
    internal ushort hw_protocol;
    internal byte hook;
}

/// <summary>NFQA_VERDICT_HDR; both in network order.</summary>
[CStruct("struct nfqnl_msg_verdict_hdr", "linux/netfilter/nfnetlink_queue.h")]
[StructLayout(LayoutKind.Sequential)]
internal struct NfqVerdictHdr
{
    internal uint verdict;
    internal uint id;
}

/// <summary>NFQA_CFG_CMD; family in network order.</summary>
[CStruct("struct nfqnl_msg_config_cmd", "linux/netfilter/nfnetlink_queue.h")]
[StructLayout(LayoutKind.Sequential)]
internal struct NfqConfigCmd
{
    internal byte command;
    internal byte _pad;
    internal ushort pf;
}

/// <summary>NFQA_CFG_PARAMS, packed; range in network order.</summary>
[CStruct("struct nfqnl_msg_config_params", "linux/netfilter/nfnetlink_queue.h")]
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct NfqConfigParams
{
    internal uint copy_range;
    internal byte copy_mode;
}

/// <summary>NFULA_CFG_CMD.</summary>
[CStruct("struct nfulnl_msg_config_cmd", "linux/netfilter/nfnetlink_log.h")]
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct NfLogConfigCmd
{
    internal byte command;
}

/// <summary>NFULA_CFG_MODE, packed; range in network order.</summary>
[CStruct("struct nfulnl_msg_config_mode", "linux/netfilter/nfnetlink_log.h")]
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal struct NfLogConfigMode
{
    internal uint copy_range;
    internal byte copy_mode;
    internal byte _pad;
}

/// <summary>
/// A socket's identity; ports and addresses in network order (an IPv4 address in the first 4 bytes), the rest in host order:
/// <code>
/// 0 sport (2)   2 dport (2)   4 src (16)   20 dst (16)   36 if (4)   40 cookie (8)
/// </code>
/// </summary>
[CStruct("struct inet_diag_sockid", "linux/inet_diag.h")]
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct InetDiagSockId
{
    internal ushort idiag_sport;
    internal ushort idiag_dport;
    internal fixed byte idiag_src[16];
    internal fixed byte idiag_dst[16];
    internal uint idiag_if;
    internal fixed uint idiag_cookie[2];
}

/// <summary>Request of sock_diag.</summary>
[CStruct("struct inet_diag_req_v2", "linux/inet_diag.h")]
[StructLayout(LayoutKind.Sequential)]
internal struct InetDiagReq
{
    internal byte sdiag_family;
    internal byte sdiag_protocol;
    internal byte idiag_ext;
    internal byte pad;
    internal uint idiag_states;
    internal InetDiagSockId id;
}

/// <summary>Answer of sock_diag.</summary>
[CStruct("struct inet_diag_msg", "linux/inet_diag.h")]
[StructLayout(LayoutKind.Sequential)]
internal struct InetDiagMsg
{
    internal byte idiag_family;
    internal byte idiag_state;
    internal byte idiag_timer;
    internal byte idiag_retrans;
    internal InetDiagSockId id;
    internal uint idiag_expires;
    internal uint idiag_rqueue;
    internal uint idiag_wqueue;
    internal uint idiag_uid;
    internal uint idiag_inode;
}

/// <summary>Route message.</summary>
[CStruct("struct rtmsg", "linux/rtnetlink.h")]
[StructLayout(LayoutKind.Sequential)]
internal struct RtMsg
{
    internal byte rtm_family;
    internal byte rtm_dst_len;
    internal byte rtm_src_len;
    internal byte rtm_tos;
    internal byte rtm_table;
    internal byte rtm_protocol;
    internal byte rtm_scope;
    internal byte rtm_type;
    internal uint rtm_flags;
}

/// <summary>Link message.</summary>
[CStruct("struct ifinfomsg", "linux/rtnetlink.h")]
[StructLayout(LayoutKind.Sequential)]
internal struct IfInfoMsg
{
    internal byte ifi_family;
    internal byte __ifi_pad;
    internal ushort ifi_type;
    internal int ifi_index;
    internal uint ifi_flags;
    internal uint ifi_change;
}

/// <summary>Address message.</summary>
[CStruct("struct ifaddrmsg", "linux/if_addr.h")]
[StructLayout(LayoutKind.Sequential)]
internal struct IfAddrMsg
{
    internal byte ifa_family;
    internal byte ifa_prefixlen;
    internal byte ifa_flags;
    internal byte ifa_scope;
    internal uint ifa_index;
}

/// <summary>Policy routing rule message.</summary>
[CStruct("struct fib_rule_hdr", "linux/fib_rules.h")]
[StructLayout(LayoutKind.Sequential)]
internal struct FibRuleHdr
{
    internal byte family;
    internal byte dst_len;
    internal byte src_len;
    internal byte tos;
    internal byte table;
    internal byte res1;
    internal byte res2;
    internal byte action;
    internal uint flags;
}

/// <summary>FRA_UID_RANGE: both ends belong to it.</summary>
[CStruct("struct fib_rule_uid_range", "linux/fib_rules.h")]
[StructLayout(LayoutKind.Sequential)]
internal struct FibRuleUidRange
{
    internal uint start;
    internal uint end;
}
