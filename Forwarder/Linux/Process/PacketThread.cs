using System.Runtime.InteropServices;
using PersonalVpn.Linux.Abi;

namespace PersonalVpn.Linux;

/// <summary>
/// A packet thread's place in the kernel's scheduler. A thread that hands packets on works for microseconds at a time; with the
/// ordinary slice (about 3 ms) it may have to wait for one of another thread's when it is woken. Since Linux 6.12 a thread may ask for
/// a shorter slice (kernel/sched/syscalls.c: sched_attr::sched_runtime of a SCHED_OTHER thread): it then runs sooner, for a shorter
/// time, and gets no more of the processor than before. No privilege is needed; an older kernel ignores it.
/// </summary>
public static unsafe class PacketThread
{
    /// <summary>The shortest slice the kernel grants.</summary>
    private const ulong SliceNanoseconds = 100_000;

    /// <summary>Creates a background thread for packets; the caller starts it.</summary>
    public static Thread Create(string name, ThreadStart body)
    {
        ArgumentNullException.ThrowIfNull(body);
        return new Thread(() =>
        {
            ShortenSlice();
            body();
        })
        { IsBackground = true, Name = name };
    }

    /// <summary>Asks for short slices for the calling thread. A refusal changes nothing but latency.</summary>
    public static void ShortenSlice()
    {
        // The C library has had no wrapper for these two before glibc 2.41.
        (nint set, nint get) = RuntimeInformation.ProcessArchitecture switch
        {
            Architecture.X64 => (314, 315),
            Architecture.Arm64 => (274, 275),
            _ => (-1, -1),
        };
        SchedAttr attr = default;
        if (get < 0 || Native.Syscall(get, 0, (nint)(&attr), sizeof(SchedAttr), 0) < 0) return;
        attr.sched_runtime = SliceNanoseconds;
        _ = Native.Syscall(set, 0, (nint)(&attr), 0, 0);
    }
}
