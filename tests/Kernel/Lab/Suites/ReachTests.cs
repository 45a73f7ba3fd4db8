
namespace PersonalVpn.Kernel.Lab.Suites;

/// <summary>What a tunnel's owner reaches, and which address the inner host sees.</summary>
public abstract class ReachTests(LabFixture lab) : LabTests(lab)
{
    [Theory]
    [InlineData("tcp", LabFixture.Hidden4)]
    [InlineData("tcp", LabFixture.Hidden6)]
    [InlineData("udp", LabFixture.Hidden4)]
    [InlineData("udp", LabFixture.Hidden6)]
    [InlineData("tcp", LabFixture.Inner4)]
    [InlineData("udp", LabFixture.Inner6)]
    public async Task Routed_the_inner_host_sees_the_owners_inner_address(string protocol, string address)
    {
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
        string answer = await TalkAsync("alice", protocol, address, "hello");
        string expected = address.Contains(':', StringComparison.Ordinal) ? tunnel.Address6 : tunnel.Address4;
        Assert.Equal(expected, answer.Split(' ')[0]);
        Assert.EndsWith(" hello", answer, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(LabFixture.Hidden4)]
    [InlineData(LabFixture.Hidden6)]
    [InlineData(LabFixture.Inner4)]
    [InlineData(LabFixture.Inner6)]
    public async Task Ping_is_answered(string address)
    {
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
        (await Lab.RunAsync("alice", "ping", "-n", "-c", "3", "-i", "0.1", "-W", "2", address)).Succeeded();
    }

    [Fact]
    public async Task A_large_ping_is_answered()
    {
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
        (await Lab.RunAsync("alice", "ping", "-n", "-c", "2", "-i", "0.1", "-W", "2", "-s", "8000", LabFixture.Hidden4)).Succeeded();
        (await Lab.RunAsync("alice", "ping", "-n", "-c", "2", "-i", "0.1", "-W", "2", "-s", "8000", LabFixture.Hidden6)).Succeeded();
    }

    [Fact]
    public async Task Large_datagrams_arrive_whole()
    {
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
        string text = new('x', 20000);
        Assert.EndsWith(text, await TalkAsync("alice", "udp", LabFixture.Hidden4, text), StringComparison.Ordinal);
        Assert.EndsWith(text, await TalkAsync("alice", "udp", LabFixture.Hidden6, text), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("tcp", LabFixture.Hidden4, "10.99.2.1")]
    [InlineData("udp", LabFixture.Hidden4, "10.99.2.1")]
    [InlineData("tcp", LabFixture.Hidden6, "fd99:2::1")]
    [InlineData("udp", LabFixture.Hidden6, "fd99:2::1")]
    public async Task Masqueraded_the_inner_host_sees_the_gateway(string protocol, string address, string expected)
    {
        await Lab.StartServerAsync("Egress masquerade");
        // the inner network knows no way to the pool: that is what masquerade is for
        (await Lab.RunAsync("inner", "ip", "route", "del", "10.77.0.0/16")).Succeeded();
        (await Lab.RunAsync("inner", "ip", "-6", "route", "del", "fd77::/64")).Succeeded();
        try
        {
            await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
            string answer = await TalkAsync("alice", protocol, address, "hello");
            Assert.Equal(expected, answer.Split(' ')[0]);
            (await Lab.RunAsync("alice", "ping", "-n", "-c", "1", "-W", "2", address)).Succeeded();
        }
        finally
        {
            (await Lab.RunAsync("inner", "ip", "route", "add", "10.77.0.0/16", "via", "10.99.2.1")).Succeeded();
            (await Lab.RunAsync("inner", "ip", "-6", "route", "add", "fd77::/64", "via", "fd99:2::1")).Succeeded();
        }
    }

    [Fact]
    public async Task A_user_who_comes_back_has_the_same_address()
    {
        string? first = null;
        for (int i = 0; i < 3; i++)
        {
            await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
            first ??= tunnel.Address4;
            Assert.Equal(first, tunnel.Address4); // stable per user where possible
            Assert.StartsWith(tunnel.Address4 + " ", await TalkAsync("alice", "tcp", LabFixture.Hidden4, "hello"), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_connection_refused_inside_is_refused_here()
    {
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
        CommandResult result = await Lab.RunAsync("alice", "talk.py", "tcp", LabFixture.Hidden4, "hello", "--port", "9");
        Assert.Equal("ECONNREFUSED", result.Error.Trim());
        result = await Lab.RunAsync("alice", "talk.py", "udp", LabFixture.Hidden6, "hello", "--port", "9");
        Assert.Equal("ECONNREFUSED", result.Error.Trim()); // ICMPv6 port unreachable found its way back
    }
}
