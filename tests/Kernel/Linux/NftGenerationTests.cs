using PersonalVpn.Kernel.Support;
using PersonalVpn.Linux;

namespace PersonalVpn.Kernel.Linux;

/// <summary>The kernel counts every commit to the packet filter, iptables-nft's included.</summary>
public sealed class NftGenerationTests
{
    [Fact]
    public void Every_commit_adds_one_and_nothing_else_does()
    {
        using NetworkNamespace ns = NetworkNamespace.Create("gen");
        using NftGeneration generation = ns.Run(() => new NftGeneration());
        uint first = generation.Read()!.Value;
        Assert.Equal(first, generation.Read());
        foreach (string command in new[] { "nft add table inet one", "nft add chain inet one two", "nft delete table inet one", "iptables -t raw -N THREE" })
        {
            uint before = generation.Read()!.Value;
            ns.Exec(command);
            Assert.Equal(before + 1, generation.Read());
        }
    }
}
