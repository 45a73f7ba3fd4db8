
namespace PersonalVpn.Kernel.Lab;

/// <summary>Owners from the kernel's own evidence, every packet through pvpnd, injection by raw socket.</summary>
public sealed class KernelRawLab() : LabFixture("kr", "kernel", "raw");

/// <summary>As installed: the fast path, where the kernel's packet filter proves owners, and injection by TUN.</summary>
public sealed class KernelTunLab() : LabFixture("kt", "kernel", "tun", fastPath: true);

/// <summary>Owners from /proc alone as in the thesis, injection by raw socket.</summary>
public sealed class ProcfsRawLab() : LabFixture("pr", "procfs", "raw");

/// <summary>Owners from /proc alone, injection by TUN.</summary>
public sealed class ProcfsTunLab() : LabFixture("pt", "procfs", "tun");

// One lab after the other, and none beside other tests: latency and load are measured in them.

/// <summary>The classes that run in one <see cref="KernelRawLab"/>.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class KernelRaw : ICollectionFixture<KernelRawLab> { public const string Name = "lab: OwnerLookup kernel, FastPath no, Inject raw"; }

/// <summary>The classes that run in one <see cref="KernelTunLab"/>.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class KernelTun : ICollectionFixture<KernelTunLab> { public const string Name = "lab: OwnerLookup kernel, FastPath yes, Inject tun"; }

/// <summary>The classes that run in one <see cref="ProcfsRawLab"/>.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class ProcfsRaw : ICollectionFixture<ProcfsRawLab> { public const string Name = "lab: OwnerLookup procfs, Inject raw"; }

/// <summary>The classes that run in one <see cref="ProcfsTunLab"/>.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class ProcfsTun : ICollectionFixture<ProcfsTunLab> { public const string Name = "lab: OwnerLookup procfs, Inject tun"; }

/// <summary>Base of all test classes of the lab: each test begins in a clean one.</summary>
public abstract class LabTests(LabFixture lab) : IAsyncLifetime
{
    /// <summary>The lab of this class's variant.</summary>
    protected LabFixture Lab { get; } = lab;

    /// <summary>Daemons with their usual configuration, no tunnel.</summary>
    public Task InitializeAsync() => Lab.ResetAsync();

    /// <summary>Nothing: the next test's start cleans.</summary>
    public Task DisposeAsync() => Task.CompletedTask;

    /// <summary>Polls until <paramref name="condition"/> holds; fails the test with <paramref name="what"/> otherwise.</summary>
    protected static async Task EventuallyAsync(Func<Task<bool>> condition, string what, double seconds = 5)
    {
        var end = DateTime.UtcNow.AddSeconds(seconds);
        while (!await condition())
        {
            Assert.True(DateTime.UtcNow < end, $"not within {seconds} s: {what}");
            await Task.Delay(20);
        }
    }

    /// <summary>What the inner host answers to TEXT: "address port TEXT".</summary>
    protected async Task<string> TalkAsync(string who, string protocol, string address, string text, params string[] more) =>
        (await Lab.RunAsync(who, ["talk.py", protocol, address, text, .. more])).Succeeded().Output.TrimEnd();
}
