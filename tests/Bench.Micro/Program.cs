using BenchmarkDotNet.Running;
using PersonalVpn.Bench.Micro;

// make bench-micro: the pure parts of the packet path, nanoseconds and bytes allocated per packet.
BenchmarkSwitcher.FromTypes([typeof(PacketBenchmarks), typeof(LookupBenchmarks)]).Run(args.Length > 0 ? args : ["--filter", "*"]);
