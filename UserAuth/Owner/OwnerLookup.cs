namespace PersonalVpn.UserAuth;

/// <summary>One source of knowledge about sockets and their owners.</summary>
public interface IOwnerEvidence
{
    /// <summary>Who owns the socket that sends packets with this tuple, in the network namespace of the calling thread.</summary>
    /// <param name="tuple">The packet seen from the sending socket.</param>
    OwnerAnswer Lookup(in SocketTuple tuple);

    /// <summary>True when "not found" is this source's last word for a protocol, so that weaker evidence need not be asked.</summary>
    /// <param name="protocol">IP protocol number.</param>
    bool IsFinal(byte protocol) => false;
}

/// <summary>Which evidence is used (<c>OwnerLookup</c> in forwarder.conf).</summary>
public enum OwnerLookupMode
{
    /// <summary>The packet's own UID, then the exact socket, then /proc: the default.</summary>
    Kernel,

    /// <summary>The exact socket only.</summary>
    SockDiag,

    /// <summary>/proc only: portable, milliseconds per question.</summary>
    Procfs,
}

/// <summary>
/// Whose packet is this? The evidence is asked in order of strength and the first that knows decides; one that finds
/// sockets of several users ends the search, because weaker evidence cannot tell them apart either.
/// </summary>
/// <remarks>Safe to call from several threads when its evidence is.</remarks>
public sealed class OwnerLookup
{
    private readonly OwnerLookupMode _mode;
    private readonly IOwnerEvidence? _sockDiag;
    private readonly IOwnerEvidence _procfs;

    /// <summary>A lookup over the given evidence.</summary>
    /// <param name="mode">Which evidence is used.</param>
    /// <param name="sockDiag">Exact socket lookup; null where the kernel has none (then <see cref="OwnerLookupMode.Kernel"/> goes on to /proc).</param>
    /// <param name="procfs">Socket tables.</param>
    /// <exception cref="ArgumentException"><see cref="OwnerLookupMode.SockDiag"/> without such evidence.</exception>
    public OwnerLookup(OwnerLookupMode mode, IOwnerEvidence? sockDiag, IOwnerEvidence procfs)
    {
        ArgumentNullException.ThrowIfNull(procfs);
        if (mode == OwnerLookupMode.SockDiag && sockDiag is null)
        {
            throw new ArgumentException("OwnerLookup sockdiag needs NETLINK_SOCK_DIAG, which this kernel does not offer", nameof(sockDiag));
        }
        _mode = mode;
        _sockDiag = sockDiag;
        _procfs = procfs;
    }

    /// <summary>Finds the owner.</summary>
    /// <param name="kernelUid">NFQA_UID as delivered with the packet, or null; (uid_t)-1 counts as null.</param>
    /// <param name="tuple">The packet seen from the sending socket.</param>
    public OwnerAnswer Find(uint? kernelUid, in SocketTuple tuple)
    {
        switch (_mode)
        {
            case OwnerLookupMode.SockDiag:
                return _sockDiag!.Lookup(tuple);
            case OwnerLookupMode.Procfs:
                return _procfs.Lookup(tuple);
            default:
                if (kernelUid is { } uid and not uint.MaxValue)
                {
                    return new OwnerAnswer(OwnerVerdict.Owner, uid, OwnerEvidence.KernelUid);
                }
                if (_sockDiag is not null)
                {
                    OwnerAnswer answer = _sockDiag.Lookup(tuple);
                    if (answer.Verdict != OwnerVerdict.NotFound || _sockDiag.IsFinal(tuple.Protocol))
                    {
                        return answer;
                    }
                }
                return _procfs.Lookup(tuple);
        }
    }
}
