using System.Net;
using PersonalVpn.Server.Relay;
using PersonalVpn.Server.Sessions;
using PersonalVpn.Tunnel.Configuration;
using PersonalVpn.UserAuth;
using Xunit;

namespace PersonalVpn.Unit.Server;

/// <summary>Where a hop relays to: what AllowRelay names, narrowed by the key, never the machine itself.</summary>
public sealed class RelayPolicyTests
{
    [Theory]
    [InlineData("198.51.100.1:443", "198.51.100.1", 443, true)]
    [InlineData("198.51.100.1:443", "198.51.100.1", 444, false)]
    [InlineData("198.51.100.1:443", "198.51.100.2", 443, false)]
    [InlineData("198.51.100.0/24:443", "198.51.100.2", 443, true)]
    [InlineData("198.51.100.0/24:443", "::ffff:198.51.100.2", 443, true)]
    [InlineData("[2001:db8::/32]:443", "2001:db8::5", 443, true)]
    [InlineData("[2001:db8::/32]:443", "2001:db9::5", 443, false)]
    [InlineData("0.0.0.0/0:443", "127.0.0.1", 443, false)]
    [InlineData("0.0.0.0/0:443", "127.1.2.3", 443, false)]
    [InlineData("0.0.0.0/0:443", "0.0.0.0", 443, false)]
    [InlineData("0.0.0.0/0:443", "0.1.2.3", 443, false)]
    [InlineData("0.0.0.0/0:80", "169.254.169.254", 80, false)] // where clouds keep their metadata
    [InlineData("0.0.0.0/0:443", "224.0.0.1", 443, false)]
    [InlineData("0.0.0.0/0:443", "255.255.255.255", 443, false)]
    [InlineData("[::/0]:443", "::1", 443, false)]
    [InlineData("[::/0]:443", "::", 443, false)]
    [InlineData("[::/0]:443", "fe80::1", 443, false)]
    [InlineData("[::/0]:443", "::ffff:127.0.0.1", 443, false)]
    [InlineData("0.0.0.0/0:443", "::ffff:169.254.169.254", 443, false)]
    [InlineData("localhost:443", "localhost", 443, false)] // named, and still this machine
    [InlineData("0.0.0.0/0:443", "localhost", 443, false)]
    [InlineData("0.0.0.0/0:443", "no such name", 443, false)]
    [InlineData("gw2.example.org:443", "198.51.100.1", 443, false)]
    public async Task AllowRelay_decides(string allowed, string host, ushort port, bool permitted)
    {
        var policy = new RelayPolicy([Rule(allowed)], null, never: false);
        Assert.Equal(permitted, await IsPermitted(policy, host, port));
    }

    [Fact]
    public async Task Nothing_is_allowed_by_default() => Assert.False(await IsPermitted(new RelayPolicy([], null, false), "198.51.100.1", 443));

    [Theory]
    [InlineData("198.51.100.1", true)]
    [InlineData("198.51.100.2", false)] // the file permits it, the key does not
    public async Task A_key_narrows(string host, bool permitted)
    {
        var policy = new RelayPolicy([Rule("198.51.100.0/24:443")], [new RelayTarget("198.51.100.1", 443)], never: false);
        Assert.Equal(permitted, await IsPermitted(policy, host, 443));
    }

    [Fact]
    public async Task A_key_never_widens() =>
        Assert.False(await IsPermitted(new RelayPolicy([], [new RelayTarget("198.51.100.1", 443)], never: false), "198.51.100.1", 443));

    [Fact]
    public async Task No_relay_is_no_relay() =>
        Assert.False(await IsPermitted(new RelayPolicy([Rule("198.51.100.1:443")], null, never: true), "198.51.100.1", 443));

    [Fact]
    public async Task This_machines_own_addresses_are_refused()
    {
        foreach (IPAddress own in await Dns.GetHostAddressesAsync(Dns.GetHostName()))
            Assert.False(await IsPermitted(new RelayPolicy([Rule("0.0.0.0/0:443"), Rule("[::/0]:443")], null, false), own.ToString(), 443), own.ToString());
    }

    [Theory]
    [InlineData("gw2:0")]
    [InlineData("gw2")]
    [InlineData("gw2:99999")]
    [InlineData(":443")]
    [InlineData("10.0.0.1/8:443")]
    [InlineData("fd00::1:443x")]
    [InlineData("[fd00::1:443")]
    [InlineData("*:443")]
    public void A_rule_that_is_none_is_refused_with_its_line(string text)
    {
        var e = Assert.Throws<ConfigurationException>(() => Rule(text));
        Assert.Contains(text, e.Message, StringComparison.Ordinal);
    }

    private static RelayRule Rule(string text)
    {
        KeywordLine line = Assert.Single(KeywordFile.Parse("server.conf", "AllowRelay " + text));
        return RelayRule.Parse(line, text);
    }

    private static async Task<bool> IsPermitted(RelayPolicy policy, string host, ushort port)
    {
        try
        {
            IReadOnlyList<IPEndPoint> to = await policy.ResolveAsync("alice", host, port, CancellationToken.None);
            Assert.NotEmpty(to);
            Assert.All(to, t => Assert.Equal(port, t.Port));
            return true;
        }
        catch (SessionRefusedException) { return false; }
    }
}
