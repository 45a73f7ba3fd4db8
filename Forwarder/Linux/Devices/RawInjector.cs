using PersonalVpn.Linux.Abi;
using PersonalVpn.Packets;

namespace PersonalVpn.Linux;

/// <summary>One packet inside a buffer shared by several.</summary>
/// <param name="Offset">Where its IP header starts.</param>
/// <param name="Length">Its bytes.</param>
/// <param name="Destination">Its destination address.</param>
public readonly record struct PacketRange(int Offset, int Length, IpAddr Destination);

/// <summary>
/// Sends complete IP packets by raw sockets (raw(7), IP_HDRINCL; IPv6: IPPROTO_RAW). The kernel routes them as its own and checks
/// nothing but their length against the route's MTU: whoever calls has checked. On the way it fills in the IPv4 header checksum and
/// total length always, and identification when 0; transport checksums must be complete. Any thread.
/// </summary>
public sealed unsafe class RawInjector : IDisposable
{
    private const int MaxBatch = 64;
    private readonly LinuxSocket _v4;
    private readonly LinuxSocket? _v6;

    /// <summary>Opens the sockets (CAP_NET_RAW; the mark needs CAP_NET_ADMIN).</summary>
    /// <param name="mark">SO_MARK of every packet, 0 = none.</param>
    /// <param name="device">Interface to leave by (SO_BINDTODEVICE), null = as routed.</param>
    /// <param name="sendBufferBytes">Socket buffer.</param>
    /// <param name="deviceV6">The same for IPv6; null = <paramref name="device"/>.</param>
    /// <exception cref="LinuxException">EPERM, ENODEV.</exception>
    public RawInjector(uint mark = 0, string? device = null, int sendBufferBytes = 8 << 20, string? deviceV6 = null)
    {
        _v4 = Open(SocketH.AF_INET, "raw IPv4", mark, device, sendBufferBytes);
        try
        {
            _v6 = Open(SocketH.AF_INET6, "raw IPv6", mark, deviceV6 ?? device, sendBufferBytes);
        }
        catch (LinuxException e) when (e.Error == 97) // EAFNOSUPPORT: a host without IPv6
        {
            _v6 = null;
        }
        catch
        {
            _v4.Dispose();
            throw;
        }
    }

    /// <summary>Sends one packet without waiting.</summary>
    /// <param name="packet">IP header first.</param>
    /// <param name="destination">Where to route it: its destination address.</param>
    /// <returns>Bytes or a negative errno: EAGAIN or ENOBUFS (full), EMSGSIZE (longer than the MTU), EINVAL (no such family or bad header).</returns>
    public int Send(ReadOnlySpan<byte> packet, IpAddr destination)
    {
        if (Socket(destination) is not LinuxSocket socket) return -Errno.ENETUNREACH;
        byte* address = stackalloc byte[SocketAddress.MaxSize];
        int length = SocketAddress.Write(new Span<byte>(address, SocketAddress.MaxSize), destination, 0);
        fixed (byte* p = packet)
        {
            int n;
            do n = LinuxHandle.Result(
                Native.SendTo(socket, p, (nuint)packet.Length, SocketH.MSG_DONTWAIT | SocketH.MSG_NOSIGNAL, address, (uint)length));
            while (n == -Errno.EINTR);
            return n;
        }
    }

    /// <summary>Sends many packets that lie in one buffer, in order, with as few system calls as possible.</summary>
    /// <param name="buffer">The packets' bytes.</param>
    /// <param name="packets">Where each is.</param>
    /// <returns>How many were sent (all, or those before the first that was refused), or the negative errno of the first.</returns>
    public int SendBatch(ReadOnlySpan<byte> buffer, ReadOnlySpan<PacketRange> packets)
    {
        int sent = 0;
        while (sent < packets.Length)
        {
            ReadOnlySpan<PacketRange> run = packets[sent..Math.Min(packets.Length, sent + MaxBatch)];
            int same = 1;
            while (same < run.Length && run[same].Destination.IsV6 == run[0].Destination.IsV6) same++;
            int n = SendRun(buffer, run[..same]);
            if (n < 0) return sent > 0 ? sent : n;
            sent += n;
            if (n < same) return sent; // the next call would say why
        }

        return sent;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _v4.Dispose();
        _v6?.Dispose();
    }

    private int SendRun(ReadOnlySpan<byte> buffer, ReadOnlySpan<PacketRange> run)
    {
        if (Socket(run[0].Destination) is not LinuxSocket socket) return -Errno.ENETUNREACH;
        const int AddressBytes = 28;
        MMsgHdr* messages = stackalloc MMsgHdr[run.Length];
        IoVec* pieces = stackalloc IoVec[run.Length];
        byte* addresses = stackalloc byte[run.Length * AddressBytes];
        fixed (byte* p = buffer)
        {
            for (int i = 0; i < run.Length; i++)
            {
                PacketRange range = run[i];
                if ((uint)range.Offset > (uint)buffer.Length || (uint)range.Length > (uint)(buffer.Length - range.Offset))
                    throw new ArgumentOutOfRangeException(nameof(run), "a packet lies outside of the buffer");
                byte* address = addresses + (i * AddressBytes);
                int length = SocketAddress.Write(new Span<byte>(address, AddressBytes), range.Destination, 0);
                pieces[i] = new IoVec { iov_base = (nint)(p + range.Offset), iov_len = (nuint)range.Length };
                messages[i] = new MMsgHdr
                {
                    msg_hdr = new MsgHdr
                    {
                        msg_name = (nint)address,
                        msg_namelen = (uint)length,
                        msg_iov = (nint)(pieces + i),
                        msg_iovlen = 1,
                    },
                };
            }

            int n;
            do n = LinuxHandle.Result(
                Native.SendMMsg(socket, messages, (uint)run.Length, SocketH.MSG_DONTWAIT | SocketH.MSG_NOSIGNAL));
            while (n == -Errno.EINTR);
            return n;
        }
    }

    private LinuxSocket? Socket(IpAddr destination) => destination.IsV6 ? _v6 : _v4;

    private static LinuxSocket Open(int family, string what, uint mark, string? device, int sendBufferBytes)
    {
        LinuxSocket socket = LinuxSocket.Create(family, SocketH.SOCK_RAW, InH.IPPROTO_RAW, what);
        try
        {
            if (mark != 0) socket.SetMark(mark);
            if (device is not null) socket.BindToDevice(device);
            socket.SetSendBuffer(sendBufferBytes);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
