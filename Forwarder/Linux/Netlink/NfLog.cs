using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using PersonalVpn.Linux.Abi;

namespace PersonalVpn.Linux;

/// <summary>One logged packet; borrowed from the buffer of its <see cref="NfLog"/> until the handler returns.</summary>
public readonly ref struct NfLogPacket
{
    /// <summary>The packet's first bytes, IP header first; as many as the rule's --nflog-size.</summary>
    public ReadOnlySpan<byte> Payload { get; init; }

    /// <summary>Interface by which it leaves; null on the way in.</summary>
    public int? OutIfIndex { get; init; }

    /// <summary>Interface by which it came; null on the way out.</summary>
    public int? InIfIndex { get; init; }

    /// <summary>Owner of the sending socket; null when it has none.</summary>
    public uint? Uid { get; init; }
}

/// <summary>
/// Copies of packets that a rule with <c>-j NFLOG --nflog-group N</c> lets pass by (linux/netfilter/nfnetlink_log.h). With
/// <c>--nflog-threshold 1</c> the copy, and all that waited before it, is in the socket's buffer before the packet goes on
/// (net/netfilter/nfnetlink_log.c, nfulnl_log_packet): whoever sees an effect of the packet finds its copy here. With a larger
/// threshold copies are collected, up to <see cref="Threshold"/> or <see cref="FlushMilliseconds"/>: one wake-up for many.
/// One that does not fit is lost; the packet is not. Any thread; calls take turns.
/// </summary>
public sealed unsafe class NfLog : IDisposable
{
    /// <summary>Copies that are collected at most, whatever the rule says.</summary>
    public const int Threshold = 64;

    /// <summary>How long one waits for others at most.</summary>
    public const int FlushMilliseconds = 50;

    private const int KernelBufferBytes = 32 << 10;
    private const int BufferBytes = 64 << 10;

    private readonly LinuxSocket _socket;
    private readonly Lock _gate = new();
    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(BufferBytes, pinned: true);
    private long _overruns;

    /// <summary>Opens and binds a group.</summary>
    /// <param name="group">The number that the rule names.</param>
    /// <param name="copyBytes">Most bytes of each packet.</param>
    /// <param name="receiveBufferBytes">Socket buffer for copies under way.</param>
    /// <exception cref="LinuxException">EPERM: no CAP_NET_ADMIN, or another process listens to this group.</exception>
    public NfLog(ushort group, int copyBytes, int receiveBufferBytes = 4 << 20)
    {
        Group = group;
        _socket = LinuxSocket.Create(SocketH.AF_NETLINK, SocketH.SOCK_RAW, NetlinkH.NETLINK_NETFILTER, "netfilter log netlink");
        try
        {
            SockAddrNl address = new() { nl_family = SocketH.AF_NETLINK };
            LinuxHandle.Check(Native.Bind(_socket, (byte*)&address, (uint)sizeof(SockAddrNl)), "bind netfilter log socket");
            _socket.SetReceiveBuffer(receiveBufferBytes);
            Configure(copyBytes);
        }
        catch
        {
            _socket.Dispose();
            throw;
        }
    }

    /// <summary>Takes one packet.</summary>
    public delegate void Handler(in NfLogPacket packet);

    /// <summary>The group's number.</summary>
    public ushort Group { get; }

    /// <summary>The descriptor to watch for EPOLLIN.</summary>
    public int Fd => _socket.Fd;

    /// <summary>How often the socket's buffer overflowed: copies were lost.</summary>
    public long Overruns => Interlocked.Read(ref _overruns);

    /// <summary>Waits for copies.</summary>
    /// <returns>False when the time is up.</returns>
    public bool Wait(int timeoutMs) => _socket.Poll(forWrite: false, timeoutMs);

