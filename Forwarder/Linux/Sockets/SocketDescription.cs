using System.Net;
using PersonalVpn.Linux.Abi;

namespace PersonalVpn.Linux;

/// <summary>
/// What a descriptor received from a stranger really is, asked of the kernel. Anything that the stranger can still change
/// (options, connection) may have changed the moment after.
/// </summary>
public readonly record struct SocketDescription
{
    /// <summary>False: a file, pipe or anything else; then nothing else is set but <see cref="OwnerUid"/>.</summary>
    public bool IsSocket { get; init; }

    /// <summary>Address family (SO_DOMAIN): 1 Unix, 2 IPv4, 10 IPv6.</summary>
    public int Domain { get; init; }

    /// <summary>Socket type (SO_TYPE): 1 stream, 2 datagram, 3 raw, 5 seqpacket.</summary>
    public int Type { get; init; }

    /// <summary>IP protocol (SO_PROTOCOL): 6 TCP, 17 UDP, 262 MPTCP.</summary>
    public int Protocol { get; init; }

    /// <summary>TCP state (TCP_INFO): 7 = closed, that is fresh; 10 = listening. -1 when it is not a TCP socket.</summary>
    public int TcpState { get; init; }

    /// <summary>The user to whom the socket belongs: who created it, or for whom it was chowned.</summary>
    public uint OwnerUid { get; init; }

    /// <summary>Local address; unspecified with port 0 when unbound, null for other families than IP.</summary>
    public IPEndPoint? Local { get; init; }

    /// <summary>Remote address, null when not connected.</summary>
    public IPEndPoint? Remote { get; init; }

    /// <summary>SO_MARK now.</summary>
    public uint Mark { get; init; }

    /// <summary>A TCP socket over IPv4 or IPv6.</summary>
    public bool IsTcp => IsSocket && Type == SocketH.SOCK_STREAM && Protocol == InH.IPPROTO_TCP
        && Domain is SocketH.AF_INET or SocketH.AF_INET6;

    /// <summary>A TCP socket that was neither bound to a port nor connected nor set listening.</summary>
    public bool IsFreshTcp => IsTcp && TcpState == TcpStateH.TCP_CLOSE && Remote is null && Local is { Port: 0 };

    /// <summary>A TCP socket with a peer; never a listening one.</summary>
    public bool IsConnectedTcp => IsTcp && Remote is not null && TcpState is not (TcpStateH.TCP_CLOSE or TcpStateH.TCP_LISTEN);
}
