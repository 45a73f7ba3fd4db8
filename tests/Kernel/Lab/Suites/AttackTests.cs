
namespace PersonalVpn.Kernel.Lab.Suites;

/// <summary>What another user of the host tries against a tunnel (design, section 5). A tap behind the gateway is the witness.</summary>
public abstract class AttackTests(LabFixture lab) : LabTests(lab)
{
    private const string Intruder = "it-is-bob";

    [Theory]
    [InlineData("tcp", LabFixture.Hidden4)]
    [InlineData("udp", LabFixture.Hidden4)]
    [InlineData("tcp", LabFixture.Hidden6)]
    [InlineData("udp", LabFixture.Hidden6)]
    public async Task Binding_the_owners_inner_address_gets_nothing_in_and_is_counted(string protocol, string address)
    {
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
        long before = await Lab.DroppedAsync();
        string source = address.Contains(':', StringComparison.Ordinal) ? tunnel.Address6 : tunnel.Address4;
        await NothingGetsInAsync("talk.py", protocol, address, Intruder, "--source", source, "--timeout", "0.5");
        Assert.True(await Lab.DroppedAsync() > before, "no counter says so");
        await OwnerStillWorksAsync(tunnel);
    }

    [Theory]
    [InlineData("tcp", LabFixture.Hidden4)]
    [InlineData("udp", LabFixture.Hidden4)]
    [InlineData("tcp", LabFixture.Hidden6)]
    [InlineData("udp", LabFixture.Hidden6)]
    public async Task Binding_to_the_owners_device_gets_nothing_in(string protocol, string address)
    {
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
        await NothingGetsInAsync("talk.py", protocol, address, Intruder, "--device", tunnel.Status.Device, "--timeout", "0.5");
        string source = address.Contains(':', StringComparison.Ordinal) ? tunnel.Address6 : tunnel.Address4;
        await NothingGetsInAsync("talk.py", protocol, address, Intruder, "--device", tunnel.Status.Device, "--source", source, "--timeout", "0.5");
        await OwnerStillWorksAsync(tunnel);
    }

    [Theory]
    [InlineData(LabFixture.Hidden4)]
    [InlineData(LabFixture.Hidden6)]
    public async Task Ping_by_the_owners_device_or_address_gets_nothing_in(string address)
    {
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
        string source = address.Contains(':', StringComparison.Ordinal) ? tunnel.Address6 : tunnel.Address4;
        await NothingGetsInAsync("ping", "-n", "-c", "1", "-W", "1", "-I", tunnel.Status.Device, address);
        await NothingGetsInAsync("ping", "-n", "-c", "1", "-W", "1", "-I", source, address);
    }

    [Theory]
    [InlineData("udp", LabFixture.Hidden4)]
    [InlineData("udp", LabFixture.Hidden6)]
    [InlineData("tcp", LabFixture.Hidden4)]
    [InlineData("tcp", LabFixture.Hidden6)]
    public async Task Reusing_a_proven_flow_after_its_close_gets_nothing_in(string protocol, string address)
    {
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
        string source = address.Contains(':', StringComparison.Ordinal) ? tunnel.Address6 : tunnel.Address4;
        await TalkAsync("alice", protocol, address, "mine", "--source", source, "--sport", "30123");
        long before = await Lab.DroppedAsync();
        await NothingGetsInAsync("talk.py", protocol, address, Intruder, "--source", source, "--sport", "30123", "--timeout", "0.5");
        if (protocol == "udp") // TCP may already be refused by the owner's TIME_WAIT, before a packet exists
            Assert.True(await Lab.DroppedAsync() > before, "no counter says so");
    }

