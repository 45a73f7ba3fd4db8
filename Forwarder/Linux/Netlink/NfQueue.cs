using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using PersonalVpn.Linux.Abi;

namespace PersonalVpn.Linux;

/// <summary>How a queue is set up.</summary>
public sealed record NfQueueOptions
{
    /// <summary>Take superpackets in one piece (NFQA_CFG_F_GSO). TCP only: UDP superpackets cannot be rebuilt from the queue.</summary>
    public bool Gso { get; init; }

    /// <summary>Ask for the owner of each packet (NFQA_CFG_F_UID_GID).</summary>
    public bool UidGid { get; init; } = true;

    /// <summary>Bytes of each packet to copy; the kernel caps it at 65,531.</summary>
    public int CopyRange { get; init; } = 0xffff;

    /// <summary>Packets that may wait for a verdict; more are dropped by the kernel, and counted.</summary>
    public int MaxLength { get; init; } = 4096;

    /// <summary>Socket buffer for copies under way (SO_RCVBUFFORCE). When it is full packets are dropped and <see cref="NfQueue.Overruns"/> counts.</summary>
    public int ReceiveBufferBytes { get; init; } = 32 << 20;
}

/// <summary>
/// One netfilter queue (linux/netfilter/nfnetlink_queue.h): packets come up with their owner, verdicts go down. Every message:
/// <code>
/// nlmsghdr (16), type = 3&lt;&lt;8 | {0 packet, 1 verdict, 2 config, 3 verdict for all ids up to}
/// nfgenmsg  (4): family, version 0, queue number (be16)
/// attributes
/// </code>
/// Fails closed: without NFQA_CFG_F_FAIL_OPEN the kernel drops what does not fit, what waits when the socket closes, and
/// (the rule must not say --queue-bypass) what finds nobody here.
/// One thread receives; verdicts may come from any thread.
/// </summary>
public sealed unsafe class NfQueue : IDisposable
{
    private const int VerdictBytes = NlMsgHdr.Size + NfGenMsg.Size + NlAttr.Size + 8;
    private const int MaxPendingVerdicts = 128;
    private const int SendAttempts = 100;

    private readonly LinuxSocket _socket;
    private readonly Lock _gate = new();
    private readonly byte[] _verdicts = GC.AllocateArray<byte>(VerdictBytes * MaxPendingVerdicts, pinned: true);
    private int _pending;
    private long _overruns;
    private long _refused;

    /// <summary>Opens and binds a queue. From here on packets sent to it wait for our verdict.</summary>
    /// <param name="number">The number that the firewall rule names (--queue-num).</param>
    /// <param name="options">How.</param>
    /// <exception cref="LinuxException">EPERM: no CAP_NET_ADMIN, or another process holds this queue.</exception>
    public NfQueue(ushort number, NfQueueOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        Number = number;
        _socket = LinuxSocket.Create(SocketH.AF_NETLINK, SocketH.SOCK_RAW, NetlinkH.NETLINK_NETFILTER, "netfilter netlink");
        try
        {
            SockAddrNl address = new() { nl_family = SocketH.AF_NETLINK };
            LinuxHandle.Check(Native.Bind(_socket, (byte*)&address, (uint)sizeof(SockAddrNl)), "bind netfilter netlink socket");
            _socket.SetReceiveBuffer(options.ReceiveBufferBytes);
            Configure(options);
        }
        catch
        {
            _socket.Dispose();
            throw;
        }
    }

    /// <summary>The queue's number.</summary>
    public ushort Number { get; }

    /// <summary>The descriptor to watch for EPOLLIN.</summary>
    public int Fd => _socket.Fd;

    /// <summary>How often the socket's buffer overflowed (ENOBUFS): packets were dropped, see <see cref="NfQueueStats"/> for how many.</summary>
    public long Overruns => Interlocked.Read(ref _overruns);

    /// <summary>Verdicts that the kernel refused because it knows no such packet (any more).</summary>
    public long RefusedVerdicts => Interlocked.Read(ref _refused);

