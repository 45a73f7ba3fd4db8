
namespace PersonalVpn.Kernel.Lab.Suites;

/// <summary>What an unprivileged user does to the Forwarder and its things with a client of their own.</summary>
[Collection(KernelRaw.Name)]
public sealed class HostileUserTests(KernelRawLab lab) : LabTests(lab)
{
    [Fact]
    public async Task Descriptors_of_empty_messages_do_not_stay_open()
    {
        await Lab.RunAsync("bob", "empty_messages.py", "2");
        int before = OpenFiles();
        (await Lab.RunAsync("bob", "empty_messages.py", "50")).Succeeded();
        await EventuallyAsync(() => Task.FromResult(OpenFiles() <= before + 2), $"the files that pvpnd has open are {before} again");
    }

    [Theory]
    [InlineData(LabFixture.Hidden4)]
    [InlineData(LabFixture.Hidden6)]
    public async Task An_answer_does_not_reach_who_takes_the_port_over_at_once(string address)
    {
        await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
        string source = address.Contains(':', StringComparison.Ordinal) ? tunnel.Address6 : tunnel.Address4;
        await using LabProcess leaver = LabProcess.Start(Lab, "leaver", "alice", "port_heir.py", "leave", source, "30300", "20", address);
        await EventuallyAsync(() => Task.FromResult(leaver.Output.StartsWith("bound", StringComparison.Ordinal)), "alice has the ports");
        await using LabProcess heir = LabProcess.Start(Lab, "heir", "bob", "port_heir.py", "inherit", source, "30300", "20");
        string heard = (await heir.ExitAsync()).Succeeded().Output;
        Assert.EndsWith("inherited 20\n", heard, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", heard, StringComparison.Ordinal);
    }

    private int OpenFiles() => Directory.GetFileSystemEntries($"/proc/{Lab.Forwarder!.Id}/fd").Length;
}
