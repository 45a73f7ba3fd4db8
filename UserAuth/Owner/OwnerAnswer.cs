namespace PersonalVpn.UserAuth;

/// <summary>What is known about a packet's owner.</summary>
public enum OwnerVerdict
{
    /// <summary>Exactly one user can have sent it.</summary>
    Owner,

    /// <summary>No living socket matches: nobody's, or nobody's any more (orphan, TIME_WAIT, made by the kernel).</summary>
    NotFound,

    /// <summary>Sockets of different users match. Nobody guesses: the packet is treated as nobody's.</summary>
    Ambiguous,
}

/// <summary>Where the knowledge comes from, strongest first.</summary>
public enum OwnerEvidence
{
    /// <summary>From nowhere: nothing was found.</summary>
    None,

    /// <summary>The UID that the kernel delivered with the packet (NFQA_UID).</summary>
    KernelUid,

    /// <summary>A lookup of the exact socket (NETLINK_SOCK_DIAG).</summary>
    SockDiag,

    /// <summary>The socket tables below /proc/net.</summary>
    Procfs,
}

/// <summary>The answer to "whose packet is this?".</summary>
/// <param name="Verdict">Whether there is an owner.</param>
/// <param name="Uid">The owner; meaningful only with <see cref="OwnerVerdict.Owner"/>.</param>
/// <param name="Evidence">What the verdict rests on.</param>
public readonly record struct OwnerAnswer(OwnerVerdict Verdict, uint Uid, OwnerEvidence Evidence)
{
    /// <summary>Nobody, and nothing was asked or known.</summary>
    public static OwnerAnswer Nobody => new(OwnerVerdict.NotFound, uint.MaxValue, OwnerEvidence.None);

    /// <summary>Whether this proves that the packet is <paramref name="uid"/>'s.</summary>
    /// <param name="uid">The user in question.</param>
    public bool IsOwnedBy(uint uid) => Verdict == OwnerVerdict.Owner && Uid == uid;
}
