using PersonalVpn.Linux.Abi;
using PersonalVpn.Packets;

namespace PersonalVpn.Linux;

/// <summary>Whose socket it is.</summary>
/// <param name="Uid">The owner, or <see cref="NoUid"/> when the kernel does not know any more.</param>
/// <param name="Inode">The socket's inode; 0 for an orphan (closed by its process, still sending), TIME_WAIT or a connection being accepted.</param>
/// <param name="State">TCP state (1 established ... 11 closing); for UDP 1 connected, 7 not.</param>
/// <param name="Connected">The socket is connected to exactly the remote asked for (UDP lookups also find unconnected ones).</param>
public readonly record struct SocketOwner(uint Uid, uint Inode, byte State, bool Connected)
{
    /// <summary>No user: (uid_t)-1, which no socket can have.</summary>
    public const uint NoUid = uint.MaxValue;

    /// <summary>True when <see cref="Uid"/> names a user.</summary>
    public bool HasUid => Uid != NoUid;

    /// <summary>
    /// Reads the kernel's answer. Sockets in TIME_WAIT and half-accepted ones have no owner in the kernel and are reported with
    /// uid 0, and kernels before 6.16 report orphans so (net/ipv4/inet_diag.c): without an inode, uid 0 is no evidence.
    /// </summary>
    internal static SocketOwner From(in InetDiagMsg message, bool connected)
    {
        bool unknown = message.idiag_inode == 0
            && (message.idiag_uid == 0 || message.idiag_state is TcpStateH.TCP_TIME_WAIT or TcpStateH.TCP_SYN_RECV);
        return new SocketOwner(unknown ? NoUid : message.idiag_uid, message.idiag_inode, message.idiag_state, connected);
    }
}

/// <summary>One socket of a dump.</summary>
/// <param name="Protocol">6 TCP, 17 UDP, 136 UDP-Lite.</param>
/// <param name="V6">An AF_INET6 socket; its addresses may still be IPv4-mapped.</param>
/// <param name="Owner">Whose.</param>
/// <param name="Local">Local address; unspecified when unbound.</param>
/// <param name="LocalPort">Local port.</param>
/// <param name="Remote">Remote address; unspecified when not connected.</param>
/// <param name="RemotePort">Remote port.</param>
/// <param name="IfIndex">Interface to which the socket is bound, or 0.</param>
/// <param name="Mark">Its mark (SO_MARK); told only to CAP_NET_ADMIN, else 0.</param>
/// <param name="Cookie">The kernel's number for this very socket: what is destroyed is what was seen.</param>
public readonly record struct SocketEntry(
    byte Protocol, bool V6, SocketOwner Owner, IpAddr Local, ushort LocalPort, IpAddr Remote, ushort RemotePort, uint IfIndex, ulong Cookie, uint Mark);
