using System.Globalization;

namespace PersonalVpn.Daemon.Tunnels;

/// <summary>
/// What of ours is in the host's packet filter: the nftables table of <see cref="FilterTable"/>, and one chain in the table
/// <c>raw</c> of iptables, v4 and v6, because nftables has no queue statement on every kernel:
/// <code>
/// OUTPUT     -o pvpn+   → PVPN-OUT:   marked Fast → RETURN, tcp → NFQUEUE n, the rest → NFQUEUE n+1 (no bypass: without a listener the kernel drops)
/// </code>
/// Every change is one transaction. Blocking is needed beside the routes: a socket bound to another device (SO_BINDTODEVICE,
/// IP_PKTINFO, IPV6_UNICAST_IF) makes IPv4 take an unreachable destination for one on the link (net/ipv4/route.c,
/// ip_route_output_key_hash_rcu), and makes IPv6 pass over the unreachable route to the next rule. The sender sees EPERM.
/// <c>raw</c> comes before conntrack, which would otherwise make and unmake an entry for every packet that we steal.
/// Packets of other users match none of these rules.
/// </summary>
internal static class Firewall
{
    private static readonly string[] Families = ["iptables", "ip6tables"];
    private static readonly string[] Outbound = ["OUTPUT", "-o", Marks.DevicePrefix + "+", "-j", "PVPN-OUT"];
    private static ushort s_queue;

    /// <summary>
    /// Puts everything in place. Chains are replaced in one commit and a hook that a crash left is kept: at no moment is an address
    /// without its guard or a destination without its block.
    /// </summary>
    public static void Install(ushort queue, FirewallRules rules)
    {
        s_queue = queue;
        Change(new FilterTable(queue, rules).Whole());
        foreach (string program in Families)
        {
            string text = string.Create(CultureInfo.InvariantCulture, $"""
                *raw
                :PVPN-OUT - [0:0]
                -A PVPN-OUT -m mark --mark 0x{Marks.Fast:x}/0x{Marks.Mask:x} -j RETURN
                -A PVPN-OUT -p tcp -j NFQUEUE --queue-num {queue}
                -A PVPN-OUT -j NFQUEUE --queue-num {queue + 1}
                {(IsHooked(program) ? "" : "-I " + string.Join(' ', Outbound))}
                COMMIT

                """);
            if (SystemCommand.Run(program + "-restore", text, "--noflush") is { } error)
                throw new InvalidOperationException($"{program}-restore failed: {error}; is the iptables package installed and the kernel's NFQUEUE target there?");
        }
    }

    /// <summary>Goes from what was set before to these rules, in one transaction.</summary>
    public static void Set(FirewallRules before, FirewallRules rules)
    {
        var table = new FilterTable(s_queue, rules);
        string change = table.Since(new FilterTable(s_queue, before));
        // Somebody has touched our table: the whole of it, then.
        if (change.Length > 0 && SystemCommand.Run("nft", change, "-f", "-") is not null) Change(table.Whole());
    }

    /// <summary>True when the hooks and every rule of ours are there: a firewall reload may have flushed some or all.</summary>
    public static bool IsInPlace(FirewallRules rules) =>
        SystemCommand.Run("nft", null, out string table, "-n", "-s", "list", "table", "inet", "pvpn") is null
        && new FilterTable(s_queue, rules).Matches(table)
        && Families.All(program =>
        {
            if (SystemCommand.Run(program, null, out string listing, "-t", "raw", "-S") is not null) return false;
            string[] lines = listing.Split('\n');
            return lines.Count(l => l.StartsWith("-A PVPN-OUT ", StringComparison.Ordinal)) == 3
                && Array.Exists(lines, l => l.StartsWith("-A OUTPUT ", StringComparison.Ordinal) && l.EndsWith("-j PVPN-OUT", StringComparison.Ordinal));
        });

    /// <summary>True when the host's iptables commands write nftables, so that the kernel's generation number tells of all changes.</summary>
    public static bool IsAllNftables() =>
        Array.TrueForAll(Families, program => SystemCommand.Run(program, null, out string version, "--version") is null && version.Contains("(nf_tables)", StringComparison.Ordinal));

    /// <summary>Removes everything of ours; what is not there is no error.</summary>
    public static void Remove()
    {
        foreach (string program in Families)
        {
            for (int i = 0; i < 16 && SystemCommand.Run(program, null, ["-t", "raw", "-D", .. Outbound]) is null; i++) { }
            SystemCommand.Run(program, null, "-t", "raw", "-F", "PVPN-OUT");
            SystemCommand.Run(program, null, "-t", "raw", "-X", "PVPN-OUT");
        }
        SystemCommand.Run("nft", null, "delete", "table", "inet", "pvpn");
    }

    private static bool IsHooked(string program) => SystemCommand.Run(program, null, ["-t", "raw", "-C", .. Outbound]) is null;

    private static void Change(string text)
    {
        if (SystemCommand.Run("nft", text, "-f", "-") is { } error)
            throw new InvalidOperationException($"nft failed: {error}; is the nftables package installed?");
    }
}
