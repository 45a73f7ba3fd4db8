using System.Net;
using System.Net.Sockets;
using PersonalVpn.Linux.Abi;

namespace PersonalVpn.Linux;

/// <summary>
/// Tells that interfaces, addresses or routes of this network namespace have changed (rtnetlink(7), multicast groups). What exactly is
/// not told: whoever cares looks. Needs no privilege. For one thread.
/// </summary>
public sealed class NetworkEvents : IDisposable
{
    private const uint Groups = RtnetlinkH.RTMGRP_LINK | RtnetlinkH.RTMGRP_IPV4_IFADDR | RtnetlinkH.RTMGRP_IPV4_ROUTE |
        RtnetlinkH.RTMGRP_IPV6_IFADDR | RtnetlinkH.RTMGRP_IPV6_ROUTE;

    private readonly NetlinkSocket _netlink = new(NetlinkH.NETLINK_ROUTE, "route netlink", Groups);
    private readonly byte[] _message = new byte[64 << 10];

    /// <summary>Waits for a change, at most so long.</summary>
    /// <returns>True when there was one since the last call.</returns>
    public bool Wait(TimeSpan limit)
    {
        if (!_netlink.Socket.Poll(forWrite: false, (int)limit.TotalMilliseconds)) return false;
        bool changed = false;
        // Messages that did not fit into the socket's buffer (ENOBUFS) are changes, too.
        while (_netlink.Socket.Receive(_message, SocketFlags.MSG_DONTWAIT) is var n && (n > 0 || n == -Errno.ENOBUFS)) changed = true;
        return changed;
    }

    /// <summary>True while an address is one of this host's: a connection from it still has a way out.</summary>
    public static bool IsLocal(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        try
        {
            using LinuxSocket probe = LinuxSocket.CreateUdp(address.AddressFamily == AddressFamily.InterNetworkV6);
            probe.Bind(new IPEndPoint(address, 0));
            return true;
        }
        catch (LinuxException e)
        {
            // What cannot be found out is not held against the connection.
            return e.Error != Errno.EADDRNOTAVAIL;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _netlink.Dispose();
}
