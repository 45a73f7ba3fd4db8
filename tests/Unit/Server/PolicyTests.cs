using PersonalVpn.Packets;
using PersonalVpn.Server;
using PersonalVpn.Server.Configuration;
using PersonalVpn.Tunnel.Configuration;
using PersonalVpn.Unit.Support;
using PersonalVpn.UserAuth;
using Xunit;

namespace PersonalVpn.Unit.ServerTests;

/// <summary>Where a user's packets may go: what the file permits, and of that what the key permits.</summary>
public sealed class PolicyTests
{
    private const string Inner = "10.77.0.2", Inner6 = "fd77::2";

    [Theory]
    [InlineData("10.0.0.0/8", "10.0.0.0/8", 0, 65535)]
    [InlineData("10.1.2.3", "10.1.2.3/32", 0, 65535)]
    [InlineData("10.1.2.3:443", "10.1.2.3/32", 443, 443)]
    [InlineData("10.0.0.0/8:22", "10.0.0.0/8", 22, 22)]
    [InlineData("10.0.0.0/8:8000-8080", "10.0.0.0/8", 8000, 8080)]
    [InlineData("10.0.0.0/8:1-65535", "10.0.0.0/8", 1, 65535)]
    [InlineData("fd00::/64", "fd00::/64", 0, 65535)]
    [InlineData("fd00::1", "fd00::1/128", 0, 65535)]
    [InlineData("fd00::/64:443", "fd00::/64", 443, 443)]
    [InlineData("::/0", "::/0", 0, 65535)]
    public void Permit_texts(string text, string prefix, int first, int last) =>
        Assert.Equal(new PermitRule(IpPrefix.Parse(prefix), (ushort)first, (ushort)last), PermitRule.Parse(ConfigText.Line("Permit " + text)));

    [Theory]
    [InlineData("")]
    [InlineData("10.0.0.1/8")]
    [InlineData("10.0.0.0/33")]
    [InlineData("host:443")]
    [InlineData("10.0.0.0/8:")]
    [InlineData("10.0.0.0/8:0")]
    [InlineData("10.0.0.0/8:65536")]
    [InlineData("10.0.0.0/8:80-22")]
    [InlineData("10.0.0.0/8:1-2-3")]
    [InlineData("10.0.0.0/8:-80")]
    [InlineData("10.0.0.0/8:http")]
    [InlineData("10.0.0.0/8:1 2")]
    public void Not_permit_texts(string text) =>
        Assert.StartsWith("test.conf:1: Permit: '", Assert.Throws<ConfigurationException>(() => PermitRule.Parse(ConfigText.Line("Permit " + text))).Message, StringComparison.Ordinal);

    [Fact]
    public void A_rule_with_ports_permits_nothing_without_ports()
    {
        UserPolicy p = Policy("alice", "", "Permit 10.0.0.0/8:443");
        Assert.True(p.Permits(Packet.Tcp(Inner, 1, "10.1.1.1", 443, 2).Info));
        Assert.True(p.Permits(Packet.Udp(Inner, 1, "10.1.1.1", 443).Info));
        Assert.False(p.Permits(Packet.Tcp(Inner, 443, "10.1.1.1", 444, 2).Info));
        Assert.False(p.Permits(Packet.Tcp(Inner, 1, "11.1.1.1", 443, 2).Info));
        Assert.False(p.Permits(Packet.Icmp(Inner, "10.1.1.1", 8, id: 443).Info));
        Assert.False(p.Permits(Packet.Ip(Inner, "10.1.1.1", IpProtocol.Esp, new byte[16]).Info));
    }

    [Fact]
    public void Without_permits_the_routes_are_permitted_and_without_both_nothing()
    {
        UserPolicy p = Policy("alice", "", "Route 10.1.0.0/16");
        Assert.True(p.Permits(Packet.Icmp(Inner, "10.1.1.1", 8).Info));
        Assert.False(p.Permits(Packet.Icmp(Inner, "10.2.1.1", 8).Info));
        Assert.Equal([IpPrefix.Parse("10.1.0.0/16")], p.PushedRoutes);
        Assert.False(Policy("alice", "").Permits(Packet.Udp(Inner, 1, "10.1.1.1", 1).Info));
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("169.254.169.254")]
    [InlineData("224.0.0.1")]
    [InlineData("255.255.255.255")]
    [InlineData("0.0.0.0")]
    public void Some_destinations_never(string to) => Assert.False(Policy("alice", "", "Permit 0.0.0.0/0").Permits(Packet.Udp(Inner, 1, to, 1).Info));

    [Theory]
    [InlineData("::1")]
    [InlineData("::")]
    [InlineData("fe80::1")]
    [InlineData("ff02::1")]
    [InlineData("::ffff:127.0.0.1")]
    public void Some_destinations_never_v6(string to) => Assert.False(Policy("alice", "", "Permit ::/0").Permits(Packet.Udp(Inner6, 1, to, 1).Info));

