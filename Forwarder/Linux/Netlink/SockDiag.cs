using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PersonalVpn.Linux.Abi;
using PersonalVpn.Packets;

namespace PersonalVpn.Linux;

/// <summary>
/// Asks the kernel for a socket by its addresses (sock_diag(7), net/ipv4/inet_diag.c): the same hash lookup that an arriving
/// packet gets, 3 µs whatever the number of sockets. Any thread; calls take turns. It sees the network namespace of the thread
/// that created it.
/// </summary>
public sealed unsafe class SockDiag : IDisposable
{
    private const int RequestBytes = NlMsgHdr.Size + 56;
    private const byte InfoExtension = 1 << (SockDiagH.INET_DIAG_INFO - 1);
    private readonly NetlinkSocket _netlink = new(NetlinkH.NETLINK_SOCK_DIAG, "sock_diag netlink");
    private readonly Lock _gate = new();

    /// <summary>
    /// Finds the socket that sends from <paramref name="local"/> to <paramref name="remote"/>: for TCP the connection itself (never a
    /// listener); for UDP the connected socket or else the one bound to the local port, as the kernel would choose for a reply. Sockets
    /// of IPv6 that speak mapped IPv4 are found by their IPv4 addresses.
    /// </summary>
    /// <param name="protocol">6 TCP, 17 UDP, 136 UDP-Lite.</param>
    /// <param name="local">Our end.</param>
    /// <param name="localPort">Our port.</param>
    /// <param name="remote">The other end.</param>
    /// <param name="remotePort">Its port.</param>
    /// <param name="owner">Whose it is; look at <see cref="SocketOwner.HasUid"/>.</param>
    /// <param name="ifIndex">
    /// The interface by which the packet goes, 0 for none: a socket bound to an interface (SO_BINDTODEVICE) is found only with it.
    /// </param>
    /// <returns>False: there is no such socket.</returns>
    /// <exception cref="LinuxException">The kernel refuses such requests (no tcp_diag/udp_diag).</exception>
    public bool TryFind(
        byte protocol, IpAddr local, ushort localPort, IpAddr remote, ushort remotePort, out SocketOwner owner, uint ifIndex = 0)
    {
        if (Lookup(protocol, local, localPort, remote, remotePort, ifIndex, 0, out InetDiagMsg found, out _)
            && (found.id.idiag_dport != 0 || protocol != InH.IPPROTO_TCP))
        {
            bool connected = found.id.idiag_dport == BinaryPrimitives.ReverseEndianness(remotePort) && found.id.idiag_dport != 0;
            owner = SocketOwner.From(found, connected);
            return true;
        }

        owner = new SocketOwner(SocketOwner.NoUid, 0, 0, false);
        return false;
    }

    /// <summary>Finds the TCP listener that a connection to this address and port would reach.</summary>
    /// <exception cref="LinuxException">The kernel refuses such requests.</exception>
    public bool TryFindListener(IpAddr local, ushort localPort, out SocketOwner owner, uint ifIndex = 0)
    {
        IpAddr nobody = new(0, local.Unmap().IsV6);
        if (Lookup(InH.IPPROTO_TCP, local, localPort, nobody, 0, ifIndex, 0, out InetDiagMsg found, out _)
            && found.idiag_state == TcpStateH.TCP_LISTEN)
        {
            owner = SocketOwner.From(found, false);
            return true;
        }

        owner = new SocketOwner(SocketOwner.NoUid, 0, 0, false);
        return false;
    }

    /// <summary>Finds a TCP connection and its exact segment size.</summary>
    /// <param name="flow">Source = our end.</param>
    /// <param name="sndMss">Payload bytes per segment as TCP cuts now (tcpi_snd_mss, options already taken off); 0 when closing.</param>
    /// <param name="owner">Whose it is.</param>
    /// <param name="ifIndex">As in <see cref="TryFind"/>.</param>
    /// <exception cref="LinuxException">The kernel refuses such requests.</exception>
    public bool TryGetTcpInfo(FlowKey flow, out uint sndMss, out SocketOwner owner, uint ifIndex = 0)
    {
        bool any = Lookup(
            InH.IPPROTO_TCP, flow.Source, flow.SourcePort, flow.Destination, flow.DestinationPort, ifIndex, InfoExtension,
            out InetDiagMsg found, out sndMss);
        any &= found.id.idiag_dport != 0;
        owner = any ? SocketOwner.From(found, true) : new SocketOwner(SocketOwner.NoUid, 0, 0, false);
        return any;
    }

