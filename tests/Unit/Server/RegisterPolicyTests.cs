using PersonalVpn.Server;
using PersonalVpn.Server.Configuration;
using PersonalVpn.Server.Register;
using PersonalVpn.Server.Relay;
using PersonalVpn.Tunnel.Configuration;
using PersonalVpn.UserAuth;
using Xunit;

namespace PersonalVpn.Unit.Server;

/// <summary>Servers behind firewalls: names, where they register, and who may ask for them.</summary>
public sealed class RegisterPolicyTests
{
    [Theory]
    [InlineData("office", true)]
    [InlineData("OFFICE", true)]
    [InlineData("lab-2", true)]
    [InlineData("7a", true)]
    [InlineData("", false)]
    [InlineData("gw.example.org", false)] // names with a dot are the DNS's
    [InlineData("office.", false)]
    [InlineData("10.0.0.1", false)]
    [InlineData("7", false)] // 0.0.0.7
    [InlineData("0x7f000001", false)]
    [InlineData("fd00::1", false)]
    [InlineData("localhost", false)]
    [InlineData("-a", false)]
    [InlineData("a-", false)]
    [InlineData("a_b", false)]
    [InlineData("a b", false)]
    [InlineData("bücher", false)]
    [InlineData("a\n", false)]
    public void Names(string text, bool valid)
    {
        Assert.Equal(valid, RegisteredName.IsValid(text));
        Assert.Equal(valid, RegisteredName.TryParse(text, out string name, out string error));
        Assert.Equal(valid ? text.ToLowerInvariant() : "", name);
        Assert.Equal(valid, error.Length == 0);
    }

    [Fact]
    public void A_name_is_at_most_a_label_long() => Assert.Equal((true, false), (RegisteredName.IsValid(new string('a', 63)), RegisteredName.IsValid(new string('a', 64))));

    [Theory]
    [InlineData("inner@gw.example.org office", "inner", "gw.example.org", 443, "office")]
    [InlineData("inner@gw.example.org:8443 Office", "inner", "gw.example.org", 8443, "office")]
    [InlineData("a@b@192.0.2.1 office", "a@b", "192.0.2.1", 443, "office")]
    [InlineData("inner@[2001:db8::1]:8443 office", "inner", "2001:db8::1", 8443, "office")]
    [InlineData("inner@[2001:db8::1] office", "inner", "2001:db8::1", 443, "office")]
    [InlineData("inner@2001:db8::1 office", "inner", "2001:db8::1", 443, "office")]
    public void Register_lines(string value, string user, string host, int port, string name) =>
        Assert.Equal(new RegisterTarget(user, host, port, name), Assert.Single(Read("Register " + value).Registers));

    [Theory]
    [InlineData("gw.example.org office")]
    [InlineData("@gw office")]
    [InlineData("inner@ office")]
    [InlineData("inner@gw:0 office")]
    [InlineData("inner@gw:x office")]
    [InlineData("inner@[2001:db8::1]x office")]
    [InlineData("inner@[2001:db8::1 office")]
    [InlineData("inner@gw")]
    [InlineData("inner@gw office two")]
    [InlineData("inner@gw office.example.org")]
    [InlineData("inner@gw localhost")]
    [InlineData("in/ner@gw office")]
    public void Register_lines_that_are_none(string value)
    {
        var e = Assert.Throws<ConfigurationException>(() => Read("Register " + value));
        Assert.StartsWith("test:1: Register: ", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Several_add_up_and_the_same_twice_is_a_mistake()
    {
        ServerConfig config = Read("Register a@gw one\nRegister a@gw two\nRegister b@gw2 one\nRegisterKnownHosts /k\nRegisterIdentity /i");
        Assert.Equal(["one", "two", "one"], config.Registers.Select(r => r.Name));
        Assert.Equal(("/k", "/i"), (config.RegisterKnownHosts, config.RegisterIdentity));
        Assert.Contains("stands twice", Assert.Throws<ConfigurationException>(() => Read("Register a@gw one\nRegister b@gw ONE")).Message, StringComparison.Ordinal);
        Assert.Contains("may not stand in a Match block", Assert.Throws<ConfigurationException>(() => Read("Match User a\nRegister a@gw one")).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("office:443", null, false, "office", 443, true)]
    [InlineData("Office:443", null, false, "office", 443, true)]
    [InlineData("office:443", null, false, "office", 444, false)]
    [InlineData("office:443", null, false, "other", 443, false)]
    [InlineData("0.0.0.0/0:443", null, false, "office", 443, false)]
    [InlineData("office:443", "office", false, "office", 443, true)]
    [InlineData("office:443", "other", false, "office", 443, false)]
    [InlineData("other:443", "office", false, "office", 443, false)]
    [InlineData("office:443", null, true, "office", 443, false)]
    public void Who_may_ask_for_a_name(string allowed, string? ofKey, bool never, string name, ushort port, bool permitted)
    {
        var policy = new RelayPolicy([RelayRule.Parse(KeywordFile.Parse("test", "AllowRelay " + allowed)[0], allowed)], ofKey is null ? null : [new RelayTarget(ofKey, 443)], never);
        Exception? refused = Record.Exception(() => policy.CheckRegistered("alice", name, port));
        Assert.Equal(permitted, refused is null);
    }

    [Fact]
    public void Names_are_reserved_for_whomever_and_granted_by_file_and_key()
    {
        ServerConfig config = Read("AllowRegister office Lab-2\nMatch User inner\nAllowRegister vault");
        Assert.Equal([true, true, true, false], new[] { "office", "lab-2", "vault", "gw2" }.Select(config.IsReserved));
        Assert.Equal(["office"], Granted(config, "x", "office", "vault"));
        Assert.Equal(["vault"], Granted(config, "inner", "office", "vault")); // a block wins over the global part
        Assert.Empty(Granted(config, "inner", "gw2"));
        Assert.Empty(UserPolicy.For(config, "inner", AuthorizedKeyOptions.None).Names);
        Assert.False(Read("").IsReserved("office"));
        Assert.Contains("without a dot", Assert.Throws<ConfigurationException>(() => Read("AllowRegister office.example.org")).Message, StringComparison.Ordinal);
        Assert.Contains("needs a name", Assert.Throws<ConfigurationException>(() => Read("AllowRegister")).Message, StringComparison.Ordinal);
    }

    private static IReadOnlyList<string> Granted(ServerConfig config, string user, params string[] ofKey) =>
        UserPolicy.For(config, user, AuthorizedKeyOptions.None with { Register = ofKey }).Names;

    private static ServerConfig Read(string text) => new ServerConfigReader().Build(KeywordFile.Parse("test", text));
}
