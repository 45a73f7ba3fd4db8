using PersonalVpn.Cli.Config;
using PersonalVpn.Linux;
using PersonalVpn.Tunnel.Configuration;
using PersonalVpn.Unit.UserAuthTests;
using Xunit;

namespace PersonalVpn.Unit.CliTests;

/// <summary>Words, quotes, tokens, variables and whose a file is, as ssh_config(5) has them.</summary>
public sealed class TokensTests : IDisposable
{
    private readonly TempDirectory _home = new();

    public TokensTests() => Directory.CreateDirectory(_home[".config/pvpn"]);

    public void Dispose() => _home.Dispose();

    [Theory]
    [InlineData("%d/key", "HOME/key")]
    [InlineData("~/key", "HOME/key")]
    [InlineData("~", "HOME")]
    [InlineData("~root/key", "/root/key")]
    [InlineData("/k/%h-%n-%p-%r", "/k/real.example.org-gw-8443-alice")]
    [InlineData("/k/%u-%i", "/k/LOCAL-UID")]
    [InlineData("/k/%k-%j", "/k/gw-a@b,c:1")]
    [InlineData("/k/%l", "/k/MACHINE")]
    [InlineData("/k/100%%", "/k/100%")]
    [InlineData("${HOME}/k", "ENVHOME/k")]
    [InlineData("\"/with space/%p\"", "/with space/8443")]
    [InlineData("/with\\ space", "/with space")]
    [InlineData("'/a \"b\"'", "/a \"b\"")]
    public void In_IdentityFile(string written, string expected)
    {
        expected = expected.Replace("ENVHOME", Environment.GetEnvironmentVariable("HOME"), StringComparison.Ordinal).Replace("HOME", _home.Root, StringComparison.Ordinal)
            .Replace("LOCAL", Environment.UserName, StringComparison.Ordinal).Replace("UID", $"{FileOwner.CurrentUid}", StringComparison.Ordinal)
            .Replace("MACHINE", Environment.MachineName, StringComparison.Ordinal);
        _home.Write(".config/pvpn/config", $"HostName real.example.org\nPort 8443\nUser alice\nProxyJump a@b,c:1\nIdentityFile {written}\n");
        Assert.Equal([expected], Load().IdentityFiles);
    }

    [Theory]
    [InlineData("IdentityFile /k/%x", "IdentityFile: '%x' stands for nothing here; there are %% %C %d %h %i %j %k %L %l %n %p %r %u")]
    [InlineData("IdentityFile /k/%", "IdentityFile: '/k/%' ends with a %; a literal one is written %%")]
    [InlineData("HostName %p", "HostName: '%p' stands for nothing here; there are %% and %h")]
    [InlineData("UserKnownHostsFile ${NO_SUCH_VARIABLE}", "UserKnownHostsFile: the environment has no NO_SUCH_VARIABLE")]
    [InlineData("IdentityFile ${HOME", "IdentityFile: '${HOME': a '${' without '}'")]
    [InlineData("IdentityFile ~nosuchuser/k", "IdentityFile: '~nosuchuser': there is no user nosuchuser on this host")]
    [InlineData("IdentityFile \"/k", "IdentityFile: a quote is not closed")]
    [InlineData("IdentityFile /a b", "IdentityFile: takes one value, and '/a b' is several; a value with spaces is put in double quotes")]
    [InlineData("User", "User: needs a value")]
    [InlineData("Route 10.0.0.1/8", "Route: '10.0.0.1/8' is not an address, a CIDR block such as 10.1.0.0/16 (host bits zero), or 'default'")]
    [InlineData("Host", "Host: needs at least one pattern")]
    [InlineData("Include", "Include: needs at least one file name")]
    public void Errors_name_file_line_and_keyword(string line, string error)
    {
        _home.Write(".config/pvpn/config", "# first\n" + line + "\n");
        Assert.Equal($"{_home[".config/pvpn/config"]}:2: {error}", Assert.Throws<ConfigurationException>(() => Load().Check()).Message);
    }

    [Fact]
    public void A_hash_of_the_connection_is_another_one_for_another_connection()
    {
        string Hash(params string[] options) => Assert.Single(Load(["IdentityFile=/k/%C", "Port=1", .. options]).IdentityFiles);
        Assert.Matches("^/k/[0-9a-f]{40}$", Hash());
        Assert.Equal(Hash(), Hash("ProxyJump=none"));
        Assert.Equal(3, new[] { Hash(), Hash("User=somebody-else"), Hash("ProxyJump=hop") }.Distinct().Count());
    }

