using System.Net;
using PersonalVpn.UserAuth;
using Xunit;

namespace PersonalVpn.Unit.UserAuthTests;

[Collection(KeyCollection.Name)]
public sealed class AuthorizedKeysTests(KeyFixture keys)
{
    private string Line => File.ReadAllText(keys["rsa2048.pub"]).TrimEnd();

    [Fact]
    public void Reads_keys_comments_blank_lines_and_counts_lines_as_an_editor_does()
    {
        AuthorizedKeysFile file = AuthorizedKeysFile.Parse(
            $"# comment\n\n{Line}\r\n   \n\trestrict,permit=\"10.0.0.0/8\" {Line} more words\nrubbish\n" + File.ReadAllText(keys["ecdsa256.pub"]));
        Assert.Equal([3, 5, 7], file.Keys.Select(k => k.LineNumber));
        Assert.True(file.Keys[1].Options.NoRelay);
        Assert.Equal(6, Assert.Single(file.UnusableLines).LineNumber);
    }

    [Theory]
    [InlineData("from=\"10.0.0.0/8,192.0.2.7,2001:db8::/32\"")]
    [InlineData("FROM=\"10.0.0.0/8\"")]
    [InlineData("expiry-time=\"20300101\"")]
    [InlineData("expiry-time=\"203001011200\"")]
    [InlineData("expiry-time=\"20300101120000Z\"")]
    [InlineData("permit=\"10.0.0.0/8:443,10.1.0.0/16:1000-2000,[fd00::1]:22,fd00::/64:80,[fd00::/64]\"")]
    [InlineData("relay=\"gw.example:443,[fd00::1]:8443,10.0.0.1:1\"")]
    [InlineData("register=\"office,lab-2\"")]
    [InlineData("no-relay")]
    [InlineData("restrict")]
    [InlineData("address=\"10.77.0.9\",address=\"fd77::9\"")]
    public void Known_options_are_read(string options)
    {
        AuthorizedKeysFile file = AuthorizedKeysFile.Parse(options + " " + Line);
        Assert.Empty(file.UnusableLines);
        Assert.Single(file.Keys);
    }

    [Theory]
    [InlineData("command=\"/bin/sh\"")] // unknown
    [InlineData("no-pty")]
    [InlineData("cert-authority")]
    [InlineData("permt=\"10.0.0.0/8\"")]
    [InlineData("from=10.0.0.0/8")] // no quotes
    [InlineData("from=\"\"")]
    [InlineData("from=\"10.0.0.0/8")] // open quote
    [InlineData("from")]
    [InlineData("from=\"10.0.0.1/8\"")] // host bits
    [InlineData("from=\"10.0.0.0/33\"")]
    [InlineData("from=\"10.0.0.0/+8\"")]
    [InlineData("from=\"10.1\"")]
    [InlineData("from=\"010.0.0.1\"")]
    [InlineData("from=\"!10.0.0.1\"")]
    [InlineData("from=\"*.example\"")]
    [InlineData("from=\"10.0.0.1,\"")]
    [InlineData("from=\"::ffff:10.0.0.0/104\"")]
    [InlineData("from=\"fe80::1%eth0\"")]
    [InlineData("from=\"10.0.0.1\",from=\"10.0.0.2\"")]
    [InlineData("from=\"10.0.0.1\"x")]
    [InlineData("register=\"\"")]
    [InlineData("register")]
    [InlineData("register=\"office,\"")]
    [InlineData("register=\"office.example.org\"")]
    [InlineData("register=\"*\"")]
    [InlineData("register=\"a\",register=\"b\"")]
    [InlineData("expiry-time=\"2030\"")]
    [InlineData("expiry-time=\"20301301\"")]
    [InlineData("expiry-time=\"20300101 120000\"")]
    [InlineData("permit=\"10.0.0.0/8:0\"")]
    [InlineData("permit=\"10.0.0.0/8:65536\"")]
    [InlineData("permit=\"10.0.0.0/8:9-8\"")]
    [InlineData("permit=\"10.0.0.0/8:\"")]
    [InlineData("permit=\"fd00::1:443\"")] // an address, or a port?
    [InlineData("permit=\"any\"")]
    [InlineData("relay=\"host\"")]
    [InlineData("relay=\"host:0\"")]
    [InlineData("relay=\"*:22\"")]
    [InlineData("relay=\"10.1:22\"")]
    [InlineData("relay=\"fd00::1:22\"")]
    [InlineData("no-relay=\"yes\"")]
    [InlineData("no-relay,no-relay")]
    [InlineData("no-relay,")]
    [InlineData(",no-relay")]
    [InlineData("address=\"10.77.0.0/16\"")]
    [InlineData("address=\"10.77.0.9\",address=\"10.77.0.10\"")]
    public void Anything_else_makes_the_line_unusable_and_says_why(string options)
    {
        AuthorizedKeysFile file = AuthorizedKeysFile.Parse("\n" + options + " " + Line);
        Assert.Empty(file.Keys);
        UnusableLine line = Assert.Single(file.UnusableLines);
        Assert.Equal(2, line.LineNumber);
        Assert.NotEmpty(line.Reason);
        Assert.DoesNotContain('\n', line.Reason);
    }

