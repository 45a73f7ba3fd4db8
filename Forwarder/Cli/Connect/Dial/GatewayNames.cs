using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace PersonalVpn.Cli.Connect.Dial;

/// <summary>
/// Addresses of gateways, remembered for the life of the process. The resolver's questions are the user's own packets: where the tunnel
/// carries the name server, too, they wait for the tunnel that waits for their answer. So a name that was resolved once is asked for
/// again with little patience, and what it was counts when no answer comes. Thread-safe.
/// </summary>
internal static class GatewayNames
{
    // A name server that answers does so in a moment; who has no other address waits as long as the resolver does.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private static readonly ConcurrentDictionary<string, IPAddress[]> s_known = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>The addresses of a name or a literal; at least one.</summary>
    /// <exception cref="UserError">It cannot be resolved, and never was.</exception>
    public static IPAddress[] Resolve(string host, Action<string> verbose) => Resolve(host, verbose, Dns.GetHostAddresses);

    internal static IPAddress[] Resolve(string host, Action<string> verbose, Func<string, IPAddress[]> lookUp)
    {
        if (IPAddress.TryParse(host, out IPAddress? literal)) return [literal];
        s_known.TryGetValue(host, out IPAddress[]? known);
        try
        {
            Task<IPAddress[]> answer = Task.Run(() => lookUp(host));
            if (known is null || answer.Wait(Patience))
            {
                IPAddress[] found = answer.GetAwaiter().GetResult();
                if (found.Length > 0) return s_known[host] = found;
            }
        }
        catch (Exception e) when (e is SocketException or ArgumentException or AggregateException { InnerException: SocketException or ArgumentException })
        {
            // Below: what it was before, or nothing.
        }
        if (known is null) throw new UserError($"cannot resolve '{host}': check the name, or the host's DNS");
        verbose($"no answer from the host's DNS about {host}; taking the address that it had");
        return known;
    }
}
