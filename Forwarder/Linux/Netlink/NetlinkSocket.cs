using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using PersonalVpn.Linux.Abi;

namespace PersonalVpn.Linux;

/// <summary>
/// Requests to the kernel over one netlink socket, each answered before the next is sent. It belongs to the network namespace
/// of the thread that created it. Not for several threads at once; owners lock.
/// </summary>
internal sealed unsafe class NetlinkSocket : IDisposable
{
    private const int DumpAttempts = 8;
    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(1 << 16);
    private uint _sequence;

    /// <summary>Opens a socket of a netlink family (NETLINK_*), a member of these multicast groups (a mask, RTMGRP_*).</summary>
    /// <exception cref="LinuxException">socket or bind failed.</exception>
    internal NetlinkSocket(int family, string what, uint groups = 0)
    {
        Socket = LinuxSocket.Create(SocketH.AF_NETLINK, SocketH.SOCK_RAW, family, what);
        try
        {
            SockAddrNl address = new() { nl_family = SocketH.AF_NETLINK, nl_groups = groups };
            LinuxHandle.Check(Native.Bind(Socket, (byte*)&address, (uint)sizeof(SockAddrNl)), $"bind {what} socket");
            Socket.TrySetOption(NetlinkH.SOL_NETLINK, NetlinkH.NETLINK_EXT_ACK, 1); // explanations are welcome, not needed
        }
        catch
        {
            Socket.Dispose();
            throw;
        }
    }

    /// <summary>Receives each message of a dump.</summary>
    internal delegate void MessageHandler(ushort type, ReadOnlySpan<byte> body);

    /// <summary>The socket.</summary>
    internal LinuxSocket Socket { get; }

    /// <summary>What the kernel said about the last refusal, beyond the number.</summary>
    internal string? LastHint { get; private set; }

    /// <summary>Sends a request that ends with an acknowledgement: 0 or a negative errno.</summary>
    internal int Acknowledge(Span<byte> request)
    {
        uint sequence = SendRequest(request);
        while (true)
        {
            NetlinkReader reader = new(ReceiveDatagram());
            while (reader.Next(out NlMsgHdr header, out ReadOnlySpan<byte> body))
            {
                if (header.nlmsg_seq == sequence && header.nlmsg_type == NetlinkH.NLMSG_ERROR) return ReadError(header, body);
            }
        }
    }

    /// <summary>Sends a request that one message answers: a negative errno, or the answer's type and body (valid until the next request).</summary>
    internal int Query(Span<byte> request, out ReadOnlySpan<byte> answer)
    {
        uint sequence = SendRequest(request);
        while (true)
        {
            NetlinkReader reader = new(ReceiveDatagram());
            while (reader.Next(out NlMsgHdr header, out ReadOnlySpan<byte> body))
            {
                if (header.nlmsg_seq != sequence) continue;
                answer = body;
                if (header.nlmsg_type != NetlinkH.NLMSG_ERROR) return header.nlmsg_type;
                int error = ReadError(header, body);
                return error == 0 ? -Errno.ENOENT : error;
            }
        }
    }

    /// <summary>
    /// Sends a dump request and hands every message over. When the tables changed meanwhile (NLM_F_DUMP_INTR) it is asked again,
    /// with <paramref name="restart"/> called first to forget what was collected. Returns 0 or a negative errno.
    /// </summary>
    internal int Dump(Span<byte> request, MessageHandler handler, Action restart)
    {
        for (int attempt = 0; ; attempt++)
        {
            restart();
            int result = DumpOnce(request, handler, out bool interrupted);
            if (result < 0 || !interrupted || attempt == DumpAttempts) return result;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Socket.Dispose();

    private int DumpOnce(Span<byte> request, MessageHandler handler, out bool interrupted)
    {
        uint sequence = SendRequest(request);
        interrupted = false;
        while (true)
        {
            NetlinkReader reader = new(ReceiveDatagram());
            while (reader.Next(out NlMsgHdr header, out ReadOnlySpan<byte> body))
            {
                if (header.nlmsg_seq != sequence) continue;
                interrupted |= (header.nlmsg_flags & NetlinkH.NLM_F_DUMP_INTR) != 0;
                switch (header.nlmsg_type)
                {
                    case NetlinkH.NLMSG_ERROR:
                        return ReadError(header, body);
                    case NetlinkH.NLMSG_DONE:
                        return body.Length >= sizeof(int) ? Math.Min(0, MemoryMarshal.Read<int>(body)) : 0;
                    case NetlinkH.NLMSG_NOOP:
                        break;
                    default:
                        handler(header.nlmsg_type, body);
                        break;
                }
            }
        }
    }

    private uint SendRequest(Span<byte> request)
    {
        uint sequence = ++_sequence;
        MemoryMarshal.Write(request[8..], in sequence);
        LastHint = null;
        LinuxException.Check(Socket.Send(request), "send netlink request");
        return sequence;
    }

    private ReadOnlySpan<byte> ReceiveDatagram()
    {
        fixed (byte* p = _buffer)
        {
            while (true)
            {
                SockAddrNl sender = default;
                uint length = (uint)sizeof(SockAddrNl);
                int n = LinuxHandle.Result(
                    Native.RecvFrom(Socket, p, (nuint)_buffer.Length, SocketH.MSG_TRUNC, (byte*)&sender, &length));
                if (n == -Errno.EINTR || (n >= 0 && sender.nl_pid != 0)) continue; // only the kernel (port 0) is listened to
                if (n < 0) throw new LinuxException("receive netlink answer", -n);
                if (n > _buffer.Length)
                    throw new LinuxException($"netlink answer of {n.ToString(CultureInfo.InvariantCulture)} bytes", Errno.EMSGSIZE);
                return _buffer.AsSpan(0, n);
            }
        }
    }

    /// <summary>
    /// Reads an acknowledgement: error (4), the request's header (16), its body unless NLM_F_CAPPED, then attributes if
    /// NLM_F_ACK_TLVS; attribute 1 is the kernel's explanation.
    /// </summary>
    private int ReadError(NlMsgHdr header, ReadOnlySpan<byte> body)
    {
        if (!MemoryMarshal.TryRead(body, out NlMsgErr error)) return -Errno.EINVAL;
        if ((header.nlmsg_flags & NetlinkH.NLM_F_ACK_TLVS) == 0) return error.error;
        long skip = sizeof(NlMsgErr);
        if ((header.nlmsg_flags & NetlinkH.NLM_F_CAPPED) == 0) skip += ((long)error.msg.nlmsg_len - NlMsgHdr.Size + 3) & ~3L;
        if (skip < sizeof(NlMsgErr) || skip > body.Length) return error.error;
        NetlinkAttributes attributes = new(body[(int)skip..]);
        while (attributes.Next(out ushort type, out ReadOnlySpan<byte> value))
            if (type == NetlinkH.NLMSGERR_ATTR_MSG) LastHint = Encoding.UTF8.GetString(value).TrimEnd('\0', '\n');
        return error.error;
    }
}
