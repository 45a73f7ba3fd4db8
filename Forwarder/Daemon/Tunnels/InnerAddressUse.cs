using PersonalVpn.Linux;
using PersonalVpn.Packets;

namespace PersonalVpn.Daemon.Tunnels;

/// <summary>
/// Does somebody on this host want to reach an address that a server would give as an inner one? As a local address it would be lost
/// to them. What can be known is looked at: connections there are now, and the host's name servers; PermitAddress is for the rest.
/// </summary>
internal static class InnerAddressUse
{
    public static bool IsWanted(IpAddr address)
    {
        using var diag = new SockDiag();
        foreach (byte protocol in new[] { IpProtocol.Tcp, IpProtocol.Udp })
            foreach (bool v6 in KernelState.HasIpv6 ? new[] { false, true } : [false])
                if (diag.Dump(protocol, v6).Exists(s => s.RemotePort != 0 && s.Remote.Unmap() == address)) return true;
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
