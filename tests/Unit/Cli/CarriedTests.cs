using PersonalVpn.Cli.Connect;
using PersonalVpn.Packets;
using Xunit;

namespace PersonalVpn.Unit.Cli;

/// <summary>What a gateway grants is held against what was asked for: the rest would go in the clear.</summary>
public sealed class CarriedTests
{
    [Theory]
    [InlineData("10.1.0.0/16", "10.1.0.0/16", "")]
    [InlineData("10.0.0.0/8 10.1.0.0/16", "10.1.0.0/16", "")]
    [InlineData("10.1.0.0/16", "10.1.0.0/16 10.2.0.0/16", "10.2.0.0/16")]
    [InlineData("10.1.0.0/24", "10.1.0.0/16", "10.1.0.0/16")]
    [InlineData("10.1.0.0/16", "fd00::/64", "fd00::/64")]
    [InlineData("0.0.0.0/0", "0.0.0.0/0 ::/0", "")]
    [InlineData("::/0", "0.0.0.0/0 ::/0", "")]
    [InlineData("10.0.0.0/8", "0.0.0.0/0 ::/0", "0.0.0.0/0")]
    [InlineData("0.0.0.0/0", "10.0.0.0/8 fd00::/64", "")]
    [InlineData("10.0.0.0/8", "", "")]
    public void What_would_go_in_the_clear_is_found(string routes, string wanted, string left) =>
        Assert.Equal(left, TunnelOpener.Left(Prefixes(routes), Prefixes(wanted))?.ToString() ?? "");

    private static IReadOnlyList<IpPrefix> Prefixes(string text) => [.. text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(IpPrefix.Parse)];
}
