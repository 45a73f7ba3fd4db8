using PersonalVpn.Kernel.Support;
using PersonalVpn.Linux;

namespace PersonalVpn.Kernel.Linux;

/// <summary>Capabilities belong to a thread, so each test drops them on one of its own (NetworkNamespace.Run makes it).</summary>
public sealed class CapabilityTests : IDisposable
{
    private readonly NetworkNamespace _ns = NetworkNamespace.Create("caps");

    public void Dispose() => _ns.Dispose();

    [Fact]
    public void What_is_not_kept_is_gone() => _ns.Run(() =>
    {
        Capabilities.KeepOnly(Capability.NetAdmin);
        Assert.True(Capabilities.HasEffective(Capability.NetAdmin));
        Assert.False(Capabilities.HasEffective(Capability.NetRaw));
        Assert.Equal(1UL << 12, Capabilities.Get().Permitted);
        LinuxException e = Assert.Throws<LinuxException>(() => new RawInjector());
        Assert.Equal("create raw IPv4 socket: Operation not permitted", e.Message);
        using RouteNetlink route = new();
        route.SetLink("lo", up: true); // still allowed
        Capabilities.KeepOnly();
        Assert.Equal(0UL, Capabilities.Get().Effective);
        Assert.Equal(Errno.EPERM, Assert.Throws<LinuxException>(() => route.SetLink("lo", up: true)).Error);
    });

    [Fact]
    public void A_queue_without_the_capability_says_what_is_missing() => _ns.Run(() =>
    {
        Capabilities.KeepOnly();
        LinuxException e = Assert.Throws<LinuxException>(() => new NfQueue(7570, new NfQueueOptions()));
        Assert.Equal("bind queue 7570: Operation not permitted (CAP_NET_ADMIN is needed)", e.Message);
    });

    [Fact]
    public void No_new_privileges_is_seen_by_the_kernel() => _ns.Run(() =>
    {
        Capabilities.SetNoNewPrivs();
        Assert.Contains("NoNewPrivs:\t1", File.ReadAllText("/proc/thread-self/status"), StringComparison.Ordinal);
    });
}
