using System.Globalization;

namespace PersonalVpn.Linux;

/// <summary>Counters of one queue.</summary>
/// <param name="Queue">Its number.</param>
/// <param name="PortId">Netlink port of its holder.</param>
/// <param name="Waiting">Packets without verdict now.</param>
/// <param name="Dropped">Dropped because the queue was full (its maximum length).</param>
/// <param name="UserDropped">Dropped because the holder's socket buffer was full.</param>
/// <param name="LastId">Number of the last packet.</param>
public readonly record struct NfQueueCounters(int Queue, uint PortId, long Waiting, long Dropped, long UserDropped, uint LastId);

/// <summary>
/// Reads /proc/net/netfilter/nfnetlink_queue (seq_show in net/netfilter/nfnetlink_queue.c), one line per queue:
/// <code>
/// queue portid waiting copy_mode copy_range queue_dropped user_dropped id_sequence 1
/// </code>
/// of the calling thread's network namespace.
/// </summary>
public static class NfQueueStats
{
    private const string Path = "/proc/thread-self/net/netfilter/nfnetlink_queue";

    /// <summary>All queues; empty when the kernel has none.</summary>
    public static IReadOnlyList<NfQueueCounters> Read() => File.Exists(Path) ? Parse(File.ReadAllText(Path)) : [];

    /// <summary>One queue, or null when nobody holds it.</summary>
    public static NfQueueCounters? Read(ushort queue)
    {
        foreach (NfQueueCounters counters in Read())
            if (counters.Queue == queue) return counters;
        return null;
    }

    /// <summary>Parses the file's text; lines of another shape are left out.</summary>
    public static IReadOnlyList<NfQueueCounters> Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        List<NfQueueCounters> all = [];
        foreach (string line in text.Split('\n'))
        {
            string[] fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (fields.Length >= 8 && Number(fields[0], out long queue) && Number(fields[1], out long port)
                && Number(fields[2], out long waiting) && Number(fields[5], out long dropped)
                && Number(fields[6], out long userDropped) && Number(fields[7], out long id))
            {
                all.Add(new NfQueueCounters((int)queue, (uint)port, waiting, dropped, userDropped, (uint)id));
            }
        }

        return all;
    }

    internal static bool IsHeld(ushort queue) => Read(queue) is not null;

    private static bool Number(string text, out long value) =>
        long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value);
}
