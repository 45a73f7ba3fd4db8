
namespace PersonalVpn.Kernel.Lab.Suites;

/// <summary>What somebody who listens on the wire sees of the owner, and of everybody else.</summary>
public abstract class WireTests(LabFixture lab) : LabTests(lab)
{
    private const string Mark = "in-plain-sight";

    [Fact]
    public async Task Of_the_owner_the_wire_carries_TLS_only()
    {
        await using WireTap tap = await WireTap.StartAsync(Lab);
        await using (LabTunnel tunnel = await Lab.ConnectAsync("alice"))
        {
            foreach (string address in new[] { LabFixture.Inner4, LabFixture.Inner6, LabFixture.Hidden4, LabFixture.Hidden6 })
            {
                await TalkAsync("alice", "tcp", address, Mark);
                await TalkAsync("alice", "udp", address, Mark);
                (await Lab.RunAsync("alice", "ping", "-n", "-c", "1", "-W", "2", "-p", Convert.ToHexString("in-plain"u8), address)).Succeeded();
            }
            (await Lab.RunAsync("alice", "curl", "-sf", "-o", "/dev/null", $"http://{LabFixture.Inner4}/1000.bin")).Succeeded();
        }
        IReadOnlyList<WirePacket> packets = await tap.StopAsync();
        Assert.Empty(TlsWitness.Complaints(packets, LabFixture.Gateway));
        Assert.False(TlsWitness.Contains(packets, "in-plain"), "the marker text was readable on the wire");
        Assert.True(packets.Sum(p => p.Payload.Length) > 1_000_000, "the tap did not see the tunnel at all");
    }

    [Fact]
    public async Task The_witness_sees_the_same_traffic_of_another_user()
    {
        // Without this the test above could pass because the tap is blind.
        await using WireTap tap = await WireTap.StartAsync(Lab);
        await using (LabTunnel tunnel = await Lab.ConnectAsync("alice"))
            await TalkAsync("bob", "tcp", LabFixture.Inner4, Mark);
        IReadOnlyList<WirePacket> packets = await tap.StopAsync();
        Assert.True(TlsWitness.Contains(packets, Mark));
        Assert.NotEmpty(TlsWitness.Complaints(packets, LabFixture.Gateway));
    }

    [Fact]
    public async Task The_witness_tells_plain_text_on_the_tunnels_port_from_TLS()
    {
        await using WireTap tap = await WireTap.StartAsync(Lab);
        await Lab.RunAsync("carol", "nonsense.py", "talk", "clear", "443", LabFixture.Gateway);
        Assert.Contains(TlsWitness.Complaints(await tap.StopAsync(), LabFixture.Gateway), c => c.Contains("no TLS record", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Another_user_goes_the_ordinary_way_and_never_into_the_tunnel()
    {
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
        TunnelStatus before = await QuietAsync();
        await using WireTap tap = await WireTap.StartAsync(Lab, "not tcp port 443");
        foreach ((string address, string own) in new[] { (LabFixture.Inner4, "10.99.1.2"), (LabFixture.Inner6, "fd99:1::2") })
        {
            Assert.StartsWith(own + " ", await TalkAsync("bob", "tcp", address, Mark), StringComparison.Ordinal);
            Assert.StartsWith(own + " ", await TalkAsync("bob", "udp", address, Mark), StringComparison.Ordinal);
            (await Lab.RunAsync("bob", "ping", "-n", "-c", "1", "-W", "2", address)).Succeeded();
        }
        CommandResult hidden = await Lab.RunAsync("bob", "talk.py", "tcp", LabFixture.Hidden4, Mark);
        Assert.Equal("ENETUNREACH", hidden.Error.Trim());
        IReadOnlyList<WirePacket> packets = await tap.StopAsync();
        TunnelStatus after = (await Lab.StatusAsync("alice")).Single();
        Assert.Equal((before.PacketsOut, before.PacketsIn), (after.PacketsOut, after.PacketsIn));
        // What the inner host still sends to the owner's connections of an earlier test may be dropped on the way in; on the way out, nothing.
        Assert.DoesNotContain(after.Dropped, d => d.Key != "unsolicited" && d.Value != before.Dropped.GetValueOrDefault(d.Key));
        Assert.True(TlsWitness.Contains(packets, Mark), "bob's packets were not on the wire");
    }

    // The inner host may still answer the owner's connections of an earlier test, which had the same inner address.
    private async Task<TunnelStatus> QuietAsync()
    {
        TunnelStatus last = (await Lab.StatusAsync("alice")).Single();
        for (int i = 0; i < 10; i++)
        {
            await Task.Delay(500);
            TunnelStatus now = (await Lab.StatusAsync("alice")).Single();
            if (now.PacketsIn == last.PacketsIn) return now;
            last = now;
        }
        return last;
    }

    [Fact]
    public async Task A_datagram_socket_connected_before_the_tunnel_does_not_leak()
    {
        // load.py keeps its UDP sockets; connections older than the tunnel must not go on in clear
        await using LabProcess load = LabProcess.Start(Lab, "load", "alice", "load.py", Mark, LabFixture.Inner4, LabFixture.Inner6);
        await EventuallyAsync(() => Task.FromResult(load.Output.Contains("flowing", StringComparison.Ordinal)), "direct traffic");
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
        await Task.Delay(300); // what was queued in the devices before
        await using WireTap tap = await WireTap.StartAsync(Lab, "not tcp port 443");
        await Task.Delay(1000);
        Assert.DoesNotContain(await tap.StopAsync(), p => !p.IsLinkHousekeeping);
        await EventuallyAsync(() => Task.FromResult(load.Output.Contains("again", StringComparison.Ordinal) || !load.HasExited), "traffic in the tunnel");
    }
}
