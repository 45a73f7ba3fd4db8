using System.Text.Json;

namespace PersonalVpn.Daemon.Tunnels;

/// <summary>A tunnel's counters, added to from the queue and inbound threads without locks.</summary>
internal sealed class TunnelCounters
{
    private static readonly string[] Names = [.. Enum.GetNames<DropReason>().Select(JsonNamingPolicy.CamelCase.ConvertName)];
    private readonly long[] _dropped = new long[Names.Length];
    private long _bytesIn, _bytesOut, _packetsIn, _packetsOut;

    public long BytesIn => Interlocked.Read(ref _bytesIn);
    public long BytesOut => Interlocked.Read(ref _bytesOut);
    public long PacketsIn => Interlocked.Read(ref _packetsIn);
    public long PacketsOut => Interlocked.Read(ref _packetsOut);

    public void Sent(int bytes)
    {
        Interlocked.Add(ref _bytesOut, bytes);
        Interlocked.Increment(ref _packetsOut);
    }

    public void Received(int bytes)
    {
        Interlocked.Add(ref _bytesIn, bytes);
        Interlocked.Increment(ref _packetsIn);
    }

    public void Drop(DropReason reason) => Interlocked.Increment(ref _dropped[(int)reason]);

    public long Dropped(DropReason reason) => Interlocked.Read(ref _dropped[(int)reason]);

    /// <summary>Reasons that occurred, with their counts.</summary>
    public Dictionary<string, long> Drops()
    {
        var drops = new Dictionary<string, long>();
        for (int i = 1; i < _dropped.Length; i++)
            if (Interlocked.Read(ref _dropped[i]) is > 0 and long n) drops[Names[i]] = n;
        return drops;
    }
}
