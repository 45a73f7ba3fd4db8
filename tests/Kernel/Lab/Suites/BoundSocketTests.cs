namespace PersonalVpn.Kernel.Lab.Suites;

/// <summary>
/// The owner's own sockets that name another device or avoid routing: to a tunnelled destination they get out by the tunnel or not
/// at all, while the tunnel is up and while it is blocked. The gateway answers ARP for everything here, so what IPv4 takes for a
/// neighbour on the link would really be sent.
/// </summary>
[Collection(KernelTun.Name)]
public sealed class BoundSocketTests(KernelTunLab lab) : LabTests(lab)
{
    private const string Mark = "bound-elsewhere";

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Of_the_owner_nothing_leaves_in_clear(bool blocked)
    {
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
        if (blocked)
        {
            tunnel.Process.Signal("KILL");
            await EventuallyAsync(async () => (await Lab.StatusAsync("alice")).Single().State == "down", "the tunnel is not blocked");
        }
        IReadOnlyList<WirePacket> packets = await SendAsync("alice");
        Assert.False(TlsWitness.Contains(packets, Mark), string.Join('\n', packets.Where(p => p.Concerns(LabFixture.Inner4) || p.Concerns(LabFixture.Inner6))));
        (await Lab.RunAsync("alice", "pvpn", "down", "--all")).Succeeded();
    }

    [Fact]
    public async Task Of_another_user_the_same_packets_do()
    {
        // The witness: without a tunnel of one's own these ways lead out.
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
        IReadOnlyList<WirePacket> packets = await SendAsync("bob");
        foreach (string way in new[] { "bind_to_device", "unicast_if", "packet_info", "own_address" })
            Assert.True(TlsWitness.Contains(packets, $"{Mark} {way}"), $"{way} of another user did not get out");
    }

    private async Task<IReadOnlyList<WirePacket>> SendAsync(string user)
    {
        (await Lab.RunAsync("gw", "sysctl", "-qw", "net.ipv4.conf.wire.proxy_arp=1")).Succeeded();
        await using WireTap tap = await WireTap.StartAsync(Lab, "not tcp port 443");
        (await Lab.RunAsync(user, "bound.py", "wire", LabFixture.Inner4, LabFixture.Inner6, "7777", Mark)).Succeeded();
        await Task.Delay(300);
        return await tap.StopAsync();
    }
}
