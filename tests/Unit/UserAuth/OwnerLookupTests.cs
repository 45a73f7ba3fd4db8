using PersonalVpn.UserAuth;
using Xunit;

namespace PersonalVpn.Unit.UserAuthTests;

public sealed class OwnerLookupTests
{
    private static readonly OwnerAnswer Alice = new(OwnerVerdict.Owner, 1000, OwnerEvidence.SockDiag);
    private static readonly OwnerAnswer Bob = new(OwnerVerdict.Owner, 1001, OwnerEvidence.Procfs);
    private static readonly OwnerAnswer Several = new(OwnerVerdict.Ambiguous, 0, OwnerEvidence.SockDiag);
    private static readonly SocketTuple Tuple = new(6, false, 1, 2, 3, 4);

    [Fact]
    public void The_packets_own_uid_comes_first()
    {
        var lookup = new OwnerLookup(OwnerLookupMode.Kernel, new Fixed(Alice), new Fixed(Bob));
        Assert.Equal(new OwnerAnswer(OwnerVerdict.Owner, 7, OwnerEvidence.KernelUid), lookup.Find(7, Tuple));
        Assert.Equal(new OwnerAnswer(OwnerVerdict.Owner, 0, OwnerEvidence.KernelUid), lookup.Find(0, Tuple));
    }

    [Fact]
    public void Then_sock_diag_then_procfs()
    {
        Assert.Equal(Alice, new OwnerLookup(OwnerLookupMode.Kernel, new Fixed(Alice), new Fixed(Bob)).Find(null, Tuple));
        Assert.Equal(Alice, new OwnerLookup(OwnerLookupMode.Kernel, new Fixed(Alice), new Fixed(Bob)).Find(uint.MaxValue, Tuple));
        Assert.Equal(Bob, new OwnerLookup(OwnerLookupMode.Kernel, new Fixed(OwnerAnswer.Nobody), new Fixed(Bob)).Find(null, Tuple));
        Assert.Equal(Bob, new OwnerLookup(OwnerLookupMode.Kernel, null, new Fixed(Bob)).Find(null, Tuple));
    }

    [Fact]
    public void Ambiguity_ends_the_search() =>
        Assert.Equal(Several, new OwnerLookup(OwnerLookupMode.Kernel, new Fixed(Several), new Fixed(Bob)).Find(null, Tuple));

    [Fact]
    public void A_forced_mode_asks_nobody_else()
    {
        Assert.Equal(Bob, new OwnerLookup(OwnerLookupMode.Procfs, new Fixed(Alice), new Fixed(Bob)).Find(7, Tuple));
        Assert.Equal(Alice, new OwnerLookup(OwnerLookupMode.SockDiag, new Fixed(Alice), new Fixed(Bob)).Find(7, Tuple));
        Assert.Throws<ArgumentException>(() => new OwnerLookup(OwnerLookupMode.SockDiag, null, new Fixed(Bob)));
    }

    private sealed class Fixed(OwnerAnswer answer) : IOwnerEvidence
    {
        public OwnerAnswer Lookup(in SocketTuple tuple) => answer;
    }
}
