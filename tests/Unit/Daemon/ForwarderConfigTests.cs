using Microsoft.Extensions.Logging;
using PersonalVpn.Daemon;
using PersonalVpn.Daemon.Control;
using PersonalVpn.Packets;
using PersonalVpn.Tunnel.Configuration;
using PersonalVpn.Unit.Support;
using PersonalVpn.Unit.UserAuthTests;
using PersonalVpn.UserAuth;
using Xunit;

namespace PersonalVpn.Unit.DaemonTests;

public sealed class ForwarderConfigTests
{
    [Fact]
    public void Defaults()
    {
        ForwarderConfig c = Build();
        Assert.Equal(("/run/pvpn/forwarder.sock", 8, (ushort)7570, OwnerLookupMode.Kernel, LogLevel.Information),
            (c.ControlSocket, c.MaxTunnelsPerUser, c.QueueNumber, c.OwnerLookup, c.LogLevel));
        Assert.Equal([IpPrefix.AllV4, IpPrefix.AllV6], c.PermitDestination);
        Assert.Empty(c.AllowUsers.Concat(c.DenyUsers).Concat(c.AllowGroups).Concat(c.DenyGroups));
        // An inner address becomes a local address of the host: private use only.
        Assert.Contains(c.PermitAddress, p => p.Contains(IpAddr.Parse("10.77.0.2")));
        foreach (string a in new[] { "8.8.8.8", "172.32.0.1", "192.0.2.1", "127.0.0.1", "169.254.1.1", "2001:db8::1", "fe80::1", "::1" })
            Assert.DoesNotContain(c.PermitAddress, p => p.Contains(IpAddr.Parse(a)));
    }

    [Fact]
    public void Every_keyword()
    {
        ForwarderConfig c = Build("ControlSocket /tmp/s", "AllowUsers alice b*", "DenyUsers mallory", "AllowGroups vpn", "DenyGroups guests",
            "PermitDestination 10.0.0.0/8", "PermitAddress 10.77.0.0/16", "MaxTunnelsPerUser 2", "QueueNumber 100", "OwnerLookup procfs", "LogLevel debug");
        Assert.Equal(("/tmp/s", 2, (ushort)100, OwnerLookupMode.Procfs, LogLevel.Debug), (c.ControlSocket, c.MaxTunnelsPerUser, c.QueueNumber, c.OwnerLookup, c.LogLevel));
        Assert.Equal(["alice", "b*"], c.AllowUsers);
        Assert.Equal(["mallory"], c.DenyUsers);
        Assert.Equal(["vpn"], c.AllowGroups);
        Assert.Equal(["guests"], c.DenyGroups);
        Assert.Equal([IpPrefix.Parse("10.0.0.0/8")], c.PermitDestination);
        Assert.Equal([IpPrefix.Parse("10.77.0.0/16")], c.PermitAddress);
    }

    [Fact]
    public void Lists_add_up_and_of_single_values_the_first_wins()
    {
        ForwarderConfig c = Build("QueueNumber 1", "queuenumber 2", "AllowUsers a", "ALLOWUSERS b", "PermitDestination 10.0.0.0/8", "PermitDestination fd00::/8");
        Assert.Equal(1, c.QueueNumber);
        Assert.Equal(["a", "b"], c.AllowUsers);
        Assert.Equal(2, c.PermitDestination.Count);
    }

