using System.Globalization;
using System.Text;
using PersonalVpn.Packets;

namespace PersonalVpn.Daemon.Tunnels;

/// <summary>What the firewall chains say beyond their constant part.</summary>
internal sealed class FirewallRules
{
    /// <summary>Inner addresses: only what pvpnd injects may arrive for them.</summary>
    public HashSet<IpAddr> Guarded { get; init; } = [];

    /// <summary>Tunnelled destinations: their owner's packets to them leave by the tunnel's device or not at all.</summary>
    public HashSet<(uint Uid, IpPrefix Destination)> Blocked { get; init; } = [];

    public bool SameAs(FirewallRules other) => Guarded.SetEquals(other.Guarded) && Blocked.SetEquals(other.Blocked);
}

/// <summary>
/// The three chains of ours in the host's <c>raw</c> table, v4 and v6, put in place by iptables-restore (each call is one atomic commit):
/// <code>
/// OUTPUT     -o pvpn+            → PVPN-OUT:   tcp → NFQUEUE n, the rest → NFQUEUE n+1 (no bypass: without a listener the kernel drops)
/// OUTPUT     not lo, not marked  → PVPN-BLOCK: owner U, -d DESTINATION → DROP          (a tunnelled destination, another way out)
/// PREROUTING                     → PVPN-IN:    -d INNER without our mark → DROP        (nobody but pvpnd reaches an inner address)
/// </code>
/// PVPN-BLOCK is needed beside the routes: a socket bound to another device (SO_BINDTODEVICE, IP_PKTINFO, IPV6_UNICAST_IF) makes IPv4
/// take an unreachable destination for one on the link (net/ipv4/route.c, ip_route_output_key_hash_rcu), and makes IPv6 pass over the
/// unreachable route to the next rule. The sender sees EPERM.
/// <c>raw</c> comes before conntrack, which would otherwise make and unmake an entry for every packet that we steal.
/// Packets of other users match none of these rules.
/// </summary>
internal static class Firewall
{
    private static readonly (string Program, bool V6)[] Families = [("iptables", false), ("ip6tables", true)];
    private static readonly string[] Outbound = ["OUTPUT", "-o", Marks.DevicePrefix + "+", "-j", "PVPN-OUT"];
    private static readonly string[] Elsewhere =
        ["OUTPUT", "!", "-o", "lo", "-m", "mark", "!", "--mark", $"0x{Marks.Transport:x}/0x{Marks.Mask:x}", "-j", "PVPN-BLOCK"];
    private static readonly string[] Inbound = ["PREROUTING", "-j", "PVPN-IN"];
    private static readonly string[][] Hooks = [Outbound, Elsewhere, Inbound];

    /// <summary>
    /// Puts the chains in place. They are replaced in one commit and a hook that a crash left is kept: at no moment is an address
    /// without its guard or a destination without its block.
    /// </summary>
    public static void Install(ushort queue, FirewallRules rules)
    {
        foreach ((string program, bool v6) in Families)
        {
            var text = new StringBuilder("*raw\n:PVPN-OUT - [0:0]\n");
            text.Append(CultureInfo.InvariantCulture, $"-A PVPN-OUT -p tcp -j NFQUEUE --queue-num {queue}\n-A PVPN-OUT -j NFQUEUE --queue-num {queue + 1}\n");
            Append(text, rules, v6);
            // Inserted at the top, so the last one comes first: what leaves by a tunnel's device is queued before anything else.
            foreach (string[] hook in new[] { Inbound, Elsewhere, Outbound })
                if (!IsHooked(program, hook)) text.Append("-I ").AppendJoin(' ', hook).Append('\n');
            Restore(program, text.Append("COMMIT\n").ToString());
        }
    }

    /// <summary>Replaces the rules that depend on tunnels, in one commit for each family.</summary>
    public static void Set(FirewallRules rules)
    {
        foreach ((string program, bool v6) in Families)
        {
            var text = new StringBuilder("*raw\n");
            Append(text, rules, v6);
            Restore(program, text.Append("COMMIT\n").ToString());
        }
    }

    /// <summary>True when the hooks and every rule of our chains are there, in both families: a firewall reload may have flushed some or all.</summary>
    public static bool IsInPlace(FirewallRules rules) => Families.All(f =>
    {
        if (SystemCommand.Run(f.Program, null, out string listing, "-t", "raw", "-S") is not null) return false;
        string[] lines = listing.Split('\n');
        return Count(lines, "-A PVPN-OUT ") == 2
            && Count(lines, "-A PVPN-IN ") == rules.Guarded.Count(a => a.IsV6 == f.V6)
            && Count(lines, "-A PVPN-BLOCK ") == rules.Blocked.Count(b => b.Destination.IsV6 == f.V6)
            && Hooks.All(h => Array.Exists(lines, l => l.StartsWith($"-A {h[0]} ", StringComparison.Ordinal) && l.EndsWith($"-j {h[^1]}", StringComparison.Ordinal)));
    });

    /// <summary>Removes everything of ours; what is not there is no error.</summary>
    public static void Remove()
    {
        foreach ((string program, _) in Families)
        {
            foreach (string[] hook in Hooks)
                for (int i = 0; i < 16 && SystemCommand.Run(program, null, ["-t", "raw", "-D", .. hook]) is null; i++) { }
            foreach (string chain in new[] { "PVPN-OUT", "PVPN-BLOCK", "PVPN-IN" })
            {
                SystemCommand.Run(program, null, "-t", "raw", "-F", chain);
                SystemCommand.Run(program, null, "-t", "raw", "-X", chain);
            }
        }
    }

    private static int Count(string[] lines, string start) => lines.Count(l => l.StartsWith(start, StringComparison.Ordinal));

    private static bool IsHooked(string program, string[] hook) => SystemCommand.Run(program, null, ["-t", "raw", "-C", .. hook]) is null;

    private static void Append(StringBuilder text, FirewallRules rules, bool v6)
    {
        text.Append(":PVPN-IN - [0:0]\n:PVPN-BLOCK - [0:0]\n");
        foreach (IpAddr a in rules.Guarded.Where(a => a.IsV6 == v6))
            text.Append(CultureInfo.InvariantCulture, $"-A PVPN-IN -d {a} -m mark ! --mark 0x{Marks.Injected:x}/0x{Marks.Mask:x} -j DROP\n");
        // What leaves by a tunnel's device has been queued before it gets here, so here every device is the wrong one.
        foreach ((uint uid, IpPrefix destination) in rules.Blocked.Where(b => b.Destination.IsV6 == v6))
            text.Append(CultureInfo.InvariantCulture, $"-A PVPN-BLOCK -d {destination} -m owner --uid-owner {uid} -j DROP\n");
    }

    private static void Restore(string family, string text)
    {
        if (SystemCommand.Run(family + "-restore", text, "--noflush") is { } error)
            throw new InvalidOperationException($"{family}-restore failed: {error}; is the iptables package installed and the kernel's NFQUEUE target there?");
    }
}
