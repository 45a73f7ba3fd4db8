namespace PersonalVpn.Daemon.Tunnels;

/// <summary>Why a packet went nowhere. The names, in camelCase, are the keys of <c>packetsDropped</c> in status.</summary>
internal enum DropReason
{
    /// <summary>Not dropped.</summary>
    None,

    // ---- outbound: the gate in front of the tunnel ----

    /// <summary>The kernel, or an exact socket lookup, names another user as the sender.</summary>
    NotOwner,

    /// <summary>No evidence whose it is: no socket, no flow already proven.</summary>
    OwnerUnknown,

    /// <summary>The source is not the tunnel's inner address (a socket older than the tunnel, or a forgery).</summary>
    WrongSource,

    /// <summary>Multicast, broadcast or otherwise not to one host.</summary>
    NotUnicast,

    /// <summary>The tunnel is down and blocks its destinations.</summary>
    TunnelDown,

    /// <summary>The user's process does not keep up and the bounded store is full.</summary>
    ChannelFull,

    /// <summary>The tunnel has its maximum of flows.</summary>
    FlowTableFull,

    // ---- inbound: the gate in front of the user's sockets ----

    /// <summary>Answers no flow of the owner's.</summary>
    Unsolicited,

    /// <summary>The destination is not the tunnel's inner address.</summary>
    WrongDestination,

    /// <summary>An ICMP type that may not come out of a tunnel (redirects, neighbour discovery, requests).</summary>
    ForbiddenIcmp,

    /// <summary>The receiving socket belongs to another user by now.</summary>
    ReceiverNotOwner,

    /// <summary>The user's process sent a frame that is not one.</summary>
    BadFrame,

    /// <summary>The kernel refused the injection.</summary>
    InjectFailed,

    // ---- both ----

    /// <summary>Not a well-formed IP packet; or metadata that contradicts it.</summary>
    Malformed,

    /// <summary>An IP fragment whose first piece was not seen, or from where none can come.</summary>
    Fragment,
}