    [Fact]
    public void Values_are_what_was_written()
    {
        AuthorizedKeyOptions options = Assert.Single(AuthorizedKeysFile.Parse(
            "permit=\"10.0.0.0/8:443,[fd00::/64]:1-2,10.9.9.9\",relay=\"GW.example:443,[fd00:0::1]:1\",address=\"10.77.0.9\","
            + "expiry-time=\"20300101120000Z\",from=\"192.0.2.0/24\" " + Line).Keys).Options;
        Assert.Equal(
            [new(IPNetwork.Parse("10.0.0.0/8"), 443, 443), new(IPNetwork.Parse("fd00::/64"), 1, 2), new(IPNetwork.Parse("10.9.9.9/32"), 0,
                65535)],
            options.Permit!);
        Assert.True(options.Permit![2].AllPorts);
        Assert.Equal([new RelayTarget("gw.example", 443), new RelayTarget("fd00::1", 1)], options.Relay!);
        Assert.Equal(IPAddress.Parse("10.77.0.9"), options.Address4);
        Assert.Null(options.Address6);
        Assert.Equal(new DateTimeOffset(2030, 1, 1, 12, 0, 0, TimeSpan.Zero), options.Expires);
        Assert.False(options.IsExpired(options.Expires!.Value.AddTicks(-1)));
        Assert.True(options.IsExpired(options.Expires.Value));
        Assert.True(options.AllowsPeer(IPAddress.Parse("192.0.2.200")));
        Assert.True(options.AllowsPeer(IPAddress.Parse("::ffff:192.0.2.200")));
        Assert.False(options.AllowsPeer(IPAddress.Parse("192.0.3.1")));
        Assert.False(options.AllowsPeer(IPAddress.IPv6Loopback));
    }

    [Fact]
    public void Weak_and_unsupported_keys_are_unusable_lines()
    {
        AuthorizedKeysFile file = AuthorizedKeysFile.Parse(File.ReadAllText(keys["rsa1024.pub"]) + "ssh-dss AAAAB3NzaC1kc3M= x\n" + File.ReadAllText(keys["ed25519.pub"]));
        Assert.Equal(3, Assert.Single(file.Keys).LineNumber);
        Assert.Contains("1024", file.UnusableLines[0].Reason, StringComparison.Ordinal);
        Assert.Contains("ssh-dss", file.UnusableLines[1].Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void Random_and_mutated_text_never_throws_and_never_widens()
    {
        var random = new Random(4);
        string line = "from=\"192.0.2.0/24\",permit=\"10.0.0.0/8:443\" " + Line;
        for (int i = 0; i < 5000; i++)
        {
            char[] text = line.ToCharArray();
            text[random.Next(46)] = (char)random.Next(32, 127);
            foreach (AuthorizedKey key in AuthorizedKeysFile.Parse(new string(text)).Keys)
            {
                // A usable line still has both limits, unless a mutation made the whole a comment.
                Assert.NotNull(key.Options.From);
                Assert.NotNull(key.Options.Permit);
            }
        }
        byte[] noise = new byte[400];
        for (int i = 0; i < 500; i++)
        {
            random.NextBytes(noise);
            Assert.Empty(AuthorizedKeysFile.Parse(System.Text.Encoding.Latin1.GetString(noise)).Keys);
        }
    }
}
