using PersonalVpn.Cli;
using PersonalVpn.Cli.Config;
using PersonalVpn.Tunnel.Configuration;
using PersonalVpn.Unit.UserAuthTests;
using Xunit;

namespace PersonalVpn.Unit.CliTests;

/// <summary>ssh_config's rules: command line, then the user's file, then the system's; in each the first value wins.</summary>
public sealed class ClientConfigTests : IDisposable
{
    private readonly TempDirectory _home = new();

    public ClientConfigTests() => Directory.CreateDirectory(_home[".config/pvpn"]);

    public void Dispose() => _home.Dispose();

    [Fact]
    public void Defaults()
    {
        ClientConfig c = Load("gw");
        Assert.Equal((null, 443, null, null, HostKeyChecking.Ask, 15d), (c.HostName, c.Port, c.User, c.ProxyJump, c.StrictHostKeyChecking, c.ConnectTimeout.TotalSeconds));
        Assert.Equal("/run/pvpn/forwarder.sock", c.ForwarderSocket);
        Assert.Equal([_home[".config/pvpn/known_hosts"]], c.KnownHostsFiles);
        Assert.False(c.IdentitiesOnly);
        Assert.Null(c.ServerAliveInterval);
        Assert.Empty(c.Routes);
    }

    [Fact]
    public void The_command_line_beats_the_file_and_the_first_value_wins()
    {
        File("Host gw", "  User filed", "  User later", "  Port 1000", "Host *", "  User any", "  ConnectTimeout 5");
        ClientConfig c = Load("gw", "User=typed", "User=again");
        Assert.Equal(("typed", 1000, 5d), (c.User, c.Port, c.ConnectTimeout.TotalSeconds));
        Assert.Equal("filed", Load("gw").User);
        Assert.Equal(("any", 443), (Load("other").User, Load("other").Port));
    }

    [Theory]
    [InlineData("gw", true)]
    [InlineData("GW", true)]
    [InlineData("gw2", true)]
    [InlineData("gw.example.org", true)]
    [InlineData("secret.example.org", false)]
    [InlineData("example.org", false)]
    public void Host_patterns(string gateway, bool matches)
    {
        File("Host gw gw? *.example.org !secret.*", "  User x");
        Assert.Equal(matches ? "x" : null, Load(gateway).User);
    }

    [Fact]
    public void A_negation_alone_matches_nothing()
    {
        File("Host !gw", "  User x");
        Assert.Null(Load("other").User);
    }

    [Fact]
    public void Lines_before_the_first_host_count_for_all()
    {
        File("User global", "Host gw", "User x");
        Assert.Equal("global", Load("gw").User);
    }

    [Fact]
    public void Lists_add_up()
    {
        File("IdentityFile ~/.ssh/b", "Route 10.0.0.0/8 fd00::/8", "Route 192.0.2.0/24");
        ClientConfig c = Load("gw", "IdentityFile=~/a", "IdentityFile=/abs/c");
        Assert.Equal([_home["a"], "/abs/c", _home[".ssh/b"]], c.IdentityFiles);
        Assert.Equal(["10.0.0.0/8", "fd00::/8", "192.0.2.0/24"], c.Routes);
    }

    [Fact]
    public void Include_reads_in_place_and_in_order()
    {
        _home.Write(".config/pvpn/b.conf", "User b\nConnectTimeout 2m\n");
        _home.Write(".config/pvpn/a.conf", "User a\n");
        File("Include *.conf nothing-*.here", "User late");
        Assert.Equal(("a", 120d), (Load("gw").User, Load("gw").ConnectTimeout.TotalSeconds));
        // Inside a Host block that does not match, nothing is read.
        File("Host other", "  Include *.conf");
        Assert.Null(Load("gw").User);
        // A Host block ends with the file it stands in.
        _home.Write(".config/pvpn/a.conf", "Host nobody\n");
        File("Include a.conf", "User after");
        Assert.Equal("after", Load("gw").User);
    }

    [Fact]
    public void An_include_loop_ends()
    {
        File("Include config");
        Assert.Contains("is it a loop?", Assert.Throws<ConfigurationException>(() => Load("gw")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Another_file_or_none()
    {
        File("User usual");
        string other = _home.Write("other", "User other\n");
        Assert.Equal("other", ClientConfig.Load(_home.Root, "gw", [], other).User);
        Assert.Null(ClientConfig.Load(_home.Root, "gw", [], "none").User);
        Assert.Contains("no such file", Assert.Throws<ConfigurationException>(() => ClientConfig.Load(_home.Root, "gw", [], _home["missing"])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Unknown_keywords_are_errors_even_where_they_do_not_apply()
    {
        File("Host other", "  Prot 1");
        Assert.Equal($"{_home[".config/pvpn/config"]}:2: unknown keyword 'Prot'; did you mean Port?", Assert.Throws<ConfigurationException>(() => Load("gw")).Message);
        File();
        Assert.Equal("-o: unknown keyword 'Compression'; 'man pvpn_config' has the valid ones", Assert.Throws<ConfigurationException>(() => Load("gw", "Compression=yes")).Message);
    }

    [Theory]
    [InlineData("")]
    [InlineData("# nothing")]
    [InlineData("User=a\nPort=1")] // one option, one line
    public void Options_are_one_pair(string option) => Assert.Equal(ExitCodes.Usage, Assert.Throws<UserError>(() => Load("gw", option)).ExitCode);

    [Theory]
    [InlineData("Port=0", "-o: Port: '0' is not a number from 1 to 65535")]
    [InlineData("Port", "-o: Port: '' is not a number from 1 to 65535")]
    [InlineData("ConnectTimeout", "-o: ConnectTimeout: '' is not a time such as 30, 2m or 1h")]
    [InlineData("IdentitiesOnly=maybe", "-o: IdentitiesOnly: 'maybe' is neither yes nor no")]
    [InlineData("StrictHostKeyChecking=perhaps", "-o: StrictHostKeyChecking: 'perhaps' is not one of ask, accept-new, yes, no")]
    [InlineData("User=", "-o: User: needs a value")]
    public void Bad_values(string option, string error)
    {
        ClientConfig c = Load("gw", option);
        Assert.Equal(error, Assert.Throws<ConfigurationException>(() => { _ = (c.Port, c.ConnectTimeout, c.IdentitiesOnly, c.StrictHostKeyChecking, c.User); }).Message);
    }

    [Theory]
    [InlineData("ask", 0)]
    [InlineData("accept-new", 1)]
    [InlineData("YES", 2)]
    [InlineData("no", 3)]
    [InlineData("off", 3)]
    public void Host_key_checking(string text, int value) => Assert.Equal((HostKeyChecking)value, Load("gw", "StrictHostKeyChecking=" + text).StrictHostKeyChecking);

    [Fact]
    public void Proxy_jump_none() => Assert.Null(Load("gw", "ProxyJump=none").ProxyJump);

    private ClientConfig Load(string gateway, params string[] options) => ClientConfig.Load(_home.Root, gateway, options, null);

    private void File(params string[] lines) => _home.Write(".config/pvpn/config", string.Join('\n', lines));
}
