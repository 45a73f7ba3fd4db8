using System.Diagnostics;
using System.Globalization;

namespace PersonalVpn.Tunnel.Diagnostics;

/// <summary>What a process has asked of the garbage collector, in one line for the log at its end: the packet path should ask nothing.</summary>
public static class MemoryReport
{
    /// <summary>Collections of the generations 0, 1 and 2 since the start, and the greatest resident memory in MB.</summary>
    public static string Line()
    {
        using var self = Process.GetCurrentProcess();
        return string.Create(CultureInfo.InvariantCulture,
            $"garbage collections of generations 0, 1, 2: {GC.CollectionCount(0) - GC.CollectionCount(1)}, {GC.CollectionCount(1) - GC.CollectionCount(2)}, {GC.CollectionCount(2)}; peak memory {self.PeakWorkingSet64 / 1e6:0} MB");
    }
}
