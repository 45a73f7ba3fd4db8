using PersonalVpn.Cli;
using PersonalVpn.Cli.Commands;
using PersonalVpn.Cli.Config;
using PersonalVpn.Packets;
using Xunit;

namespace PersonalVpn.Unit.CliTests;

public sealed class TargetTests
{
    [Theory]
    [InlineData("gw", null, "gw", null)]
    [InlineData("gw.example.org", null, "gw.example.org", null)]
    [InlineData("alice@gw", "alice", "gw", null)]
    [InlineData("alice@gw:8443", "alice", "gw", 8443)]
    [InlineData("gw:1", null, "gw", 1)]
    [InlineData("gw:65535", null, "gw", 65535)]
    [InlineData("alice@corp@gw", "alice@corp", "gw", null)] // as ssh: the last @
    [InlineData("192.0.2.1:443", null, "192.0.2.1", 443)]
    [InlineData("2001:db8::1", null, "2001:db8::1", null)]
    [InlineData("[2001:db8::1]", null, "2001:db8::1", null)]
    [InlineData("alice@[2001:db8::1]:8443", "alice", "2001:db8::1", 8443)]
    public void Good(string text, string? user, string host, int? port) => Assert.Equal(new Target(user, host, port), Target.Parse(text));

    [Theory]
    [InlineData("")]
    [InlineData("@gw")]
    [InlineData("alice@")]
    [InlineData("gw:")]
    [InlineData("gw:0")]
    [InlineData("gw:65536")]
    [InlineData("gw:https")]
    [InlineData("gw:-1")]
    [InlineData("gw:+1")]
    [InlineData(":443")]
    [InlineData("[2001:db8::1")]
    [InlineData("[2001:db8::1]8443")]
    [InlineData("[]:443")]
    [InlineData("-oProxyCommand=x")] // never taken for an option by anything behind us
    [InlineData("alice@-x")]
    [InlineData("g w")]
    [InlineData("gw\n")]
    public void Bad(string text) => Assert.Equal(ExitCodes.Usage, Assert.Throws<UserError>(() => Target.Parse(text)).ExitCode);

    [Theory]
    [InlineData("gw", 443, "gw")]
    [InlineData("gw", 8443, "gw:8443")]
    [InlineData("2001:db8::1", 443, "2001:db8::1")]
    [InlineData("2001:db8::1", 8443, "[2001:db8::1]:8443")]
    public void Names(string host, int port, string name) => Assert.Equal(name, Target.Name(host, port));

    [Theory]
    [InlineData("alice@gw", "gw")]
    [InlineData("gw:8443", "gw:8443")]
    [InlineData("gw:443", "gw:443")]
    [InlineData("[2001:db8::1]:8443", "[2001:db8::1]:8443")]
    [InlineData("[2001:db8::1]", "2001:db8::1")]
    public void What_down_asks_for(string typed, string asked) => Assert.Equal(asked, DownCommand.Normalise(typed));

    [Fact]
    public void Destination_texts()
    {
        Assert.Empty(Destinations.Parse([]));
        Assert.Equal([IpPrefix.AllV4, IpPrefix.AllV6], Destinations.Parse(["default"]));
        Assert.Equal([IpPrefix.Parse("10.0.0.0/8"), IpPrefix.Parse("192.0.2.1/32"), IpPrefix.Parse("2001:db8::/32")],
            Destinations.Parse(["10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "10.0.0.0/8"]));
    }

    [Theory]
    [InlineData("10.0.0.1/8")]
    [InlineData("10.0.0.0/33")]
    [InlineData("10.0.0")]
    [InlineData("host.example.org")]
    [InlineData("")]
    [InlineData("DEFAULT")]
    public void Not_destinations(string text)
    {
        UserError e = Assert.Throws<UserError>(() => Destinations.Parse(["10.0.0.0/8", text]));
        Assert.Equal((ExitCodes.Usage, true), (e.ExitCode, e.Message.Contains($"'{text}'", StringComparison.Ordinal)));
    }
}