    /// <summary>All sockets of a protocol and family, in every state. Milliseconds when there are many: not for packets.</summary>
    /// <param name="protocol">6 TCP, 17 UDP, 136 UDP-Lite.</param>
    /// <param name="v6">AF_INET6 sockets instead of AF_INET.</param>
    /// <exception cref="LinuxException">The kernel refuses such requests.</exception>
    public List<SocketEntry> Dump(byte protocol, bool v6)
    {
        List<SocketEntry> all = [];
        Span<byte> buffer = stackalloc byte[RequestBytes];
        NetlinkWriter writer = new(buffer, SockDiagH.SOCK_DIAG_BY_FAMILY, NetlinkH.NLM_F_REQUEST | NetlinkH.NLM_F_DUMP);
        writer.Add(new InetDiagReq
        {
            sdiag_family = (byte)(v6 ? SocketH.AF_INET6 : SocketH.AF_INET),
            sdiag_protocol = protocol,
            idiag_states = uint.MaxValue,
        });
        lock (_gate)
        {
            int result = _netlink.Dump(
                writer.Finish(),
                (_, body) =>
                {
                    if (!NetlinkAttributes.After(body, out InetDiagMsg message, out NetlinkAttributes attributes)) return;
                    uint mark = 0;
                    while (attributes.Next(out ushort type, out ReadOnlySpan<byte> value))
                        if (type == SockDiagH.INET_DIAG_MARK && value.Length >= sizeof(uint)) mark = MemoryMarshal.Read<uint>(value);
                    all.Add(Entry(protocol, message, mark));
                },
                all.Clear);
            LinuxException.Check(result, $"list sockets of protocol {protocol.ToString(CultureInfo.InvariantCulture)}");
        }

        return all;
    }

