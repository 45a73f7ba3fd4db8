using System.Text.Json;

namespace PersonalVpn.Server.Sessions;

/// <summary>Why the server dropped a session's packet.</summary>
internal enum SessionDrop
{
    /// <summary>Not dropped.</summary>
    None,

    /// <summary>Not a well-formed packet, or metadata that contradicts it.</summary>
    Malformed,

    /// <summary>The source is not the session's address.</summary>
    WrongSource,

    /// <summary>A fragment: a client sends datagrams whole.</summary>
    Fragment,

    /// <summary>The destination is not permitted.</summary>
    NotPermitted,

    /// <summary>Longer than the path takes.</summary>
    TooBig,

    /// <summary>The kernel refused it.</summary>
    InjectFailed,

    /// <summary>The client does not take what is sent to it.</summary>
    ClientTooSlow,
}

/// <summary>A session's counters; any thread.</summary>
internal sealed class SessionCounters
{
    private static readonly string[] Names = [.. Enum.GetNames<SessionDrop>().Select(JsonNamingPolicy.CamelCase.ConvertName)];
    private readonly long[] _dropped = new long[Names.Length];
    private long _bytesIn, _bytesOut, _packetsIn, _packetsOut;

    public long BytesIn => Interlocked.Read(ref _bytesIn);
    public long BytesOut => Interlocked.Read(ref _bytesOut);
    public long PacketsIn => Interlocked.Read(ref _packetsIn);
    public long PacketsOut => Interlocked.Read(ref _packetsOut);

    /// <summary>A packet from the client was injected.</summary>
    public void Received(int bytes)
    {
        Interlocked.Add(ref _bytesIn, bytes);
        Interlocked.Increment(ref _packetsIn);
    }

    /// <summary>A packet was sent to the client.</summary>
    public void Sent(int bytes)
    {
        Interlocked.Add(ref _bytesOut, bytes);
        Interlocked.Increment(ref _packetsOut);
    }

    public void Drop(SessionDrop reason) => Interlocked.Increment(ref _dropped[(int)reason]);

    public Dictionary<string, long> Drops()
    {
        var drops = new Dictionary<string, long>();
        for (int i = 1; i < _dropped.Length; i++)
            if (Interlocked.Read(ref _dropped[i]) is > 0 and long n) drops[Names[i]] = n;
        return drops;
    }
}