    /// <summary>Takes waiting packets without waiting itself.</summary>
    /// <param name="batch">Where they go; its last content is gone.</param>
    /// <returns>How many; 0 when none waits.</returns>
    /// <exception cref="LinuxException">The socket failed for good.</exception>
    public int Receive(NfPacketBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        while (true)
        {
            batch.Clear();
            int n = LinuxHandle.Result(
                Native.RecvMMsg(_socket, batch.Messages, (uint)batch.Capacity, SocketH.MSG_DONTWAIT, null));
            switch (n)
            {
                case -Errno.EINTR:
                    continue;
                case -Errno.ENOBUFS:
                    Interlocked.Increment(ref _overruns);
                    continue;
                case -Errno.EAGAIN:
                    return 0;
                case < 0:
                    throw new LinuxException($"receive from queue {Number.ToString(CultureInfo.InvariantCulture)}", -n);
            }

            for (int slot = 0; slot < n; slot++) Parse(batch, slot);
            if (batch.Count > 0) return batch.Count; // else only refusals came: look again
        }
    }

    /// <summary>Settles one packet now.</summary>
    /// <param name="id">Its number.</param>
    /// <param name="accept">True: it goes on; false: it is dropped.</param>
    /// <exception cref="LinuxException">The kernel did not take the message.</exception>
    public void Verdict(uint id, bool accept)
    {
        lock (_gate)
        {
            Append(NfQueueH.NFQNL_MSG_VERDICT, id, accept);
            Flush();
        }
    }

    /// <summary>Settles one packet with the next <see cref="FlushVerdicts"/> (or after 128 of them): many verdicts, one system call.</summary>
    /// <exception cref="LinuxException">The kernel did not take the message.</exception>
    public void QueueVerdict(uint id, bool accept)
    {
        lock (_gate)
        {
            Append(NfQueueH.NFQNL_MSG_VERDICT, id, accept);
            if (_pending == MaxPendingVerdicts) Flush();
        }
    }

    /// <summary>Sends what <see cref="QueueVerdict"/> collected.</summary>
    /// <exception cref="LinuxException">The kernel did not take the message.</exception>
    public void FlushVerdicts()
    {
        lock (_gate) Flush();
    }

    /// <summary>Settles every waiting packet whose number is not above <paramref name="upToId"/>, now, after the verdicts collected.</summary>
    /// <exception cref="LinuxException">The kernel did not take the message.</exception>
    public void VerdictBatch(uint upToId, bool accept)
    {
        lock (_gate)
        {
            if (_pending == MaxPendingVerdicts) Flush();
            Append(NfQueueH.NFQNL_MSG_VERDICT_BATCH, upToId, accept);
            Flush();
        }
    }

    /// <summary>Closes the queue; the kernel drops what waits in it.</summary>
    public void Dispose() => _socket.Dispose();

