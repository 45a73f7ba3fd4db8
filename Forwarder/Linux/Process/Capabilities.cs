using System.Numerics;
using PersonalVpn.Linux.Abi;

namespace PersonalVpn.Linux;

/// <summary>The capabilities this project speaks of (capabilities(7), linux/capability.h).</summary>
public enum Capability
{
    /// <summary>CAP_NET_BIND_SERVICE: ports below 1024.</summary>
    NetBindService = 10,

    /// <summary>CAP_NET_ADMIN: routes, rules, queues, TUN, marks.</summary>
    NetAdmin = 12,

    /// <summary>CAP_NET_RAW: raw sockets.</summary>
    NetRaw = 13,

    /// <summary>CAP_SYS_ADMIN: nearly anything.</summary>
    SysAdmin = 21,
}

/// <summary>
/// Capabilities of the calling thread. The kernel keeps them per thread, and threads inherit them when they are created: drop them
/// first thing in Main and remember that the runtime's own threads (finalizer, signals) already exist. Users who want every
/// thread bounded let systemd do it (CapabilityBoundingSet=, NoNewPrivileges=).
/// </summary>
public static unsafe class Capabilities
{
    private const int LastKnown = 63;

    /// <summary>True when the calling thread can use a capability now.</summary>
    /// <exception cref="LinuxException">capget failed.</exception>
    public static bool HasEffective(Capability capability) => (Get().Effective & Bit(capability)) != 0;

    /// <summary>Effective and permitted capabilities of the calling thread, one bit each.</summary>
    /// <exception cref="LinuxException">capget failed.</exception>
    public static (ulong Effective, ulong Permitted) Get()
    {
        CapHeader header = new() { version = PrctlH._LINUX_CAPABILITY_VERSION_3 };
        CapData* data = stackalloc CapData[2];
        LinuxHandle.Check(Native.CapGet(&header, data), "capget");
        return (data[0].effective | ((ulong)data[1].effective << 32), data[0].permitted | ((ulong)data[1].permitted << 32));
    }

    /// <summary>
    /// Keeps only the given capabilities that the thread has (effective, permitted), none inheritable or ambient, and takes the others
    /// out of the bounding set where CAP_SETPCAP allows it. Cannot be undone.
    /// </summary>
    /// <exception cref="LinuxException">capset failed.</exception>
    public static void KeepOnly(params ReadOnlySpan<Capability> keep)
    {
        ulong mask = 0;
        foreach (Capability capability in keep) mask |= Bit(capability);
        LinuxHandle.Check(Native.Prctl(PrctlH.PR_CAP_AMBIENT, PrctlH.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "clear ambient capabilities");
        for (int i = 0; i <= LastKnown; i++)
        {
            if ((mask & (1UL << i)) != 0 || Native.Prctl(PrctlH.PR_CAPBSET_READ, (nuint)i, 0, 0, 0) != 1) continue;
            if (Native.Prctl(PrctlH.PR_CAPBSET_DROP, (nuint)i, 0, 0, 0) < 0) break; // EPERM: not ours to narrow; the sets below count
        }

        ulong left = Get().Permitted & mask;
        CapHeader header = new() { version = PrctlH._LINUX_CAPABILITY_VERSION_3 };
        CapData* data = stackalloc CapData[2];
        data[0] = new CapData { effective = (uint)left, permitted = (uint)left };
        data[1] = new CapData { effective = (uint)(left >> 32), permitted = (uint)(left >> 32) };
        LinuxHandle.Check(Native.CapSet(&header, data), "capset");
    }

    /// <summary>No program started from this thread on can gain privileges (PR_SET_NO_NEW_PRIVS).</summary>
    /// <exception cref="LinuxException">prctl failed.</exception>
    public static void SetNoNewPrivs() => LinuxHandle.Check(Native.Prctl(PrctlH.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "set no_new_privs");

    /// <summary>Keeps other processes of the same user from reading this one's memory (keys), and core dumps away (PR_SET_DUMPABLE 0).</summary>
    /// <exception cref="LinuxException">prctl failed.</exception>
    public static void SetNotDumpable() => LinuxHandle.Check(Native.Prctl(PrctlH.PR_SET_DUMPABLE, 0, 0, 0, 0), "clear dumpable");

    /// <summary>Real user id of this process.</summary>
    public static uint Uid => Native.GetUid();

    /// <summary>Effective user id of this process.</summary>
    public static uint EffectiveUid => Native.GetEUid();

    private static ulong Bit(Capability capability) => BitOperations.RotateLeft(1UL, (int)capability);
}
