using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace PersonalVpn.Cli.Connect.Dial;

/// <summary>
/// Name to addresses, for as long as the process lives. While a tunnel is closed its destinations are, and with <c>default</c> the name
/// server may be among them: then what the name stood for before is what there is.
/// </summary>
internal sealed class KnownAddresses
{
    // For an answer that the network is too broken to bring; the question goes on, and its answer counts next time.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<string, IPAddress[]> _known = new(StringComparer.OrdinalIgnoreCase);
    private readonly ConcurrentDictionary<string, Task<IPAddress[]>> _asking = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>The addresses of a name, new ones first.</summary>
    /// <exception cref="UserError">It has none, and had none.</exception>
    public IPAddress[] Resolve(string host)
    {
        if (IPAddress.TryParse(host, out IPAddress? literal)) return [literal];
        Task<IPAddress[]> asking = _asking.GetOrAdd(host, Ask);
        bool known = _known.TryGetValue(host, out IPAddress[]? before);
        try
        {
            if (known && !asking.Wait(Patience)) return before!;
            IPAddress[] now = asking.GetAwaiter().GetResult();
            _asking.TryRemove(host, out _);
            _known[host] = now;
            return [.. now.Concat(before ?? []).Distinct()];
        }
        catch (Exception e) when (e is SocketException or ArgumentException or AggregateException)
        {
            _asking.TryRemove(host, out _);
            return before ?? throw new UserError($"cannot resolve '{host}': check the name, or the host's DNS");
        }
    }

    // On a thread of its own: the resolver blocks.
    private static Task<IPAddress[]> Ask(string host) =>
        Task.Factory.StartNew(() => Dns.GetHostAddresses(host), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
}