    private void Configure(NfQueueOptions options)
    {
        string queue = $"queue {Number.ToString(CultureInfo.InvariantCulture)}";
        Span<byte> request = stackalloc byte[128];

        NetlinkWriter bind = StartConfig(request);
        bind.Attribute(NfQueueH.NFQA_CFG_CMD, new NfqConfigCmd { command = NfQueueH.NFQNL_CFG_CMD_BIND });
        int result = Acknowledge(bind.Finish());
        if (result == -Errno.EPERM)
        {
            string hint = NfQueueStats.IsHeld(Number)
                ? "another process holds this queue: end it or choose another QueueNumber"
                : "CAP_NET_ADMIN is needed";
            throw new LinuxException($"bind {queue}", -result, hint);
        }

        LinuxException.Check(result, $"bind {queue}");

        NetlinkWriter limits = StartConfig(request);
        uint flags = (options.Gso ? NfQueueH.NFQA_CFG_F_GSO : 0) | (options.UidGid ? NfQueueH.NFQA_CFG_F_UID_GID : 0);
        uint all = NfQueueH.NFQA_CFG_F_GSO | NfQueueH.NFQA_CFG_F_UID_GID;
        limits.Attribute(NfQueueH.NFQA_CFG_QUEUE_MAXLEN, BinaryPrimitives.ReverseEndianness((uint)options.MaxLength));
        limits.Attribute(NfQueueH.NFQA_CFG_MASK, BinaryPrimitives.ReverseEndianness(all));
        limits.Attribute(NfQueueH.NFQA_CFG_FLAGS, BinaryPrimitives.ReverseEndianness(flags));
        LinuxException.Check(Acknowledge(limits.Finish()), $"set limits of {queue}");

        // Last: until a copy mode is set the kernel drops what comes (nfqnl_enqueue_packet, NFQNL_COPY_NONE), so nothing can
        // wait here that was copied under half a setup.
        NetlinkWriter mode = StartConfig(request);
        mode.Attribute(NfQueueH.NFQA_CFG_PARAMS, new NfqConfigParams
        {
            copy_range = BinaryPrimitives.ReverseEndianness((uint)options.CopyRange),
            copy_mode = NfQueueH.NFQNL_COPY_PACKET,
        });
        LinuxException.Check(Acknowledge(mode.Finish()), $"set copy mode of {queue}");
    }

    private NetlinkWriter StartConfig(Span<byte> buffer)
    {
        NetlinkWriter writer = new(
            buffer, (NfQueueH.NFNL_SUBSYS_QUEUE << 8) | NfQueueH.NFQNL_MSG_CONFIG, NetlinkH.NLM_F_REQUEST | NetlinkH.NLM_F_ACK);
        writer.Add(new NfGenMsg { version = NfQueueH.NFNETLINK_V0, res_id = BinaryPrimitives.ReverseEndianness(Number) });
        return writer;
    }

    private int Acknowledge(Span<byte> request)
    {
        LinuxException.Check(_socket.Send(request), "send queue configuration");
        byte[] buffer = new byte[NfPacketBatch.BufferBytes];
        while (true)
        {
            int n = _socket.Receive(buffer);
            if (n == -Errno.ENOBUFS)
            {
                _overruns++;
                continue;
            }

            NetlinkReader reader = new(buffer.AsSpan(0, LinuxException.Check(n, "receive queue configuration")));
            while (reader.Next(out NlMsgHdr header, out ReadOnlySpan<byte> body))
            {
                if (header.nlmsg_type == NetlinkH.NLMSG_ERROR && body.Length >= sizeof(int)) return MemoryMarshal.Read<int>(body);

                // A packet may overtake the acknowledgement of the copy mode. It would wait for ever: drop it, as the kernel
                // did with those before it.
                if (ParseAttributes(body, buffer, out NfPacket packet)) Verdict(packet.Id, accept: false);
            }
        }
    }

    private void Append(int type, uint id, bool accept)
    {
        NetlinkWriter writer = new(
            _verdicts.AsSpan(_pending * VerdictBytes, VerdictBytes),
            (ushort)((NfQueueH.NFNL_SUBSYS_QUEUE << 8) | type),
            NetlinkH.NLM_F_REQUEST);
        writer.Add(new NfGenMsg { version = NfQueueH.NFNETLINK_V0, res_id = BinaryPrimitives.ReverseEndianness(Number) });
        writer.Attribute(NfQueueH.NFQA_VERDICT_HDR, new NfqVerdictHdr
        {
            verdict = BinaryPrimitives.ReverseEndianness((uint)(accept ? NfQueueH.NF_ACCEPT : NfQueueH.NF_DROP)),
            id = BinaryPrimitives.ReverseEndianness(id),
        });
        writer.Finish();
        _pending++;
    }

