using System.Text.Json;

namespace PersonalVpn.Tunnel.Diagnostics;

/// <summary>
/// Bytes and packets of one tunnel or session, and what was dropped, by reason. Added to by any thread without a lock; superpackets
/// count as one packet.
/// </summary>
public abstract class PacketCounters
{
    private readonly string[] _reasons;
    private readonly long[] _dropped;
    private long _bytesIn, _bytesOut, _packetsIn, _packetsOut;

    /// <summary>Creates counters for reasons named as in an enumeration whose first member means "not dropped".</summary>
    protected PacketCounters(IReadOnlyList<string> reasons)
    {
        ArgumentNullException.ThrowIfNull(reasons);
        _reasons = [.. reasons.Select(JsonNamingPolicy.CamelCase.ConvertName)];
        _dropped = new long[_reasons.Length];
    }

    /// <summary>Bytes of IP packets that came.</summary>
    public long BytesIn => Interlocked.Read(ref _bytesIn);

    /// <summary>Bytes of IP packets that went.</summary>
    public long BytesOut => Interlocked.Read(ref _bytesOut);

    /// <summary>Packets that came.</summary>
    public long PacketsIn => Interlocked.Read(ref _packetsIn);

    /// <summary>Packets that went.</summary>
    public long PacketsOut => Interlocked.Read(ref _packetsOut);

    /// <summary>Counts a packet that went, or as many as are said.</summary>
    public void Sent(int bytes, int packets = 1)
    {
        Interlocked.Add(ref _bytesOut, bytes);
        Interlocked.Add(ref _packetsOut, packets);
    }

    /// <summary>Counts a packet that came, or several at once.</summary>
    /// <param name="bytes">Bytes of all of them.</param>
    /// <param name="packets">How many.</param>
    public void Received(int bytes, int packets = 1)
    {
        Interlocked.Add(ref _bytesIn, bytes);
        Interlocked.Add(ref _packetsIn, packets);
    }

    /// <summary>Reasons that occurred, in camelCase, with their counts.</summary>
    public Dictionary<string, long> Drops()
    {
        var drops = new Dictionary<string, long>();
        for (int i = 1; i < _dropped.Length; i++)
            if (Interlocked.Read(ref _dropped[i]) is > 0 and long n) drops[_reasons[i]] = n;
        return drops;
    }

    /// <summary>Counts a drop, or several at once, for the reason with this number.</summary>
    protected void CountDrop(int reason, int packets = 1) => Interlocked.Add(ref _dropped[reason], packets);

    /// <summary>Drops for the reason with this number.</summary>
    protected long DropsOf(int reason) => Interlocked.Read(ref _dropped[reason]);
}
