using PersonalVpn.Linux;
using PersonalVpn.Packets;

namespace PersonalVpn.Daemon.Tunnels;

/// <summary>
/// Does somebody on this host want to reach an address that a server would give as an inner one? As a local address it would be lost
/// to them. What can be known is looked at: TCP connections that stand, and the host's name servers; PermitAddress is for the rest.
/// Only what the address itself has answered counts: a socket merely pointed at it (UDP, a SYN under way) proves nothing, and would
/// let one user forbid addresses to another.
/// </summary>
internal static class InnerAddressUse
{
    private const byte Established = 1; // include/net/tcp_states.h

    public static bool IsWanted(IpAddr address)
    {
        using var diag = new SockDiag();
        foreach (bool v6 in KernelState.HasIpv6 ? new[] { false, true } : [false])
            if (diag.Dump(IpProtocol.Tcp, v6).Exists(s => s.Owner.State == Established && s.Remote.Unmap() == address)) return true;
        return NameServers().Contains(address);
    }

    private static IEnumerable<IpAddr> NameServers()
    {
        string[] lines;
        try { lines = File.ReadAllLines("/etc/resolv.conf"); }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException) { yield break; }
        foreach (string line in lines)
            if (line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries) is ["nameserver", var text, ..] && IpAddr.TryParse(text, out IpAddr server)) yield return server;
    }
}
