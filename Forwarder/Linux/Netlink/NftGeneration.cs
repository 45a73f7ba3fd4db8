using System.Buffers.Binary;
using PersonalVpn.Linux.Abi;

namespace PersonalVpn.Linux;

/// <summary>
/// The number of the packet filter's ruleset: every commit to nftables of this network namespace, whosever and to whatever table, adds
/// one (net/netfilter/nf_tables_api.c, nf_tables_commit). While it stays the same nobody has changed a rule, and nobody needs to read
/// them all to find that out. One thread.
/// </summary>
public sealed class NftGeneration : IDisposable
{
    private readonly NetlinkSocket _netlink = new(NetlinkH.NETLINK_NETFILTER, "nf_tables netlink");

    /// <summary>The number now; null when the kernel does not tell.</summary>
    /// <exception cref="LinuxException">The socket failed.</exception>
    public uint? Read()
    {
        Span<byte> request = stackalloc byte[64];
        NetlinkWriter writer = new(request, (NfTablesH.NFNL_SUBSYS_NFTABLES << 8) | NfTablesH.NFT_MSG_GETGEN, NetlinkH.NLM_F_REQUEST);
        writer.Add(new NfGenMsg { version = NfQueueH.NFNETLINK_V0 });
        if (_netlink.Query(writer.Finish(), out ReadOnlySpan<byte> answer) != ((NfTablesH.NFNL_SUBSYS_NFTABLES << 8) | NfTablesH.NFT_MSG_NEWGEN)
            || !NetlinkAttributes.After(answer, out NfGenMsg _, out NetlinkAttributes attributes)) return null;
        while (attributes.Next(out ushort type, out ReadOnlySpan<byte> value))
            if (type == NfTablesH.NFTA_GEN_ID && BinaryPrimitives.TryReadUInt32BigEndian(value, out uint number)) return number;
        return null;
    }

    /// <inheritdoc/>
    public void Dispose() => _netlink.Dispose();
}
