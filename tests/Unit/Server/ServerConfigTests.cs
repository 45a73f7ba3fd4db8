using Microsoft.Extensions.Logging;
using PersonalVpn.Packets;
using PersonalVpn.Server.Configuration;
using PersonalVpn.Tunnel.Configuration;
using PersonalVpn.Unit.Support;
using PersonalVpn.Unit.UserAuthTests;
using Xunit;

namespace PersonalVpn.Unit.ServerTests;

public sealed class ServerConfigTests
{
    [Fact]
    public void Defaults()
    {
        ServerConfig c = Build();
        Assert.Equal((443, "/etc/pvpn/host_key.pem", null, "/etc/pvpn/authorized_keys/%u", IpPrefix.Parse("10.77.0.0/16"), null),
            (c.Port, c.HostKey, c.Certificate, c.AuthorizedKeysFile, c.AddressPool, c.AddressPool6));
        Assert.Equal((EgressMode.Masquerade, InjectMode.Auto, 15d, 3, 30d), (c.Egress, c.Inject, c.ClientAliveInterval.TotalSeconds, c.ClientAliveCountMax, c.LoginGraceTime.TotalSeconds));
        Assert.Equal(("/run/pvpn/server.sock", null, LogLevel.Information), (c.ControlSocket, c.Banner, c.LogLevel));
        Assert.True(c.StrictModes);
        Assert.Empty(c.ListenAddresses);
        Assert.Empty(c.Matches);
        Assert.Equal([c.AddressPool], c.Pools);
    }

    [Fact]
    public void Every_keyword()
    {
        ServerConfig c = Build("ListenAddress 192.0.2.1", "ListenAddress 2001:db8::1", "Port 8443", "HostKey /k", "Certificate /c", "AuthorizedKeysFile %h/.pvpn/keys",
            "AddressPool 10.5.0.0/24", "AddressPool6 fd05::/64", "Route 10.0.0.0/8", "Route fd00::/8", "Permit 10.0.0.0/8:443", "Egress routed", "Inject tun",
            "AllowRelay gw2:443", "ClientAliveInterval 1m", "ClientAliveCountMax 5", "LoginGraceTime 10", "MaxSessions 7", "MaxSessionsPerUser 2", "MaxStartups 9",
            "ControlSocket /s", "Banner /b", "LogLevel debug", "StrictModes no", "WebRoot /w", "Register inner@gw.example.org office");
        Assert.Equal(("/w", "/etc/pvpn/known_hosts", null, "office"), (c.WebRoot, c.RegisterKnownHosts, c.RegisterIdentity, c.Registers.Single().Name));
        Assert.False(c.StrictModes);
        Assert.Equal(["192.0.2.1", "2001:db8::1"], c.ListenAddresses);
        Assert.Equal((8443, "/k", "/c", "%h/.pvpn/keys", "/s", "/b", LogLevel.Debug), (c.Port, c.HostKey, c.Certificate, c.AuthorizedKeysFile, c.ControlSocket, c.Banner, c.LogLevel));
        Assert.Equal((IpPrefix.Parse("10.5.0.0/24"), (IpPrefix?)IpPrefix.Parse("fd05::/64"), EgressMode.Routed, InjectMode.Tun), (c.AddressPool, c.AddressPool6, c.Egress, c.Inject));
        Assert.Equal((60d, 5, 10d, 7, 9), (c.ClientAliveInterval.TotalSeconds, c.ClientAliveCountMax, c.LoginGraceTime.TotalSeconds, c.MaxSessions, c.MaxStartups));
        Assert.Equal((2, 1, 2, 1), (c.Default.MaxSessionsPerUser, c.Default.Permits!.Count, c.Default.Routes!.Count, c.Default.AllowRelay!.Count));
    }

    [Fact]
    public void The_first_of_single_values_wins() => Assert.Equal((1, 5), (Build("Port 1", "port 2").Port, Build("MaxSessionsPerUser 5", "MaxSessionsPerUser 6").Default.MaxSessionsPerUser));

    [Fact]
    public void Banner_none()
    {
        Assert.Null(Build("Banner none").Banner);
        Assert.Null(Build("Banner none", "Banner /b").Banner);
    }

