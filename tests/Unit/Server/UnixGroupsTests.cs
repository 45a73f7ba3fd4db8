using PersonalVpn.Server;
using PersonalVpn.Unit.UserAuthTests;
using Xunit;

namespace PersonalVpn.Unit.ServerTests;

/// <summary>Groups by the account's name, as id(1) has them.</summary>
public sealed class UnixGroupsTests
{
    [Theory]
    [InlineData("root")]
    [InlineData("nobody")]
    [InlineData("daemon")]
    public void Of_an_account(string user) =>
        Assert.Equal(Tool.Run("id", "-Gn", user).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Order(), UnixGroups.Of(user).Order());

    [Theory]
    [InlineData("no-such-user-here")]
    [InlineData("")]
    public void Without_an_account_there_are_none(string user) => Assert.Empty(UnixGroups.Of(user));
}