    /// <summary>Hands every copy that is there now to <paramref name="handler"/>; does not wait.</summary>
    /// <exception cref="LinuxException">The socket failed for good.</exception>
    public void Drain(Handler handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        lock (_gate)
        {
            while (true)
            {
                int n = _socket.Receive(_buffer, SocketFlags.MSG_DONTWAIT);
                if (n == -Errno.EAGAIN) return;
                if (n == -Errno.ENOBUFS)
                {
                    Interlocked.Increment(ref _overruns);
                    continue;
                }

                Parse(_buffer.AsSpan(0, LinuxException.Check(n, "receive logged packets")), handler);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    private static void Parse(ReadOnlySpan<byte> datagram, Handler handler)
    {
        NetlinkReader reader = new(datagram);
        while (reader.Next(out NlMsgHdr header, out ReadOnlySpan<byte> body))
        {
            if (header.nlmsg_type != ((NfLogH.NFNL_SUBSYS_ULOG << 8) | NfLogH.NFULNL_MSG_PACKET)) continue;
            if (!NetlinkAttributes.After(body, out NfGenMsg _, out NetlinkAttributes attributes)) continue;
            ReadOnlySpan<byte> payload = default;
            int? outDevice = null, inDevice = null;
            uint? uid = null;
            while (attributes.Next(out ushort type, out ReadOnlySpan<byte> value))
            {
                switch (type)
                {
                    case NfLogH.NFULA_PAYLOAD: payload = value; break;
                    case NfLogH.NFULA_IFINDEX_OUTDEV when BinaryPrimitives.TryReadInt32BigEndian(value, out int o): outDevice = o; break;
                    case NfLogH.NFULA_IFINDEX_INDEV when BinaryPrimitives.TryReadInt32BigEndian(value, out int i): inDevice = i; break;
                    case NfLogH.NFULA_UID when BinaryPrimitives.TryReadUInt32BigEndian(value, out uint u): uid = u; break;
                }
            }

            handler(new NfLogPacket { Payload = payload, OutIfIndex = outDevice, InIfIndex = inDevice, Uid = uid });
        }
    }

    private void Configure(int copyBytes)
    {
        string group = $"log group {Group.ToString(CultureInfo.InvariantCulture)}";
        Span<byte> request = stackalloc byte[128];
        NetlinkWriter bind = Start(request);
        bind.Attribute(NfLogH.NFULA_CFG_CMD, new NfLogConfigCmd { command = NfLogH.NFULNL_CFG_CMD_BIND });
        int result = Acknowledge(bind.Finish());
        // net/netfilter/nfnetlink_log.c says EPERM of a group that another socket has, as of a missing capability.
        if (result is -Errno.EBUSY or -Errno.EPERM)
            throw new LinuxException($"bind {group}", -result, "another process listens to it: end it or choose another QueueNumber; or CAP_NET_ADMIN is missing");
        LinuxException.Check(result, $"bind {group}");

        NetlinkWriter mode = Start(request);
        mode.Attribute(NfLogH.NFULA_CFG_MODE, new NfLogConfigMode
        {
            copy_range = BinaryPrimitives.ReverseEndianness((uint)copyBytes),
            copy_mode = NfLogH.NFULNL_COPY_PACKET,
        });
        mode.Attribute(NfLogH.NFULA_CFG_NLBUFSIZ, BinaryPrimitives.ReverseEndianness((uint)KernelBufferBytes));
        mode.Attribute(NfLogH.NFULA_CFG_TIMEOUT, BinaryPrimitives.ReverseEndianness(FlushMilliseconds / 10u)); // in 1/100 s
        mode.Attribute(NfLogH.NFULA_CFG_QTHRESH, BinaryPrimitives.ReverseEndianness((uint)Threshold));
        LinuxException.Check(Acknowledge(mode.Finish()), $"set copy mode of {group}");
    }

    private NetlinkWriter Start(Span<byte> buffer)
    {
        NetlinkWriter writer = new(
            buffer, (NfLogH.NFNL_SUBSYS_ULOG << 8) | NfLogH.NFULNL_MSG_CONFIG, NetlinkH.NLM_F_REQUEST | NetlinkH.NLM_F_ACK);
        writer.Add(new NfGenMsg { version = NfQueueH.NFNETLINK_V0, res_id = BinaryPrimitives.ReverseEndianness(Group) });
        return writer;
    }

    private int Acknowledge(Span<byte> request)
    {
        LinuxException.Check(_socket.Send(request), "send log configuration");
        while (true)
        {
            int n = LinuxException.Check(_socket.Receive(_buffer), "receive log configuration");
            NetlinkReader reader = new(_buffer.AsSpan(0, n));
            while (reader.Next(out NlMsgHdr header, out ReadOnlySpan<byte> body))
                if (header.nlmsg_type == NetlinkH.NLMSG_ERROR && body.Length >= sizeof(int)) return MemoryMarshal.Read<int>(body);
        }
    }
}
