namespace PersonalVpn.Linux.Abi;

/// <summary>linux/if_tun.h.</summary>
[CConstants("sys/ioctl.h", "linux/if_tun.h")]
internal static class TunH
{
    internal const uint TUNSETIFF = 0x400454ca;
    internal const uint TUNSETPERSIST = 0x400454cb;
    internal const uint TUNSETOWNER = 0x400454cc;
    internal const uint TUNSETOFFLOAD = 0x400454d0;
    internal const uint TUNGETIFF = 0x800454d2;
    internal const uint TUNSETVNETHDRSZ = 0x400454d8;

    internal const short IFF_TUN = 0x0001;
    internal const short IFF_MULTI_QUEUE = 0x0100;
    internal const short IFF_NO_PI = 0x1000;
    internal const short IFF_VNET_HDR = 0x4000;

    internal const uint TUN_F_CSUM = 0x01;
    internal const uint TUN_F_TSO4 = 0x02;
    internal const uint TUN_F_TSO6 = 0x04;
    internal const uint TUN_F_TSO_ECN = 0x08;
}
