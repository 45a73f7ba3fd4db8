using System.Net;
using PersonalVpn.Linux;
using Xunit;

namespace PersonalVpn.Unit.CliTests.Dial;

/// <summary>RFC 8305, section 4: families in turns, the resolver's first family first.</summary>
public sealed class AddressOrderTests
{
    [Theory]
    [InlineData("", "")]
    [InlineData("192.0.2.1", "192.0.2.1")]
    [InlineData("2001:db8::1 2001:db8::2 192.0.2.1 192.0.2.2", "2001:db8::1 192.0.2.1 2001:db8::2 192.0.2.2")]
    [InlineData("192.0.2.1 2001:db8::1", "192.0.2.1 2001:db8::1")]
    [InlineData("192.0.2.1 192.0.2.2 192.0.2.3 2001:db8::1", "192.0.2.1 2001:db8::1 192.0.2.2 192.0.2.3")]
    [InlineData("2001:db8::1 192.0.2.1 192.0.2.2 192.0.2.3", "2001:db8::1 192.0.2.1 192.0.2.2 192.0.2.3")]
    [InlineData("192.0.2.2 192.0.2.1 192.0.2.2", "192.0.2.2 192.0.2.1")]
    [InlineData("2001:db8::2 2001:db8::1", "2001:db8::2 2001:db8::1")]
    public void Families_in_turns(string given, string expected) =>
        Assert.Equal(expected, string.Join(' ', AddressOrder.Interleave(given.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(a => new IPEndPoint(IPAddress.Parse(a), 443))).Select(p => p.Address)));
}
