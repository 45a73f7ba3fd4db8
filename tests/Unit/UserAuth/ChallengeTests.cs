using PersonalVpn.UserAuth;
using Xunit;

namespace PersonalVpn.Unit.UserAuthTests;

public sealed class ChallengeTests
{
    private const string Golden = "5056504e53494700000017706572736f6e616c76706e2d75736572617574682d"
        + "7631010000002011111111111111111111111111111111111111111111111111"
        + "1111111111111100000020222222222222222222222222222222222222222222"
        + "2222222222222222222222000000203333333333333333333333333333333333"
        + "333333333333333333333333333333000000047a6fc3ab000000330000000b73"
        + "73682d6564323535313900000020070707070707070707070707070707070707"
        + "0707070707070707070707070707";

    private static readonly PublicKey Key = Parse();

    [Fact]
    public void The_signed_bytes_are_these()
    {
        byte[] data = AuthChallenge.BuildSignedData(1, Fill(0x11), Fill(0x22), Fill(0x33), "zoë", Key);
        Assert.Equal(Golden, Convert.ToHexStringLower(data));
        Assert.Equal(data, new AuthChallenge(1, Fill(0x11), Fill(0x22), Fill(0x33)).SignedData("zoë", Key));
    }

    [Fact]
    public void Every_input_changes_them()
    {
        byte[][] all =
        [
            AuthChallenge.BuildSignedData(1, Fill(1), Fill(2), Fill(3), "u", Key),
            AuthChallenge.BuildSignedData(2, Fill(1), Fill(2), Fill(3), "u", Key),
            AuthChallenge.BuildSignedData(1, Fill(9), Fill(2), Fill(3), "u", Key),
            AuthChallenge.BuildSignedData(1, Fill(1), Fill(9), Fill(3), "u", Key),
            AuthChallenge.BuildSignedData(1, Fill(1), Fill(2), Fill(9), "u", Key),
            AuthChallenge.BuildSignedData(1, Fill(2), Fill(1), Fill(3), "u", Key),
            AuthChallenge.BuildSignedData(1, Fill(1), Fill(2), Fill(3), "v", Key),
        ];
        Assert.Equal(all.Length, all.Select(Convert.ToHexString).Distinct().Count());
    }

    [Fact]
    public void Wrong_lengths_and_names_are_mistakes_of_the_caller()
    {
        Assert.Throws<ArgumentException>(() => AuthChallenge.BuildSignedData(1, new byte[31], Fill(2), Fill(3), "u", Key));
        Assert.Throws<ArgumentException>(() => AuthChallenge.BuildSignedData(1, Fill(1), new byte[33], Fill(3), "u", Key));
        Assert.Throws<ArgumentException>(() => AuthChallenge.BuildSignedData(1, Fill(1), Fill(2), [], "u", Key));
        Assert.Throws<ArgumentException>(() => AuthChallenge.BuildSignedData(1, Fill(1), Fill(2), Fill(3), "../u", Key));
        Assert.NotEqual(AuthChallenge.CreateNonce(), AuthChallenge.CreateNonce());
    }

    [Theory]
    [InlineData("alice", true)]
    [InlineData("a.b-c_d@e", true)]
    [InlineData("zoë", true)]
    [InlineData(".hidden", true)]
    [InlineData("", false)]
    [InlineData(null, false)]
    [InlineData(".", false)]
    [InlineData("..", false)]
    [InlineData("a..b", false)]
    [InlineData("a/b", false)]
    [InlineData("-o", false)]
    [InlineData("a\0b", false)]
    [InlineData("a\nb", false)]
    [InlineData("a b", false)]
    [InlineData("a\u202eb", false)]
    [InlineData("a\u200bb", false)]
    [InlineData("a\ud800b", false)]
    public void User_names(string? name, bool valid)
    {
        Assert.Equal(valid, UserName.IsValid(name, out string reason));
        Assert.Equal(valid, reason.Length == 0);
    }

    [Fact]
    public void User_names_have_at_most_64_bytes()
    {
        Assert.True(UserName.IsValid(new string('a', 64), out _));
        Assert.False(UserName.IsValid(new string('a', 65), out _));
        Assert.False(UserName.IsValid(new string('ä', 33), out _));
    }

    private static byte[] Fill(byte value)
    {
        byte[] bytes = new byte[32];
        bytes.AsSpan().Fill(value);
        return bytes;
    }

    private static PublicKey Parse()
    {
        byte[] blob = [0, 0, 0, 11, .. "ssh-ed25519"u8, 0, 0, 0, 32, .. Fill(7)];
        Assert.True(PublicKey.TryParseBlob(blob, out PublicKey? key, out string error), error);
        return key;
    }
}