    [Fact]
    public void HostName_may_be_made_of_what_was_typed()
    {
        _home.Write(".config/pvpn/config", "HostName %h.example.org\nUserKnownHostsFile ~/a \"~/b c\" /%n\n");
        Assert.Equal("gw.example.org", Load().HostName);
        Assert.Equal([_home["a"], _home["b c"], "/gw"], Load().KnownHostsFiles);
        Assert.Equal(["/dev/null"], Load("UserKnownHostsFile=none").KnownHostsFiles);
        Assert.Equal(["/dev/null"], Load("UserKnownHostsFile=/dev/null").KnownHostsFiles);
    }

    [Fact]
    public void The_agent_may_be_named_by_a_variable()
    {
        Assert.Equal("none", Load("IdentityAgent=none").IdentityAgent);
        Assert.Equal(Environment.GetEnvironmentVariable("HOME"), Load("IdentityAgent=$HOME").IdentityAgent);
        Assert.Equal(Environment.GetEnvironmentVariable("SSH_AUTH_SOCK"), Load("IdentityAgent=SSH_AUTH_SOCK").IdentityAgent);
        Assert.Equal(_home["agent"], Load("IdentityAgent=~/agent").IdentityAgent);
    }

    [Fact]
    public void Include_stands_inside_a_Host_block_and_takes_patterns_in_directories()
    {
        Directory.CreateDirectory(_home[".config/pvpn/d1"]);
        Directory.CreateDirectory(_home[".config/pvpn/d2"]);
        _home.Write(".config/pvpn/d1/a.conf", "User a\n");
        _home.Write(".config/pvpn/d2/b.conf", "Port 1000\n");
        _home.Write(".config/pvpn/d2/.hidden.conf", "Port 1\n");
        _home.Write(".config/pvpn/config", "Host other\n  Include d1/*\nHost gw\n  Include d?/*.conf\nHost *\n  ConnectTimeout 3\n");
        Assert.Equal(("a", 1000, 3d), (Load().User, Load().Port, Load().ConnectTimeout.TotalSeconds));
    }

    /// <summary>A block that is not reached is read all the same: its files, too, must be good.</summary>
    [Fact]
    public void What_does_not_count_is_looked_at()
    {
        _home.Write(".config/pvpn/bad.conf", "Prot 1\n");
        _home.Write(".config/pvpn/config", "Host other\n  Include bad.conf\n");
        Assert.Equal($"{_home[".config/pvpn/bad.conf"]}:1: unknown keyword 'Prot'; did you mean Port?", Assert.Throws<ConfigurationException>(() => Load()).Message);
    }

    [Theory]
    [InlineData(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupWrite, false)]
    [InlineData(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherWrite, false)]
    [InlineData(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead, true)]
    public void A_file_that_others_may_write_is_refused(UnixFileMode mode, bool good)
    {
        foreach (string name in new[] { "config", "included.conf" })
        {
            _home.Write(".config/pvpn/config", "Include included.conf\n");
            _home.Write(".config/pvpn/included.conf", "User x\n");
            string file = _home[".config/pvpn/" + name];
            File.SetUnixFileMode(file, mode);
            if (good) Assert.Equal("x", Load().User);
            else Assert.StartsWith($"{file}: others could have written it; ", Assert.Throws<ConfigurationException>(() => Load()).Message, StringComparison.Ordinal);
            File.Delete(file);
        }
        // As with ssh: a file that was named is taken as it is.
        string named = _home.Write("named", "User named\n");
        File.SetUnixFileMode(named, mode);
        Assert.Equal("named", ClientConfig.Load(_home.Root, "gw", [], named).User);
    }

    [Theory]
    [InlineData("status", "stauts", 1)]
    [InlineData("down", "donw", 1)]
    [InlineData("check", "chek", 1)]
    [InlineData("abc", "ca", 3)]
    [InlineData("", "abc", 3)]
    public void Distances(string a, string b, int distance) => Assert.Equal(distance, NearestWord.Distance(a, b));

    private ClientConfig Load(params string[] options) => ClientConfig.Load(_home.Root, "gw", options, null);
}