    /// <summary>
    /// Aborts a socket (SOCK_DESTROY): its process sees ECONNABORTED, a TCP peer a reset. The cookie makes sure that it is the socket
    /// that was listed.
    /// </summary>
    /// <returns>False: it is gone already, or of a kind that cannot be destroyed (TIME_WAIT).</returns>
    /// <exception cref="LinuxException">EPERM without CAP_NET_ADMIN; EOPNOTSUPP: kernel without CONFIG_INET_DIAG_DESTROY.</exception>
    public bool Destroy(SocketEntry entry)
    {
        Span<byte> buffer = stackalloc byte[RequestBytes];
        NetlinkWriter writer = new(buffer, SockDiagH.SOCK_DESTROY, NetlinkH.NLM_F_REQUEST | NetlinkH.NLM_F_ACK);
        InetDiagReq request = new()
        {
            sdiag_family = (byte)(entry.V6 ? SocketH.AF_INET6 : SocketH.AF_INET),
            sdiag_protocol = entry.Protocol,
            idiag_states = uint.MaxValue,
        };

        // Unlike the search, destroying UDP does not swap the ends (net/ipv4/udp_diag.c, __udp_diag_destroy).
        request.id.idiag_sport = BinaryPrimitives.ReverseEndianness(entry.LocalPort);
        request.id.idiag_dport = BinaryPrimitives.ReverseEndianness(entry.RemotePort);
        entry.Local.Write(new Span<byte>(request.id.idiag_src, 16));
        entry.Remote.Write(new Span<byte>(request.id.idiag_dst, 16));
        request.id.idiag_if = entry.IfIndex;
        request.id.idiag_cookie[0] = (uint)entry.Cookie;
        request.id.idiag_cookie[1] = (uint)(entry.Cookie >> 32);
        writer.Add(request);
        lock (_gate)
        {
            int result = _netlink.Acknowledge(writer.Finish());
            if (result == -Errno.EOPNOTSUPP && entry.Owner.State == TcpStateH.TCP_TIME_WAIT) return false;
            if (result is -Errno.ENOENT or -Errno.ESTALE) return false;
            LinuxException.Check(result, $"abort socket {entry.Local}:{entry.LocalPort.ToString(CultureInfo.InvariantCulture)}");
            return true;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _netlink.Dispose();

    private bool Lookup(
        byte protocol, IpAddr local, ushort localPort, IpAddr remote, ushort remotePort, uint ifIndex, byte extension,
        out InetDiagMsg found, out uint sndMss)
    {
        local = local.Unmap();
        remote = remote.Unmap();
        found = default;
        sndMss = 0;
        Span<byte> buffer = stackalloc byte[RequestBytes];
        NetlinkWriter writer = new(buffer, SockDiagH.SOCK_DIAG_BY_FAMILY, NetlinkH.NLM_F_REQUEST);
        InetDiagReq request = new()
        {
            sdiag_family = (byte)(local.IsV6 ? SocketH.AF_INET6 : SocketH.AF_INET),
            sdiag_protocol = protocol,
            idiag_ext = extension,
            idiag_states = uint.MaxValue,
        };

        // "src and dst are swapped for historical reasons" (net/ipv4/udp_diag.c, udp_dump_one): UDP wants the sender of an
        // arriving packet as src, TCP the local end.
        bool swap = protocol is InH.IPPROTO_UDP or InH.IPPROTO_UDPLITE;
        request.id.idiag_sport = BinaryPrimitives.ReverseEndianness(swap ? remotePort : localPort);
        request.id.idiag_dport = BinaryPrimitives.ReverseEndianness(swap ? localPort : remotePort);
        (swap ? remote : local).Write(new Span<byte>(request.id.idiag_src, 16));
        (swap ? local : remote).Write(new Span<byte>(request.id.idiag_dst, 16));
        request.id.idiag_if = ifIndex;
        request.id.idiag_cookie[0] = SockDiagH.INET_DIAG_NOCOOKIE;
        request.id.idiag_cookie[1] = SockDiagH.INET_DIAG_NOCOOKIE;
        writer.Add(request);
        lock (_gate)
        {
            int result = _netlink.Query(writer.Finish(), out ReadOnlySpan<byte> answer);
            if (result == -Errno.ENOENT) return false;
            if (result < 0)
                throw new LinuxException($"look up socket of protocol {protocol.ToString(CultureInfo.InvariantCulture)}", -result);
            if (!NetlinkAttributes.After(answer, out found, out NetlinkAttributes attributes)) return false;
            while (extension != 0 && attributes.Next(out ushort type, out ReadOnlySpan<byte> value))
            {
                if (type == SockDiagH.INET_DIAG_INFO && value.Length >= TcpH.TcpInfoSndMss + sizeof(uint))
                    sndMss = MemoryMarshal.Read<uint>(value[TcpH.TcpInfoSndMss..]);
            }

            return true;
        }
    }

    private static SocketEntry Entry(byte protocol, InetDiagMsg message, uint mark)
    {
        bool v6 = message.idiag_family == SocketH.AF_INET6;
        int size = v6 ? 16 : 4;
        return new SocketEntry(
            protocol,
            v6,
            SocketOwner.From(message, message.id.idiag_dport != 0),
            IpAddr.Read(new ReadOnlySpan<byte>(Unsafe.AsPointer(ref message.id.idiag_src[0]), size)),
            BinaryPrimitives.ReverseEndianness(message.id.idiag_sport),
            IpAddr.Read(new ReadOnlySpan<byte>(Unsafe.AsPointer(ref message.id.idiag_dst[0]), size)),
            BinaryPrimitives.ReverseEndianness(message.id.idiag_dport),
            message.id.idiag_if,
            message.id.idiag_cookie[0] | ((ulong)message.id.idiag_cookie[1] << 32),
            mark);
    }
}
