using PersonalVpn.Unit.Support;
using PersonalVpn.Unit.UserAuthTests;
using Xunit;

namespace PersonalVpn.Unit.CliTests;

/// <summary><c>pvpn -G</c> by the built program.</summary>
public sealed class ShowConfigTests : IDisposable
{
    private readonly TempDirectory _home = new();

    public void Dispose() => _home.Dispose();

    [Fact]
    public void Everything_that_counts()
    {
        Directory.CreateDirectory(_home[".config/pvpn"]);
        _home.Write(".config/pvpn/config", """
            Host office off?ce !nowhere
              HostName gateway.example.org
              User="alice"
              IdentityFile ~/.ssh/%r_key
              Route 10.1.0.0/16 default
              ServerAliveInterval 2m
            Host *
              User bob
              Port 8443
              StrictHostKeyChecking off
              UserKnownHostsFile ~/a ~/b
            """);
        (int code, string output, string error) = ProgramRun.Run("pvpn", _home.Root, "-G", "-i", "/k", "-o", "ConnectTimeout=1m", "office:443", "10.0.0.0/8");
        Assert.Equal((0, ""), (code, error));
        Assert.Equal($"""
            host office
            user alice
            hostname gateway.example.org
            port 443
            connecttimeout 60
            forwardersocket /run/pvpn/forwarder.sock
            identitiesonly no
            identityfile /k
            identityfile {_home[".ssh/alice_key"]}
            reconnect yes
            route 10.1.0.0/16
            route default
            serveraliveinterval 120
            stricthostkeychecking no
            userknownhostsfile {_home["a"]} {_home["b"]}

            """, output);
    }

    [Fact]
    public void Where_keys_are_looked_for_when_none_is_named()
    {
        (int code, string output, string error) = ProgramRun.Run("pvpn", _home.Root, "-G", "office");
        Assert.Equal((0, ""), (code, error));
        Assert.Equal(["identityfile " + _home[".ssh/id_rsa"], "identityfile " + _home[".ssh/id_ecdsa"], "identityfile " + _home[".ssh/id_ed25519"]],
            output.Split('\n').Where(l => l.StartsWith("identityfile ", StringComparison.Ordinal)));
    }
}