    [Fact]
    public void Match_blocks()
    {
        ServerConfig c = Build("Route 10.0.0.0/8", "Match User alice,bob*", "Route 10.1.0.0/16", "AddressPool 10.5.0.0/24", "MaxSessionsPerUser 1",
            "Match Group vpn User carol", "Permit 10.2.0.0/16:22", "AllowRelay x:1", "Match all", "Route 10.3.0.0/16");
        Assert.Equal(3, c.Matches.Count);
        Assert.Equal(["alice", "bob*"], c.Matches[0].Users);
        Assert.Equal([IpPrefix.Parse("10.1.0.0/16")], c.Matches[0].Settings.Routes);
        Assert.Equal(["carol"], c.Matches[1].Users);
        Assert.Equal(["vpn"], c.Matches[1].Groups);
        Assert.Equal(["*"], c.Matches[2].Users);
        Assert.Equal([IpPrefix.Parse("10.0.0.0/8")], c.Default.Routes);
        Assert.Equal([IpPrefix.Parse("10.77.0.0/16"), IpPrefix.Parse("10.5.0.0/24")], c.Pools);
    }

    [Theory]
    [InlineData("Port 443x", "test.conf:1: Port: '443x' is not a number from 1 to 65535")]
    [InlineData("Prot 443", "test.conf:1: unknown keyword 'Prot'; did you mean Port?")]
    [InlineData("ListenAddress localhost", "test.conf:1: ListenAddress: 'localhost' is not an IP address")]
    [InlineData("HostKey key.pem", "test.conf:1: HostKey: 'key.pem' is not an absolute path (it must begin with /)")]
    [InlineData("AddressPool 10.77.0.0/31", "test.conf:1: AddressPool: '10.77.0.0/31' is too small: a pool needs at least four addresses (one is the server's own)")]
    [InlineData("AddressPool fd77::/64", "test.conf:1: AddressPool: 'fd77::/64' is not an IPv4 block")]
    [InlineData("AddressPool6 10.77.0.0/16", "test.conf:1: AddressPool6: '10.77.0.0/16' is not an IPv6 block")]
    [InlineData("AddressPool 127.0.0.0/8", "test.conf:1: AddressPool: '127.0.0.0/8' cannot be a pool")]
    [InlineData("AddressPool 0.0.0.0/0", "test.conf:1: AddressPool: '0.0.0.0/0' cannot be a pool")]
    [InlineData("AddressPool6 fe80::/64", "test.conf:1: AddressPool6: 'fe80::/64' cannot be a pool")]
    [InlineData("Route fd00::/8", "test.conf:1: Route: is IPv6, but there is no AddressPool6 to give users an IPv6 address from")]
    [InlineData("Egress bridge", "test.conf:1: Egress: 'bridge' is not one of masquerade, routed")]
    [InlineData("Inject raw,tun", "test.conf:1: Inject: 'raw,tun' is not one of auto, raw, tun")]
    [InlineData("MaxStartups 30:10", "test.conf:1: MaxStartups: '30:10' is neither a number nor start:rate:full (as 10:30:100)")]
    [InlineData("MaxStartups 30:10:20", "test.conf:1: MaxStartups: '30:10:20' is neither a number nor start:rate:full (as 10:30:100)")]
    [InlineData("StrictModes maybe", "test.conf:1: StrictModes: 'maybe' is neither yes nor no")]
    [InlineData("Match User a|StrictModes no", "test.conf:2: StrictModes: may not stand in a Match block; move it above the first Match line")]
    [InlineData("LoginGraceTime", "test.conf:1: LoginGraceTime: '' is not a time such as 30, 2m or 1h")]
    [InlineData("ClientAliveCountMax 256", "test.conf:1: ClientAliveCountMax: '256' is not a number from 1 to 255")]
    [InlineData("Permit 10.0.0.0/8:0", "test.conf:1: Permit: '0' is not a port or a range such as 8000-8080")]
    [InlineData("Match", "test.conf:1: Match: needs 'User PATTERN,...' or 'Group PATTERN,...'")]
    [InlineData("Match User", "test.conf:1: Match: needs 'User PATTERN,...' or 'Group PATTERN,...'")]
    [InlineData("Match Address 10.0.0.0/8", "test.conf:1: Match: 'Address' is neither User nor Group")]
    [InlineData("Match User ,", "test.conf:1: Match: needs 'User PATTERN,...' or 'Group PATTERN,...'")]
    [InlineData("Match User *,!bob", "test.conf:1: Match: '!bob': a pattern cannot be negated here; name who is meant")]
    [InlineData("Match User a|Port 1", "test.conf:2: Port: may not stand in a Match block; move it above the first Match line")]
    [InlineData("Match User a|AddressPool6 fd00::/64", "test.conf:2: AddressPool6: may not stand in a Match block; move it above the first Match line")]
    [InlineData("Match User a|Rout 10.0.0.0/8", "test.conf:2: unknown keyword 'Rout'; did you mean Route?")]
    [InlineData("Match User a|Route fd00::/8", "test.conf:2: Route: is IPv6, but there is no AddressPool6 to give users an IPv6 address from")]
    [InlineData("Match User a|AddressPool 10.77.1.0/24", "test.conf:2: AddressPool: '10.77.1.0/24' overlaps the pool 10.77.0.0/16, and both would give out the same addresses; choose another block")]
    [InlineData("AddressPool 10.1.0.0/16|Match User a|AddressPool 10.0.0.0/8", "test.conf:3: AddressPool: '10.0.0.0/8' overlaps the pool 10.1.0.0/16, and both would give out the same addresses; choose another block")]
    [InlineData("Match User a|AddressPool 10.5.0.0/24|Match User b|AddressPool 10.5.0.0/25", "test.conf:4: AddressPool: '10.5.0.0/25' overlaps the pool 10.5.0.0/24, and both would give out the same addresses; choose another block")]
    public void Errors_name_file_and_line(string lines, string error) =>
        Assert.Equal(error, Assert.Throws<ConfigurationException>(() => Build(lines.Split('|'))).Message);

