using BenchmarkDotNet.Attributes;
using PersonalVpn.Daemon.Flows;
using PersonalVpn.Packets;

namespace PersonalVpn.Bench.Micro;

/// <summary>Finding a flow.</summary>
[MemoryDiagnoser]
[ShortRunJob]
public class LookupBenchmarks
{
    private static readonly IpAddr Inner = IpAddr.Parse("10.77.0.2"), Host = IpAddr.Parse("10.99.2.2");
    private readonly FlowTable _flows = new();
    private long _now;
    private ushort _port;

    /// <summary>Flows in the table.</summary>
    [Params(10, 1000, 10000)]
    public int Flows { get; set; }

    /// <summary>Fills the table.</summary>
    [GlobalSetup]
    public void Setup()
    {
        for (ushort port = 1; port <= Flows; port++) _flows.Add(Key(port), _now);
    }

    [Benchmark]
    public bool FindFlow()
    {
        _port = (ushort)((_port % Flows) + 1);
        lock (_flows.Gate) return _flows.Find(Key(_port), ++_now) is not null;
    }

    private static FlowKey Key(ushort port) => new(17, Inner, port, Host, 53);
}
