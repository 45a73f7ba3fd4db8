using System.Runtime.InteropServices;

namespace PersonalVpn.Linux.Abi;

/// <summary>Argument of the TUN ioctls; only the name and the flags of the union are used.</summary>
[CStruct("struct ifreq", "linux/if.h")]
[StructLayout(LayoutKind.Sequential, Size = 40)]
internal unsafe struct IfReq
{
    internal fixed byte ifr_name[16];
    internal short ifr_flags;
}

/// <summary>Head of capget/capset.</summary>
[CStruct("struct __user_cap_header_struct", "linux/capability.h")]
[StructLayout(LayoutKind.Sequential)]
internal struct CapHeader
{
    internal uint version;
    internal int pid;
}

/// <summary>One half (32 capabilities) of capget/capset's sets.</summary>
[CStruct("struct __user_cap_data_struct", "linux/capability.h")]
[StructLayout(LayoutKind.Sequential)]
internal struct CapData
{
    internal uint effective;
    internal uint permitted;
    internal uint inheritable;
}
