using PersonalVpn.Cli;
using PersonalVpn.Cli.Config;
using PersonalVpn.Tunnel.Configuration;
using PersonalVpn.Unit.UserAuthTests;
using Xunit;

namespace PersonalVpn.Unit.CliTests.Dial;

/// <summary>ProxyCommand, Proxy and ProxyPasswordFile, and several places for one name, as the configuration has them.</summary>
public sealed class WayOutTests : IDisposable
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly TempDirectory _home = new();

    public WayOutTests() => Directory.CreateDirectory(_home[".config/pvpn"]);

    public void Dispose() => _home.Dispose();

    [Theory]
    [InlineData("nc %h %p", "nc real.example.org 8443")]
    [InlineData("ssh -W \"%h:%p\" jump # %% stays", "ssh -W \"real.example.org:8443\" jump # % stays")] // the shell's text, as it is
    [InlineData("x %n %r", "x gw alice")]
    [InlineData("none", null)]
    public void A_command_is_the_rest_of_the_line(string written, string? expected)
    {
        Config($"HostName real.example.org\nPort 8443\nUser alice\nProxyCommand {written}\n");
        ClientConfig c = Load();
        Assert.Equal((expected, true), (c.ProxyCommand, c.SaysWayOut));
    }

    [Theory]
    [InlineData("ProxyCommand nc %d", "'%d' stands for nothing here; there are %% %h %n %p %r")]
    [InlineData("ProxyCommand", "needs a value")]
    [InlineData("HostName a;reboot\nProxyCommand nc %h", "'a;reboot' has characters that a command must not be given; use another name for it, or no %h, %n or %r")]
    [InlineData("HostName `reboot`\nProxyCommand nc %h", "has characters that a command must not be given")]
    [InlineData("User \"$(reboot)\"\nProxyCommand nc %r", "has characters that a command must not be given")]
    [InlineData("User \"a b\"\nProxyCommand nc %r", "has characters that a command must not be given")]
    [InlineData("Proxy", "takes one URL, or none")]
    [InlineData("Proxy http://u:secret@p:1 more", "takes one URL, or none")]
    [InlineData("Proxy ftp://u:secret@p:1", "the URL's scheme is not http://")]
    [InlineData("Proxy http://u@p:1", "the URL names a user and no password; name a file with it: ProxyPasswordFile")]
    [InlineData("HostName", "needs a value")]
    [InlineData("HostName a bob@b", "'bob@b' has a user name in it; that is said by User")]
    [InlineData("HostName a:99999", "'a:99999': the port must be a number from 1 to 65535")]
    public void What_cannot_be_is_told_before_anything_is_done(string text, string error)
    {
        Config(text + "\n");
        string said = Assert.Throws<ConfigurationException>(() => Load().Check()).Message;
        Assert.Contains(error, said, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ProxyJump a\nProxyCommand c", "a", null, null)]
    [InlineData("ProxyCommand c\nProxyJump a", null, "c", null)]
    [InlineData("ProxyJump none\nProxyCommand c", null, null, null)]
    [InlineData("ProxyCommand none\nProxyJump a", null, null, null)]
    [InlineData("Proxy http://p:1\nProxyCommand c", null, null, "http://p:1")]
    [InlineData("ProxyCommand c\nProxy http://p:1", null, "c", null)]
    [InlineData("ProxyJump a\nProxy http://p:1", "a", null, "http://p:1")]
    [InlineData("proxycommand c\nPROXYCOMMAND d", null, "c", null)]
    public void Of_rivals_the_first_counts(string text, string? jump, string? command, string? proxy)
    {
        Config(text + "\n");
        ClientConfig c = Load();
        Assert.Equal((jump, command, proxy), (c.ProxyJump, c.ProxyCommand, c.Proxy?.ToString()));
    }

    [Fact]
    public void A_password_stands_where_others_cannot_read_it()
    {
        string file = Config("Proxy http://alice:secret@p:1\n", Private);
        Assert.Equal("secret", Load().Proxy!.Password);
        Assert.Equal("http://alice@p:1", Load().Effective().Single(v => v.Key == "Proxy").Value);
        File.SetUnixFileMode(file, Private | UnixFileMode.OtherRead);
        Assert.Equal($"{file}:1: Proxy: others may read the password in this file: chmod 600 {file}, or keep it in a ProxyPasswordFile", Assert.Throws<ConfigurationException>(() => Load().Check()).Message);
        File.SetUnixFileMode(file, Private | UnixFileMode.GroupRead);
        Assert.Throws<ConfigurationException>(() => Load().Check());
        Config("Proxy http://p:1\n", Private | UnixFileMode.OtherRead);
        Assert.Equal("http://p:1", Load().Proxy!.ToString());

        Assert.Equal("-o: Proxy: a password on the command line can be read by every user of this host; keep it in a ProxyPasswordFile, the configuration or https_proxy",
            Assert.Throws<ConfigurationException>(() => Load("Proxy=http://alice:secret@p:1").Check()).Message);
    }

    [Fact]
    public void A_password_file_is_its_owners_alone()
    {
        string file = _home.Write("pw", "sec ret\r\nsecond line\n", Private);
        string[] options = ["Proxy=socks5://alice@p:1", "ProxyPasswordFile=~/pw"];
        Assert.Equal("sec ret", Load(options).Proxy!.Password);
        foreach (UnixFileMode mode in new[] { UnixFileMode.GroupRead, UnixFileMode.OtherRead, UnixFileMode.OtherWrite })
        {
            File.SetUnixFileMode(file, Private | mode);
            Assert.Contains("others may read it, or it is not yours", Assert.Throws<ConfigurationException>(() => Load(options).Check()).Message, StringComparison.Ordinal);
        }
        File.SetUnixFileMode(file, Private);
        File.WriteAllText(file, "\n");
        Assert.Contains("is no password", Assert.Throws<ConfigurationException>(() => Load(options).Check()).Message, StringComparison.Ordinal);
        File.Delete(file);
        Assert.Equal($"-o: ProxyPasswordFile: {file} cannot be read: no such file", Assert.Throws<ConfigurationException>(() => Load(options).Check()).Message);
    }

    [Fact]
    public void One_place_is_one_chain_and_several_are_tried_in_order()
    {
        Config("Host gw\n  HostName gw1.example.org gw2.example.org:8443 [2001:db8::1]:9443 %h.example.net\nHost hop\n  HostName h1 h2\n");
        Assert.Equal(["hop2"], Places("hop2"));
        Assert.Equal(["gw1.example.org", "gw2.example.org:8443", "[2001:db8::1]:9443", "gw.example.net"], Places("gw"));
        Assert.All(Hop.Chains(Target.Parse("gw"), Load(), _home[".config/pvpn/config"]), c => Assert.Equal("gw", c[^1].Name));
        Assert.Equal("gw1.example.org gw2.example.org:8443 [2001:db8::1]:9443 gw.example.net", Load().Effective().Single(v => v.Key == "HostName").Value);
        Assert.Equal(["h1>gw1.example.org", "h1>gw2.example.org:8443", "h1>[2001:db8::1]:9443", "h1>gw.example.net", "h2>gw1.example.org", "h2>gw2.example.org:8443", "h2>[2001:db8::1]:9443", "h2>gw.example.net"],
            Places("gw", "ProxyJump=hop"));
        // With a port of its own, on the command line for all that have none.
        Assert.Equal(["gw1.example.org:4", "gw2.example.org:8443", "[2001:db8::1]:9443", "gw.example.net:4"], Places("gw", "Port=4"));
    }

    [Fact]
    public void Chains_are_bounded_and_loops_are_left_out()
    {
        Config($"Host gw\n  HostName {string.Join(' ', Enumerable.Range(0, 10).Select(i => $"g{i}"))}\nHost hop\n  HostName {string.Join(' ', Enumerable.Range(0, 10).Select(i => $"h{i}"))}\nHost twin\n  HostName g0 other\n");
        Assert.Equal(16, Places("gw", "ProxyJump=hop").Count);
        Assert.DoesNotContain("g0>g0", Places("gw", "ProxyJump=twin"));
        Config("Host gw\n  HostName g0 G0. g0:443\nHost twin\n  HostName g0\n");
        Assert.Throws<UserError>(() => Places("gw", "ProxyJump=twin"));
        Config($"HostName {string.Join(' ', Enumerable.Range(0, 17).Select(i => $"g{i}"))}\n");
        Assert.Contains("names more than 16 places", Assert.Throws<ConfigurationException>(() => Load().Check()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_first_gateways_own_way_out_counts_and_else_the_targets()
    {
        Config("Host hop\n  Proxy http://hop-proxy:1\nHost bare\n  User x\n");
        Assert.Equal("http://hop-proxy:1", First("hop").WayOut.Proxy!.ToString());
        Assert.Equal("http://mine:1", First("bare").WayOut.Proxy!.ToString());
        Config("Host two\n  HostName a b\n  ProxyCommand c %h\n");
        Assert.Equal(["c a", "c b"], Hop.Chains(Target.Parse("two"), Load("two", []), _home[".config/pvpn/config"]).Select(c => c[0].WayOut.ProxyCommand));

        Hop First(string hop) => Hop.Chains(Target.Parse("gw"), Load("Proxy=http://mine:1", "ProxyJump=" + hop), _home[".config/pvpn/config"])[0][0];
    }

    private List<string> Places(string gateway, params string[] options) =>
        [.. Hop.Chains(Target.Parse(gateway), Load(gateway, options), _home[".config/pvpn/config"]).Select(c => string.Join('>', c.Select(h => h.Place)))];

    private string Config(string text, UnixFileMode mode = Private | UnixFileMode.OtherRead) => _home.Write(".config/pvpn/config", text, mode);

    private ClientConfig Load(params string[] options) => Load("gw", options);

    private ClientConfig Load(string gateway, string[] options) => ClientConfig.Load(_home.Root, gateway, options, null);
}