    [Theory]
    [InlineData("ControlSocket run/x", "test.conf:2: ControlSocket: 'run/x' is not an absolute path (it must begin with /)")]
    [InlineData("AllowUsers * !bob", "test.conf:2: AllowUsers: '!bob': a pattern cannot be negated here; use DenyUsers or DenyGroups")]
    [InlineData("AllowUsers", "test.conf:2: AllowUsers: needs at least one name")]
    [InlineData("DenyGroups # none", "test.conf:2: DenyGroups: needs at least one name")]
    [InlineData("PermitDestination all", "test.conf:2: PermitDestination: 'all' is not a CIDR block such as 10.0.0.0/8 (host bits must be zero)")]
    [InlineData("PermitAddress 10.0.0.1/8", "test.conf:2: PermitAddress: '10.0.0.1/8' is not a CIDR block such as 10.0.0.0/8 (host bits must be zero)")]
    [InlineData("MaxTunnelsPerUser -1", "test.conf:2: MaxTunnelsPerUser: '-1' is not a number from 0 to 1000")]
    [InlineData("QueueNumber 65535", "test.conf:2: QueueNumber: '65535' is not a number from 0 to 65534")] // two queues are used
    [InlineData("OwnerLookup guess", "test.conf:2: OwnerLookup: 'guess' is not one of kernel, sockdiag, procfs")]
    [InlineData("LogLevel loud", "test.conf:2: LogLevel: 'loud' is not one of quiet, error, warning, info, verbose, debug")]
    [InlineData("PermitDestinations 10.0.0.0/8", "test.conf:2: unknown keyword 'PermitDestinations'; did you mean PermitDestination?")]
    [InlineData("Port 443", "test.conf:2: unknown keyword 'Port'; 'man forwarder.conf' has the valid ones")]
    public void Errors_name_file_and_line(string line, string error) =>
        Assert.Equal(error, Assert.Throws<ConfigurationException>(() => Build("# a comment", line)).Message);

    [Fact]
    public void A_second_value_is_checked_although_it_does_not_count() =>
        Assert.Throws<ConfigurationException>(() => Build("QueueNumber 1", "QueueNumber x"));

    [Fact]
    public void A_file_that_was_named_must_be_there() =>
        Assert.Contains("no such file", Assert.Throws<ConfigurationException>(() => ForwarderConfig.Load("/nonexistent/forwarder.conf")).Message, StringComparison.Ordinal);

    [Fact]
    public void Include_and_the_check_command()
    {
        using var directory = new TempDirectory();
        Directory.CreateDirectory(directory["d"]);
        directory.Write("d/a.conf", "AllowUsers a\nQueueNumber 5\n");
        string main = directory.Write("main", "Include d/*.conf\nAllowUsers b\nQueueNumber 6\n");
        ForwarderConfig c = ForwarderConfig.Load(main);
        Assert.Equal(["a", "b"], c.AllowUsers);
        Assert.Equal(5, c.QueueNumber);
        Assert.Equal((0, $"{main}: ok\n", ""), ProgramRun.Run("pvpnd", directory.Root, "check", "--config", main));
        directory.Write("d/b.conf", "AllowUser x\n");
        main = directory.Write("main", "Include d/*.conf\nLogLevel loud\n");
        Assert.Equal((1, "", $"{directory["d/b.conf"]}:1: unknown keyword 'AllowUser'; did you mean AllowUsers?\n" +
            $"{main}:2: LogLevel: 'loud' is not one of quiet, error, warning, info, verbose, debug\n"), ProgramRun.Run("pvpnd", directory.Root, "--config", main, "check"));
    }

    // ---- who may ----

    [Theory]
    [InlineData(0u, "", false)]
    [InlineData(0u, "AllowUsers *", false)] // a pattern does not mean root
    [InlineData(0u, "AllowUsers ro?t", false)]
    [InlineData(0u, "AllowUsers root", true)]
    [InlineData(0u, "AllowUsers root|DenyUsers root", false)]
    [InlineData(1u, "", true)]
    [InlineData(1u, "AllowUsers daemon", true)]
    [InlineData(1u, "AllowUsers d*", true)]
    [InlineData(1u, "AllowUsers Daemon", false)]
    [InlineData(1u, "AllowUsers alice", false)]
    [InlineData(1u, "DenyUsers d?emon", false)]
    [InlineData(1u, "AllowUsers daemon|DenyUsers *", false)]
    [InlineData(1u, "AllowGroups daemon", true)]
    [InlineData(1u, "AllowGroups wheel", false)]
    [InlineData(1u, "DenyGroups daemon", false)]
    [InlineData(1u, "AllowUsers daemon|DenyGroups daemon", false)]
    [InlineData(1u, "DenyGroups wheel", true)]
    [InlineData(4_000_000_000u, "AllowUsers *", false)] // no account
    public void Access(uint uid, string lines, bool allowed) => Assert.Equal(allowed, AccessPolicy.Refusal(Build(lines.Split('|')), uid) is null);

    private static ForwarderConfig Build(params string[] lines) => ForwarderConfig.Build(ConfigText.Lines(lines));
}
