using System.Text.Json;

namespace PersonalVpn.Kernel.Lab.Suites;

/// <summary>Two users of one host, one gateway, one web server (the thesis' open problem, figure 3.10).</summary>
public abstract class SameServerTests(LabFixture lab) : LabTests(lab)
{
    [Theory]
    [InlineData(LabFixture.Hidden4)]
    [InlineData(LabFixture.Inner6)]
    public async Task With_the_same_source_ports_every_reply_finds_its_owner(string address)
    {
        const int requests = 200;
        await using LabTunnel alice = await Lab.ConnectAsync("alice");
        await using LabTunnel bob = await Lab.ConnectAsync("bob");
        string start = Path.Combine(Lab.State, "tools", $"start-{Guid.NewGuid():N}");
        await using LabProcess alices = LabProcess.Start(Lab, "crowd-alice", "alice", "crowd.py", address, "200", "20000", "alice", start);
        await using LabProcess bobs = LabProcess.Start(Lab, "crowd-bob", "bob", "crowd.py", address, "200", "20000", "bob", start);
        await Task.Delay(500); // both interpreters are up and poll for the file
        await File.WriteAllTextAsync(start, "");
        bool v6 = address.Contains(':', StringComparison.Ordinal);
        Check((await alices.ExitAsync(60)).Succeeded(), v6 ? alice.Address6 : alice.Address4);
        Check((await bobs.ExitAsync(60)).Succeeded(), v6 ? bob.Address6 : bob.Address4);

        static void Check(CommandResult result, string own)
        {
            using JsonDocument json = JsonDocument.Parse(result.Output);
            JsonElement root = json.RootElement;
            Assert.True(root.GetProperty("crossed").GetInt32() == 0, result.Output);
            Assert.True(root.GetProperty("answered").GetInt32() == requests, result.Output);
            Assert.Equal(own, Assert.Single(root.GetProperty("addresses").EnumerateArray()).GetString());
        }
    }

    [Fact]
    public async Task One_users_end_does_not_touch_the_other()
    {
        await using LabTunnel alice = await Lab.ConnectAsync("alice");
        await using LabTunnel bob = await Lab.ConnectAsync("bob");
        Assert.NotEqual(alice.Address4, bob.Address4);
        await alice.DisposeAsync();
        Assert.StartsWith(bob.Address4 + " ", await TalkAsync("bob", "tcp", LabFixture.Hidden4, "hello"), StringComparison.Ordinal);
        Assert.StartsWith("10.99.1.2 ", await TalkAsync("alice", "tcp", LabFixture.Inner4, "hello"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_user_sees_own_tunnels_only_and_root_sees_all()
    {
        await using LabTunnel alice = await Lab.ConnectAsync("alice");
        await using LabTunnel bob = await Lab.ConnectAsync("bob");
        Assert.Equal(alice.Status.Addresses, Assert.Single(await Lab.StatusAsync("alice")).Addresses);
        Assert.Equal(bob.Status.Addresses, Assert.Single(await Lab.StatusAsync("bob")).Addresses);
        Assert.Empty(await Lab.StatusAsync("carol"));
        Assert.Equal(2, (await Lab.StatusAsync("host")).Length);
    }
}