    [Fact]
    public void Pools_may_be_shared_by_blocks()
    {
        ServerConfig c = Build("Match User a", "AddressPool 10.5.0.0/24", "Match User b", "AddressPool 10.5.0.0/24", "Match User c", "AddressPool 10.77.0.0/16");
        Assert.Equal(2, c.Pools.Count());
    }

    [Fact]
    public void No_more_routes_than_a_client_takes()
    {
        string[] routes = [.. Enumerable.Range(0, 257).Select(i => $"Route 10.{i / 256}.{i % 256}.0/24")];
        Assert.Equal(256, Build(routes[..256]).Default.Routes!.Count);
        Assert.StartsWith("test.conf:257: Route: a user can be sent 256 routes at most", Assert.Throws<ConfigurationException>(() => Build(routes)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_check_command()
    {
        using var directory = new TempDirectory();
        string good = directory.Write("good", "Route 10.0.0.0/8\nMatch User a\nPermit 10.1.0.0/16:22\n"), bad = directory.Write("bad", "# x\nPrt 1\n");
        Assert.Equal((0, $"{good}: ok, 1 Match block\n", ""), ProgramRun.Run("pvpn-server", directory.Root, "check", "--config", good));
        Assert.Equal((1, "", $"{bad}:2: unknown keyword 'Prt'; did you mean Port?\n"), ProgramRun.Run("pvpn-server", directory.Root, "check", "--config", bad));
        // The server itself names the first and says where the others are.
        Assert.Equal((1, "", $"pvpn-server: {bad}:2: unknown keyword 'Prt'; did you mean Port?; 'pvpn-server check --config {bad}' shows all that is wrong\n"), ProgramRun.Run("pvpn-server", directory.Root, "--config", bad));
        string idle = directory.Write("idle", "Permit 10.0.0.0/8\n");
        Assert.Equal((0, $"{idle}: ok, 0 Match blocks\n", $"{idle}: warning: there is no Route; users who name no destination are refused\n"), ProgramRun.Run("pvpn-server", directory.Root, "check", "--config", idle));
        string hop = directory.Write("hop", "AllowRelay office:443\n");
        Assert.Equal((0, $"{hop}: ok, 0 Match blocks\n", ""), ProgramRun.Run("pvpn-server", directory.Root, "check", "--config", hop));
        string half = directory.Write("half", $"Route 10.0.0.0/8\nAllowRegister office depot\nMatch User a\nAllowRelay office:443\n");
        Assert.Equal((0, $"{half}: ok, 1 Match block\n", $"{half}: warning: AllowRegister depot: no AllowRelay leads there; add 'AllowRelay depot:443', or nobody reaches that server\n"),
            ProgramRun.Run("pvpn-server", directory.Root, "check", "--config", half));
        string away = Path.Combine(directory.Root, "gateways"), stranger = directory.Write("stranger", $"Route 10.0.0.0/8\nRegister office@gw.example.org office\nRegisterKnownHosts {away}\n");
        Assert.Equal((0, $"{stranger}: ok, 0 Match blocks\n", $"{stranger}: warning: Register: there is no {away} (RegisterKnownHosts) with the gateways' keys, so this server registers with none; the log has the line to add\n"),
            ProgramRun.Run("pvpn-server", directory.Root, "check", "--config", stranger));
        string worse = directory.Write("worse", "Prt 1\nBanner /nonexistent\nRoute x\nMatch Usr a\nRoute 10.0.0.0/8\nPort 1\n");
        (int code, string output, string error) = ProgramRun.Run("pvpn-server", directory.Root, "check", "--config", worse);
        Assert.Equal((1, ""), (code, output));
        Assert.Equal([$"{worse}:1:", $"{worse}:3:", $"{worse}:4:", $"{worse}:6:"], error.TrimEnd().Split('\n').Select(l => l.Split(' ')[0]));
        string named = directory.Write("named", $"HostKey {directory.Write("key", "no key")}\nBanner /nonexistent\nWebRoot /nonexistent\nRegisterIdentity /nonexistent\n");
        (code, _, error) = ProgramRun.Run("pvpn-server", directory.Root, "check", "--config", named);
        Assert.Equal(1, code);
        Assert.Equal([$"{named}:1: HostKey:", $"{named}:2: Banner:", $"{named}:4: RegisterIdentity:", $"{named}:3: WebRoot:"], error.TrimEnd().Split('\n').Select(l => string.Join(' ', l.Split(' ').Take(2))));
        Assert.Equal((1, "", $"{directory["no"]}: cannot be read: no such file\n"), ProgramRun.Run("pvpn-server", directory.Root, "--config", directory["no"], "check"));
    }

    [Fact]
    public void Include()
    {
        using var directory = new TempDirectory();
        directory.Write("1.conf", "Route 10.1.0.0/16\nMatch User bob\nMaxSessionsPerUser 3\n");
        directory.Write("2.conf", "Route 10.2.0.0/16\nRout 1\n");
        string main = directory.Write("main", "Include [12].conf none*.conf\nMatch User alice\nInclude 1.conf\nRoute 10.3.0.0/16\n");
        ServerConfig c = ServerConfigReader.Load(main);
        Assert.Null(c.Default.Routes); // brackets are no pattern here
        Assert.Equal(2, c.Matches.Count);
        // what follows the Include belongs to alice's block again, although the file ended in bob's
        Assert.Equal([IpPrefix.Parse("10.1.0.0/16"), IpPrefix.Parse("10.3.0.0/16")], c.Matches[0].Settings.Routes);
        Assert.Equal((3, null), (c.Matches[1].Settings.MaxSessionsPerUser, c.Matches[1].Settings.Routes));
        main = directory.Write("main", "Include ?.conf\nPort 1x\n");
        Assert.Equal([$"{directory["2.conf"]}:2: unknown keyword 'Rout'; did you mean Route?", $"{main}:2: Port: '1x' is not a number from 1 to 65535"],
            Assert.Throws<ConfigurationException>(() => ServerConfigReader.Load(main)).All);
        main = directory.Write("main", "Include main\n");
        Assert.Contains("goes deeper than 16 files; is it a loop?", Assert.Throws<ConfigurationException>(() => ServerConfigReader.Load(main)).Message, StringComparison.Ordinal);
    }

    private static ServerConfig Build(params string[] lines) => new ServerConfigReader().Build(ConfigText.Lines(lines));
}