    private void Flush()
    {
        if (_pending == 0) return;
        ReadOnlySpan<byte> messages = _verdicts.AsSpan(0, _pending * VerdictBytes);
        _pending = 0;
        int n = 0;
        for (int attempt = 0; attempt < SendAttempts; attempt++)
        {
            n = _socket.Send(messages);
            if (n is not (-Errno.EAGAIN or -Errno.ENOBUFS or -Errno.ENOMEM)) break; // a lost verdict would block its packet's sender
        }

        if (n < 0) throw new LinuxException($"send verdict to queue {Number.ToString(CultureInfo.InvariantCulture)}", -n);
    }

    private void Parse(NfPacketBatch batch, int slot)
    {
        NetlinkReader reader = new(batch.Datagram(slot, out byte[] buffer));
        if (!reader.Next(out NlMsgHdr header, out ReadOnlySpan<byte> body)) return;
        if (header.nlmsg_type == NetlinkH.NLMSG_ERROR)
        {
            Interlocked.Increment(ref _refused);
            return;
        }

        if (header.nlmsg_type != ((NfQueueH.NFNL_SUBSYS_QUEUE << 8) | NfQueueH.NFQNL_MSG_PACKET)) return;
        if (!ParseAttributes(body, buffer, out NfPacket packet)) return;
        packet.Slot = slot;
        batch.Append(packet);
    }

    private static bool ParseAttributes(ReadOnlySpan<byte> body, byte[] buffer, out NfPacket packet)
    {
        packet = new NfPacket { Buffer = buffer };
        bool identified = false;
        int? original = null;
        if (!NetlinkAttributes.After(body, out NfGenMsg _, out NetlinkAttributes attributes)) return false;
        while (attributes.Next(out ushort type, out ReadOnlySpan<byte> value))
        {
            switch (type)
            {
                case NfQueueH.NFQA_PACKET_HDR when value.Length >= sizeof(NfqPacketHdr):
                    NfqPacketHdr head = MemoryMarshal.Read<NfqPacketHdr>(value);
                    packet.Id = BinaryPrimitives.ReverseEndianness(head.packet_id);
                    packet.HwProtocol = BinaryPrimitives.ReverseEndianness(head.hw_protocol);
                    packet.Hook = head.hook;
                    identified = true;
                    break;
                case NfQueueH.NFQA_PAYLOAD:
                    fixed (byte* start = buffer, at = value) packet.Offset = (int)(at - start);
                    packet.Length = value.Length;
                    break;
                case NfQueueH.NFQA_MARK when BinaryPrimitives.TryReadUInt32BigEndian(value, out uint mark):
                    packet.Mark = mark;
                    break;
                case NfQueueH.NFQA_UID when BinaryPrimitives.TryReadUInt32BigEndian(value, out uint uid):
                    packet.Uid = uid;
                    break;
                case NfQueueH.NFQA_GID when BinaryPrimitives.TryReadUInt32BigEndian(value, out uint gid):
                    packet.Gid = gid;
                    break;
                case NfQueueH.NFQA_IFINDEX_OUTDEV when BinaryPrimitives.TryReadUInt32BigEndian(value, out uint index):
                    packet.OutIfIndex = index;
                    break;
                case NfQueueH.NFQA_IFINDEX_INDEV when BinaryPrimitives.TryReadUInt32BigEndian(value, out uint index):
                    packet.InIfIndex = index;
                    break;
                case NfQueueH.NFQA_CAP_LEN when BinaryPrimitives.TryReadUInt32BigEndian(value, out uint length):
                    original = (int)length;
                    break;
                case NfQueueH.NFQA_SKB_INFO when BinaryPrimitives.TryReadUInt32BigEndian(value, out uint info):
                    packet.ChecksumNotReady = (info & NfQueueH.NFQA_SKB_CSUMNOTREADY) != 0;
                    packet.Gso = (info & NfQueueH.NFQA_SKB_GSO) != 0;
                    break;
            }
        }

        packet.OriginalLength = original ?? packet.Length;
        packet.Truncated = packet.OriginalLength > packet.Length;
        return identified;
    }
}