    [Theory]
    [InlineData("permit=\"10.1.0.0/16\"", "10.1.0.0/16", "10.1.1.1", 80, true)]
    [InlineData("permit=\"10.1.0.0/16\"", "10.1.0.0/16", "10.2.1.1", 80, false)]
    [InlineData("permit=\"10.1.0.0/16:443\"", "10.1.0.0/16", "10.1.1.1", 443, true)]
    [InlineData("permit=\"10.1.0.0/16:443\"", "10.1.0.0/16", "10.1.1.1", 80, false)]
    [InlineData("permit=\"0.0.0.0/0\"", "10.0.0.0/8", "10.9.9.9", 80, true)] // wider than the file: the file's
    [InlineData("permit=\"0.0.0.0/0\"", "10.0.0.0/8", "11.0.0.1", 80, false)]
    [InlineData("permit=\"192.0.2.0/24\"", "", "192.0.2.1", 80, false)] // elsewhere: nothing
    [InlineData("permit=\"192.0.2.0/24\"", "", "10.1.1.1", 80, false)]
    [InlineData("permit=\"10.1.0.0/16,10.2.0.0/16,192.0.2.0/24\"", "10.1.0.0/16 10.2.0.0/16", "10.2.1.1", 80, true)]
    [InlineData("", "10.0.0.0/8", "10.1.1.1", 80, true)]
    public void A_keys_permit_never_widens(string options, string pushed, string to, ushort port, bool permitted)
    {
        UserPolicy p = Policy("alice", options, "Route 10.0.0.0/8");
        Assert.Equal(permitted, p.Permits(Packet.Tcp(Inner, 1, to, port, 2).Info));
        Assert.Equal(pushed, string.Join(' ', p.PushedRoutes));
    }

    [Fact]
    public void A_keys_ports_and_the_files_ports_must_both_agree()
    {
        UserPolicy p = Policy("alice", "permit=\"10.0.0.0/8:80-443\"", "Permit 10.0.0.0/8:400-500");
        Assert.Equal([false, true, false], new ushort[] { 80, 443, 500 }.Select(port => p.Permits(Packet.Tcp(Inner, 1, "10.1.1.1", port, 2).Info)));
    }

    [Fact]
    public void Routes_a_client_may_ask_for()
    {
        UserPolicy p = Policy("alice", "permit=\"10.1.0.0/16\"", "Permit 10.0.0.0/8", "Permit 192.0.2.0/24");
        foreach (string good in new[] { "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3/32" }) Assert.True(p.PermitsRoute(IpPrefix.Parse(good)), good);
        foreach (string bad in new[] { "10.0.0.0/8", "0.0.0.0/0", "10.2.0.0/16", "192.0.2.0/24", "::/0" }) Assert.False(p.PermitsRoute(IpPrefix.Parse(bad)), bad);
    }

    [Fact]
    public void Addresses_fixed_by_the_key()
    {
        UserPolicy p = Policy("alice", "address=\"10.77.0.9\",address=\"fd77::9\"");
        Assert.Equal((IpAddr.Parse("10.77.0.9"), IpAddr.Parse("fd77::9")), (p.FixedV4, p.FixedV6));
    }

    [Fact]
    public void The_first_block_that_says_so_wins()
    {
        string[] file = ["Route 10.0.0.0/8", "MaxSessionsPerUser 9", "Match User alice", "Route 10.1.0.0/16", "Match User a*", "Route 10.2.0.0/16", "MaxSessionsPerUser 3",
            "Match User alice", "MaxSessionsPerUser 1", "AddressPool 10.5.0.0/24"];
        UserPolicy alice = Policy("alice", "", file), adam = Policy("adam", "", file), bob = Policy("bob", "", file);
        Assert.Equal(("10.1.0.0/16", 3, "10.5.0.0/24"), (alice.PushedRoutes[0].ToString(), alice.MaxSessionsPerUser, alice.Pool.ToString()));
        Assert.Equal(("10.2.0.0/16", 3, "10.77.0.0/16"), (adam.PushedRoutes[0].ToString(), adam.MaxSessionsPerUser, adam.Pool.ToString()));
        Assert.Equal(("10.0.0.0/8", 9), (bob.PushedRoutes[0].ToString(), bob.MaxSessionsPerUser));
        Assert.Equal(16, Policy("bob", "").MaxSessionsPerUser);
    }

    [Fact]
    public void Names_match_by_case_and_groups_by_account()
    {
        Assert.Empty(Policy("Alice", "", "Match User alice", "Route 10.1.0.0/16").PushedRoutes);
        Assert.NotEmpty(Policy("daemon", "", "Match Group daemon", "Route 10.1.0.0/16").PushedRoutes);
        Assert.Empty(Policy("no-such-account", "", "Match Group *", "Route 10.1.0.0/16").PushedRoutes);
        Assert.Empty(Policy("daemon", "", "Match Group daemon User alice", "Route 10.1.0.0/16").PushedRoutes);
    }

    private static UserPolicy Policy(string user, string options, params string[] lines)
    {
        AuthorizedKeyOptions parsed = AuthorizedKeyOptions.None;
        if (options.Length > 0) Assert.True(AuthorizedKeyLines.TryOptions(options, out parsed, out string error), error);
        return UserPolicy.For(new ServerConfigReader().Build(ConfigText.Lines(lines)), user, parsed);
    }
}
