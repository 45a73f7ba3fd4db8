using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using PersonalVpn.Packets;
using PersonalVpn.Server.Sessions;
using PersonalVpn.Tunnel.Protocol;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Server.Relay;

/// <summary>
/// Where a user's chained connections may go: what AllowRelay names, narrowed by the key's <c>relay=</c>, nothing by default. Never
/// this machine itself, nor what only it can reach: loopback and link-local (where clouds keep their metadata), multicast, unspecified.
/// The name is resolved here, and the addresses that passed are the ones that are connected to: there is no second look-up that could
/// say something else.
/// </summary>
internal sealed class RelayPolicy(IReadOnlyList<RelayRule> allowed, IReadOnlyList<RelayTarget>? ofKey, bool never)
{
    /// <summary>The addresses to connect to.</summary>
    /// <exception cref="SessionRefusedException">There is none that is permitted.</exception>
    public async Task<IReadOnlyList<IPEndPoint>> ResolveAsync(string user, string host, ushort port, CancellationToken cancel)
    {
        string name = host.TrimEnd('.');
        bool byName = IsNamed(name, port);
        // Who may not go anywhere shall not learn by our resolver what names there are.
        if (never || (!byName && !allowed.Any(r => r.Host is null && r.Port == port))) throw Refused(user, host, port);
        if (!KeyAllows(name, port)) throw Refused(user, host, port);

        IPAddress[] found;
        try { found = IPAddress.TryParse(name, out IPAddress? literal) ? [literal] : await LookUpAsync(name, cancel).ConfigureAwait(false); }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            throw byName ? new SessionRefusedException(CloseReason.Unreachable, $"this gateway cannot resolve '{name}'") : Refused(user, host, port);
        }
        HashSet<IPAddress> own = [.. NetworkInterface.GetAllNetworkInterfaces().SelectMany(i => i.GetIPProperties().UnicastAddresses).Select(a => Plain(a.Address))];
        List<IPEndPoint> permitted = [.. found.Select(Plain).Where(a => !IsNear(IpAddr.From(a)) && !own.Contains(a) && (byName || ByNetwork(IpAddr.From(a), port))).Distinct().Select(a => new IPEndPoint(a, port))];
        return permitted.Count > 0 ? permitted : throw Refused(user, host, port);
    }

    /// <summary>May the user go to the server that is registered under a name? The name must be named; no CIDR block means it.</summary>
    /// <exception cref="SessionRefusedException">No.</exception>
    public void CheckRegistered(string user, string name, ushort port)
    {
        if (never || !IsNamed(name, port) || !KeyAllows(name, port)) throw Refused(user, name, port);
    }

    private bool IsNamed(string name, ushort port) => allowed.Any(r => r.Host is { } h && r.Port == port && h.Equals(name, StringComparison.OrdinalIgnoreCase));

    private bool KeyAllows(string name, ushort port) => ofKey is null || ofKey.Any(t => t.Port == port && SameHost(t.Host, name));

    private static SessionRefusedException Refused(string user, string host, ushort port) =>
        new(CloseReason.NotPermitted, $"relaying to {host} port {port} is not permitted for user {user}; the administrator of this gateway can (AllowRelay, relay=)");

    // On a thread of its own: the resolver blocks, and a domain can be made to answer as slowly as its owner likes.
    private static Task<IPAddress[]> LookUpAsync(string name, CancellationToken cancel) =>
        Task.Factory.StartNew(() => Dns.GetHostAddresses(name), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).WaitAsync(cancel);

    private bool ByNetwork(IpAddr address, ushort port) => allowed.Any(r => r.Host is null && r.Port == port && r.Network.Contains(address));

    private static bool IsNear(IpAddr a) => a.IsLoopback || a.IsLinkLocal || a.IsMulticast || a.IsUnspecified || a == IpAddr.FromV4(uint.MaxValue) || (!a.IsV6 && a.V4 >> 24 == 0);

    private static bool SameHost(string a, string b) =>
        a.Equals(b, StringComparison.OrdinalIgnoreCase) || (IPAddress.TryParse(a, out IPAddress? x) && IPAddress.TryParse(b, out IPAddress? y) && x.Equals(y));

    // A mapped IPv4 address is that IPv4 address; a scope (fe80::1%eth0) is no part of what is compared.
    private static IPAddress Plain(IPAddress a) => a.IsIPv4MappedToIPv6 ? a.MapToIPv4() : a.AddressFamily == AddressFamily.InterNetworkV6 ? new IPAddress(a.GetAddressBytes()) : a;
}