    [Theory]
    [InlineData(LabFixture.Hidden4)]
    [InlineData(LabFixture.Hidden6)]
    public async Task A_late_answer_does_not_reach_who_took_the_port_over(string address)
    {
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
        string source = address.Contains(':', StringComparison.Ordinal) ? tunnel.Address6 : tunnel.Address4;
        // asks for an answer in 0.7 s, does not wait for it, and its port is free again
        await Lab.RunAsync("alice", "talk.py", "udp", address, "later secret", "--source", source, "--sport", "30200", "--timeout", "0.05");
        CommandResult heard = (await Lab.RunAsync("bob", "listen.py", source, "30200", "1.5")).Succeeded();
        Assert.Equal("bound", heard.Output.Trim());
    }

    [Fact]
    public async Task Packets_for_the_inner_address_from_another_interface_go_nowhere()
    {
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
        (await Lab.RunAsync("gw", "ip", "route", "add", tunnel.Address4 + "/32", "via", "10.99.1.2", "dev", "wire")).Succeeded();
        try
        {
            await using LabProcess listener = LabProcess.Start(Lab, "listen", "alice", "listen.py", tunnel.Address4, "4000", "1.5");
            await EventuallyAsync(() => Task.FromResult(listener.Output.StartsWith("bound", StringComparison.Ordinal)), "alice listens");
            await Lab.RunAsync("gw", "talk.py", "udp", tunnel.Address4, "forged", "--port", "4000", "--timeout", "0.3");
            Assert.Equal("bound", (await listener.ExitAsync()).Output.Trim());
        }
        finally
        {
            (await Lab.RunAsync("gw", "ip", "route", "del", tunnel.Address4 + "/32", "via", "10.99.1.2", "dev", "wire")).Succeeded();
        }
    }

    [Fact]
    public async Task The_control_socket_gives_a_stranger_nothing_and_survives_everything()
    {
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
        Assert.Empty(await Lab.StatusAsync("bob"));
        await Lab.RunAsync("bob", "pvpn", "down", "--all");
        await Lab.RunAsync("bob", "pvpn", "down", LabFixture.Gateway);
        (await Lab.RunAsync(120, "bob", "pester.py", "/run/pvpn/forwarder.sock")).Succeeded();
        Assert.False(Lab.Forwarder!.HasExited, "pvpnd has ended: " + Lab.Forwarder.Error);
        Assert.False(tunnel.Process.HasExited, "alice's pvpn has ended: " + tunnel.Process.Error);
        await OwnerStillWorksAsync(tunnel);
        Assert.Equal(["alice"], (await Lab.StatusAsync("host")).Select(s => s.User));
    }

    [Fact]
    public async Task Another_user_cannot_signal_the_owners_program()
    {
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
        CommandResult kill = await Lab.RunAsync("bob", "sh", "-c", $"kill -KILL {tunnel.Process.Id}");
        Assert.NotEqual(0, kill.ExitCode);
        await OwnerStillWorksAsync(tunnel);
    }

    private async Task OwnerStillWorksAsync(LabTunnel tunnel) =>
        Assert.StartsWith(tunnel.Address4 + " ", await TalkAsync("alice", "tcp", LabFixture.Hidden4, "hello"), StringComparison.Ordinal);

    private static bool IsFromInner(WirePacket packet) =>
        new[] { LabFixture.Inner4, LabFixture.Inner6, LabFixture.Hidden4, LabFixture.Hidden6 }.Contains(packet.Source.ToString());

    private async Task NothingGetsInAsync(params string[] command)
    {
        await using WireTap inner = await WireTap.StartInnerAsync(Lab);
        await using WireTap wire = await WireTap.StartAsync(Lab, "not tcp port 443");
        CommandResult result = await Lab.RunAsync("bob", command);
        Assert.True(result.ExitCode != 0, $"bob was answered: {result.Output}");
        // Towards the inner host: what it still sends to the owner's connections of an earlier test proves nothing.
        Assert.DoesNotContain(await inner.StopAsync(), p => !p.IsLinkHousekeeping && !IsFromInner(p));
        Assert.DoesNotContain(await wire.StopAsync(), p => p.Concerns(LabFixture.Hidden4) || p.Concerns(LabFixture.Hidden6));
    }
}
