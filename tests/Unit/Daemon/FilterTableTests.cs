using PersonalVpn.Daemon.Tunnels;
using PersonalVpn.Packets;
using Xunit;
using static PersonalVpn.Unit.DaemonTests.Gates;

namespace PersonalVpn.Unit.DaemonTests;

/// <summary>What the packet filter is told, without a kernel.</summary>
public sealed class FilterTableTests
{
    [Fact]
    public void A_tunnel_more_is_its_own_elements_and_its_owners_chain()
    {
        FilterTable none = new(7570, new FirewallRules()), one = new(7570, Rules());
        Assert.Equal(
            """
            add chain inet pvpn u1000
            flush chain inet pvpn u1000
            add rule inet pvpn u1000 oifname "lo" accept
            add rule inet pvpn u1000 meta mark & 0xf000000 == 0x5000000 accept
            add rule inet pvpn u1000 ip daddr 10.1.0.0/16 drop
            add rule inet pvpn u1000 ip6 daddr fd01::/16 drop
            add element inet pvpn owners { 1000 : jump u1000 }
            add element inet pvpn inner4 { 10.77.0.2 }
            add element inet pvpn fast4 { "pvpn0" . 10.77.0.2 . 1000 }
            add element inet pvpn arrival4 { "pvpn0" . 10.77.0.2 }
            add element inet pvpn inner6 { fd77::2 }

            """.ReplaceLineEndings("\n"), one.Since(none));
        Assert.Equal("", one.Since(new FilterTable(7570, Rules())));
    }

    [Fact]
    public void The_chain_goes_after_what_jumps_to_it()
    {
        string[] lines = new FilterTable(7570, new FirewallRules()).Since(new FilterTable(7570, Rules())).Split('\n');
        Assert.True(Array.IndexOf(lines, "delete element inet pvpn owners { 1000 : jump u1000 }") is >= 0 and int at && at < Array.IndexOf(lines, "delete chain inet pvpn u1000"));
        Assert.DoesNotContain(lines, l => l.StartsWith("add", StringComparison.Ordinal));
    }

    [Fact]
    public void Other_destinations_of_the_same_owner_replace_the_owners_chain()
    {
        var rules = Rules();
        rules.Blocked.Add((Alice, IpPrefix.Parse("10.2.0.0/16")));
        string change = new FilterTable(7570, rules).Since(new FilterTable(7570, Rules()));
        Assert.Equal(7, change.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.DoesNotContain("element", change, StringComparison.Ordinal);
    }

    [Fact]
    public void A_listing_is_known_again_and_a_missing_rule_or_element_seen()
    {
        var table = new FilterTable(7570, Rules());
        string listing = table.Whole()[table.Whole().LastIndexOf("table inet", StringComparison.Ordinal)..]
            .Replace("; }", "\n}", StringComparison.Ordinal)
            .Replace("; elements", "\nelements", StringComparison.Ordinal)
            .Replace(" } }", " }\n}", StringComparison.Ordinal)
            .Replace("{ type", "{\ntype", StringComparison.Ordinal);
        Assert.True(table.Matches(listing), listing);
        Assert.False(table.Matches(listing.Replace("meta skuid vmap @owners\n", "", StringComparison.Ordinal)));
        Assert.False(table.Matches(listing.Replace("elements = { 10.77.0.2 }\n", "", StringComparison.Ordinal)));
        Assert.False(table.Matches(""));
    }

    [Fact]
    public void Only_an_open_tunnel_has_a_fast_path()
    {
        TunnelState tunnel = NewTunnel();
        Assert.Empty(KernelPlan.For([tunnel]).Firewall.Fast);
    }

    private static FirewallRules Rules() => new()
    {
        Guarded = { IpAddr.Parse(Inner), IpAddr.Parse(Inner6) },
        Blocked = { (Alice, IpPrefix.Parse("10.1.0.0/16")), (Alice, IpPrefix.Parse("fd01::/16")) },
        Fast = { new FastPath("pvpn0", IpAddr.Parse(Inner), Alice) },
    };
}
