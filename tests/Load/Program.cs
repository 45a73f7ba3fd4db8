using System.Collections.Concurrent;
using System.Diagnostics;
using PersonalVpn.Linux;
using PersonalVpn.Load;
using PersonalVpn.Packets;
using PersonalVpn.UserAuth;

// pvpn-load [run] --server A:P --user U --key FILE --sessions N [--active K --kind tcp|udp --seconds S --probes N] [--pid SERVER] [--linger S]
// pvpn-load blast --to ADDRESS[,ADDRESS...] --seconds S [--rate PER_SECOND]       datagrams to inner addresses, from the inner network
var settings = new Settings(args.Length > 0 && !args[0].StartsWith('-') ? args[1..] : args);
if (args.Length > 0 && args[0] == "blast") return Blast.Run(settings);

if (!PrivateKeyFile.TryLoad(settings.Key, _ => null, out IUserIdentity? key, out string problem))
{
    Console.Error.WriteLine(problem);
    return 1;
}
var loops = Enumerable.Range(0, 2).Select(_ => new EventLoop()).ToArray();
for (int i = 0; i < loops.Length; i++) loops[i].Start($"load-{i}");
var sessions = new ConcurrentBag<LoadSession>();

// What the first sessions alone cost (code that is compiled, pools that fill) is no cost of a session.
for (int i = 0; i < 8; i++) (await LoadSession.OpenAsync(settings, key, loops[0])).Dispose();
await Task.Delay(500);
ServerUse before = ServerUse.Of(settings.Pid);
var watch = Stopwatch.StartNew();
var times = new ConcurrentBag<double>();
await Parallel.ForEachAsync(Enumerable.Range(0, settings.Sessions), new ParallelOptions { MaxDegreeOfParallelism = settings.Parallel }, async (i, cancel) =>
{
    long began = Stopwatch.GetTimestamp();
    LoadSession session = await LoadSession.OpenAsync(settings, key, loops[i % loops.Length]);
    times.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
    sessions.Add(session);
    _ = Task.Run(session.ReceiveAsync, cancel);
});
double took = watch.Elapsed.TotalSeconds;
await Task.Delay(3000);
ServerUse idle = ServerUse.Of(settings.Pid);
Console.WriteLine($"login: {sessions.Count} sessions in {took:0.00} s, each {Report.Quantiles(times)} ms, server cpu {idle.CpuSeconds - before.CpuSeconds:0.00} s");
if (settings.Pid != 0)
{
    Console.WriteLine($"memory: server PSS {before.PssKb} kB before, {idle.PssKb} kB idle: {(idle.PssKb - before.PssKb) * 1024.0 / sessions.Count:0} bytes per session (anonymous {(idle.AnonKb - before.AnonKb) * 1024.0 / sessions.Count:0})");
}

LoadSession[] all = [.. sessions];
IpAddr to = IpAddr.Parse(settings.To);
if (settings.Active > 0 || settings.Probes > 0)
{
    using var stop = new CancellationTokenSource();
    LoadSession[] active = all[..Math.Min(settings.Active, all.Length)];
    var sender = new Thread(() => Sender.Run(active, settings.Kind, to, stop.Token));
    if (active.Length > 0)
    {
        // What fills buffers on the way has not arrived: it is counted from when they are full.
        sender.Start();
        await Task.Delay(2000);
    }
    long[] filled = [.. active.Select(s => s.BytesSent)];
    ServerUse start = ServerUse.Of(settings.Pid);
    watch.Restart();
    Task probes = settings.Probes > 0 ? Probe.RunAsync(all[^1], settings, key, loops[0], to) : Task.CompletedTask;
    await Task.WhenAll(probes, Task.Delay(settings.Seconds * 1000));
    double seconds = watch.Elapsed.TotalSeconds;
    long[] bytes = [.. active.Select((s, i) => s.BytesSent - filled[i])];
    stop.Cancel();
    if (active.Length > 0) sender.Join();
    ServerUse end = ServerUse.Of(settings.Pid);
    if (active.Length > 0)
        Console.WriteLine($"upload {settings.Kind}: {active.Length} active, {bytes.Sum() * 8 / seconds / 1e6:0} Mbit/s; by session min {bytes.Min() * 8 / seconds / 1e6:0.0} max {bytes.Max() * 8 / seconds / 1e6:0.0}; server cpu {(end.CpuSeconds - start.CpuSeconds) / seconds * 100:0} %");
}
if (settings.Linger > 0)
{
    Console.WriteLine("addresses " + string.Join(',', all.Select(s => s.Address)));
    long packets = all.Sum(s => s.PacketsReceived);
    long[] each = [.. all.Select(s => s.PacketsReceived)];
    watch.Restart();
    await Task.Delay(settings.Linger * 1000);
    long[] got = [.. all.Select((s, i) => s.PacketsReceived - each[i])];
    Console.WriteLine($"download: {got.Sum() / watch.Elapsed.TotalSeconds:0} packets/s; by session min {got.Min()} max {got.Max()}");
}
ServerUse last = ServerUse.Of(settings.Pid);
if (settings.Pid != 0) Console.WriteLine($"memory: server PSS {last.PssKb} kB at the end");
foreach (LoadSession s in all) s.Dispose();
foreach (EventLoop l in loops) l.Dispose();
return 0;
