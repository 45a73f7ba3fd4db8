
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

    private int OpenFiles() => Directory.GetFileSystemEntries($"/proc/{Lab.Forwarder!.Id}/fd").Length;
}
