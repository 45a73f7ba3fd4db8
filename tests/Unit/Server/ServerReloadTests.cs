using PersonalVpn.Packets;
using PersonalVpn.Server.Configuration;
using PersonalVpn.Tunnel.Configuration;
using Xunit;

namespace PersonalVpn.Unit.ServerTests;

/// <summary>What SIGHUP may change, and what stays as the start made it.</summary>
public sealed class ServerReloadTests
{
    [Fact]
    public void What_concerns_new_sessions_alone_is_taken_over()
    {
        (ServerConfig merged, IReadOnlyList<string> restart) = Merge(Build("Route 10.0.0.0/8"),
            Build("Route 10.1.0.0/16", "Permit 10.1.2.0/24:443", "MaxSessions 7", "LoginGraceTime 5", "StrictModes no", "AuthorizedKeysFile /k/%u",
                "Match User alice", "Route 10.2.0.0/16", "AddressPool 10.77.0.0/16"));
        Assert.Empty(restart);
        Assert.Equal([IpPrefix.Parse("10.1.0.0/16")], merged.Default.Routes);
        Assert.Equal((7, 5d, false, "/k/%u", 1), (merged.MaxSessions, merged.LoginGraceTime.TotalSeconds, merged.StrictModes, merged.AuthorizedKeysFile, merged.Matches.Count));
    }

    [Theory]
    [InlineData("ListenAddress 192.0.2.1")]
    [InlineData("Port 8443")]
    [InlineData("HostKey /k")]
    [InlineData("Certificate /c")]
    [InlineData("AddressPool6 fd05::/64")]
    [InlineData("Egress routed")]
    [InlineData("Inject raw")]
    [InlineData("ControlSocket /s")]
    public void What_exists_once_stays_and_is_named(string line)
    {
        ServerConfig running = Build();
        (ServerConfig merged, IReadOnlyList<string> restart) = Merge(running, Build(line, "MaxSessions 7"));
        Assert.Equal([line.Split(' ')[0]], restart);
        Assert.Equal(7, merged.MaxSessions);
        Assert.Equal((running.Port, running.HostKey, running.Certificate, running.AddressPool6, running.Egress, running.Inject, running.ControlSocket),
            (merged.Port, merged.HostKey, merged.Certificate, merged.AddressPool6, merged.Egress, merged.Inject, merged.ControlSocket));
        Assert.Empty(merged.ListenAddresses);
    }

    /// <summary>A session given out of a pool that has no route would be a hole in the log and in the network.</summary>
    [Fact]
    public void A_new_pool_is_refused_and_an_old_one_may_be_used_by_other_blocks()
    {
        ServerConfig running = Build("Match User a", "AddressPool 10.5.0.0/24");
        Assert.Empty(Merge(running, Build("Match User b", "AddressPool 10.5.0.0/24")).NeedRestart);
        Assert.Equal("AddressPool 10.6.0.0/24 in a Match block is new: pools are made at the start; restart the server",
            Assert.Throws<ConfigurationException>(() => Merge(running, Build("Match User a", "AddressPool 10.6.0.0/24"))).Message);
    }

    private static (ServerConfig Config, IReadOnlyList<string> NeedRestart) Merge(ServerConfig running, ServerConfig read) =>
        ServerReload.Merge(running, read, running.Pools);

    private static ServerConfig Build(params string[] lines) => new ServerConfigReader().Build(KeywordFile.Parse("test.conf", string.Join('\n', lines)));
}
