using System.Buffers.Binary;
using System.Net;
using PersonalVpn.Kernel.Support;
using PersonalVpn.Linux;
using PersonalVpn.Packets;

namespace PersonalVpn.Kernel.Linux;

/// <summary>
/// The kernel's real queues, as the daemon uses them: everything that leaves by an anchor device (a TUN without reader) is
/// queued, TCP with superpackets to one queue, the rest to another.
/// <code>
/// uid 51001 ─ socket ─ route: dev pvpn0 src 10.77.0.2 ─ OUTPUT -o pvpn0 ─┬ tcp ── queue 7570 (GSO)
///                                                                       └ rest ─ queue 7571
/// </code>
/// </summary>
public sealed class NfQueueTests : IDisposable
{
    private const uint Alice = 51001;
    private readonly NetworkNamespace _ns = NetworkNamespace.Create("queue");
    private readonly NfQueue _tcp;
    private readonly NfQueue _rest;
    private readonly NfPacketBatch _batch = new(16);

    public NfQueueTests()
    {
        _ns.Exec("ip tuntap add pvpn0 mode tun");
        _ns.Exec("ip link set pvpn0 up mtu 1400");
        _ns.Exec("sysctl -qw net.ipv6.conf.pvpn0.addr_gen_mode=1"); // else router solicitations join the queue
        _ns.Exec("ip addr add 10.77.0.2/32 dev pvpn0");
        _ns.Exec("ip addr add fd77::2/128 dev pvpn0 nodad");
        _ns.Exec("ip route add 192.0.2.0/24 dev pvpn0 src 10.77.0.2");
        _ns.Exec("ip -6 route add 2001:db8::/32 dev pvpn0 src fd77::2");
        foreach (string tables in (string[])["iptables", "ip6tables"])
        {
            _ns.Exec($"{tables} -A OUTPUT -o pvpn0 -p tcp -j NFQUEUE --queue-num 7570");
            _ns.Exec($"{tables} -A OUTPUT -o pvpn0 ! -p tcp -j NFQUEUE --queue-num 7571");
        }

        (_tcp, _rest) = _ns.Run(
            () => (new NfQueue(7570, new NfQueueOptions { Gso = true }), new NfQueue(7571, new NfQueueOptions())));
    }

    public void Dispose()
    {
        _tcp.Dispose();
        _rest.Dispose();
        _ns.Dispose();
    }

    [Theory]
    [InlineData("192.0.2.1", 0x0800)]
    [InlineData("2001:db8::1", 0x86dd)]
    public void A_datagram_comes_up_with_its_owner(string destination, int etherType)
    {
        IpAddr to = IpAddr.Parse(destination);
        string family = to.IsV6 ? "AF_INET6" : "AF_INET";
        using System.Diagnostics.Process sender = _ns.StartAs(
            Alice, "/usr/bin/python3", "-c",
            $"import socket; s = socket.socket(socket.{family}, socket.SOCK_DGRAM); s.sendto(b'hello', ('{destination}', 53))");
        NfPacket packet = Next(_rest);
        Assert.Equal(Alice, packet.Uid);
        Assert.Equal(Alice, packet.Gid);
        Assert.Equal(etherType, packet.HwProtocol);
        Assert.Equal(3, packet.Hook);
        Assert.NotNull(packet.OutIfIndex);
        Assert.False(packet.Gso);
        Assert.False(packet.Truncated);
        Assert.True(packet.Payload.EndsWith("hello"u8));
        Assert.Equal(to.IsV6 ? 6 : 4, packet.Payload[0] >> 4);
        _rest.Verdict(packet.Id, accept: false);
        Shell.WaitUntil("the packet is settled", () => Waiting(7571) == 0);
        sender.WaitForExit();
    }

    [Fact]
    public void A_socket_of_root_is_roots_and_its_mark_is_seen()
    {
        using LinuxSocket socket = _ns.Run(() => LinuxSocket.CreateUdp(false));
        socket.SetMark(0x77);
        Assert.Equal(3, socket.SendTo([1, 2, 3], IpAddr.Parse("192.0.2.9"), 9));
        NfPacket packet = Next(_rest);
        Assert.Equal(0u, packet.Uid);
        Assert.Equal(0x77u, packet.Mark);
        _rest.Verdict(packet.Id, accept: true);
    }

    [Theory]
    [InlineData("192.0.2.1", "10.77.0.2")]
    [InlineData("2001:db8::1", "fd77::2")]
    public void Tcp_comes_up_in_superpackets(string server, string client)
    {
        IpAddr from = IpAddr.Parse(server), to = IpAddr.Parse(client);
        using RawInjector injector = _ns.Run(() => new RawInjector());
        using LinuxSocket socket = _ns.Run(() => LinuxSocket.CreateTcp(from.IsV6));
        Assert.Equal(-Errno.EINPROGRESS, Begin(socket, new IPEndPoint(from.ToIPAddress(), 80)));

        // We are the server: answer the SYN by raw socket, then read what the client sends.
        NfPacket syn = Next(_tcp);
        Assert.True(syn.ChecksumNotReady);
        int ip = from.IsV6 ? 40 : 20;
        ushort port = BinaryPrimitives.ReadUInt16BigEndian(syn.Payload[ip..]);
        uint sequence = BinaryPrimitives.ReadUInt32BigEndian(syn.Payload[(ip + 4)..]);
        _tcp.Verdict(syn.Id, accept: false);
        byte[] synAck = RawPackets.Tcp(from, 80, to, port, 1000, sequence + 1, 0x12, window: 65535, mss: 1360);
        Assert.Equal(synAck.Length, injector.Send(synAck, to));
        NfPacket ack = Next(_tcp);
        _tcp.VerdictBatch(ack.Id, accept: false);
        Shell.WaitUntil("the connection is there", () => socket.GetTcpState() == 1);

        Assert.Equal(13_000, socket.Send(new byte[13_000]));
        Receive(_tcp);
        NfPacket data = _batch[0]; // pacing decides into how many superpackets it is cut
        Assert.True(data.Gso, $"a packet of {data.Length} bytes");
        Assert.True(data.ChecksumNotReady);
        Assert.True(data.Length > 1400, $"a packet of {data.Length} bytes, not longer than the MTU");
        Assert.Equal(0u, data.Uid);
        _tcp.QueueVerdict(data.Id, accept: false);
        _tcp.FlushVerdicts();

        // What sock_diag says about this connection is what cuts the superpacket.
        using SockDiag diag = _ns.Run(() => new SockDiag());
        Assert.True(diag.TryGetTcpInfo(new FlowKey(6, to, port, from, 80), out uint mss, out SocketOwner owner));
        Assert.Equal((uint)socket.GetSendMss(), mss);
        Assert.Equal(0u, owner.Uid);
        Assert.Equal(1, owner.State);
    }

    [Fact]
    public void A_batch_verdict_settles_all_before_it_and_detached_packets_stay()
    {
        using LinuxSocket socket = _ns.Run(() => LinuxSocket.CreateUdp(false));
        for (byte i = 0; i < 10; i++) socket.SendTo([i, 0xaa], IpAddr.Parse("192.0.2.9"), 9);
        Shell.WaitUntil("ten packets wait", () => Waiting(7571) == 10);
        int count = Receive(_rest);
        Assert.Equal(10, count);
        NfPacket parked = _batch[3];
        byte[] buffer = _batch.Detach(3);
        Assert.Throws<InvalidOperationException>(() => _batch.Detach(3));
        _rest.VerdictBatch(_batch[9].Id, accept: false);
        Shell.WaitUntil("all are settled", () => Waiting(7571) == 0);

        for (byte i = 20; i < 30; i++) socket.SendTo([i, 0xbb], IpAddr.Parse("192.0.2.9"), 9);
        Assert.Equal(10, Receive(_rest));
        Assert.Equal([3, 0xaa], parked.Payload[^2..].ToArray());
        Assert.Equal([23, 0xbb], _batch.Payload(3)[^2..].ToArray());
        _batch.Return(buffer);
        _rest.VerdictBatch(_batch[9].Id, accept: false);
        Assert.Equal(0, _rest.Receive(_batch));
    }

    [Fact]
    public void A_verdict_for_nothing_is_counted_and_harms_nothing()
    {
        _rest.Verdict(123_456, accept: true);
        Assert.Equal(0, _rest.Receive(_batch));
        Assert.Equal(1, _rest.RefusedVerdicts);
    }

    [Fact]
    public void An_overrun_is_counted_and_the_queue_lives_on()
    {
        _rest.Dispose();
        using NfQueue small = _ns.Run(() => new NfQueue(7571, new NfQueueOptions { ReceiveBufferBytes = 4096 }));
        using LinuxSocket socket = _ns.Run(() => LinuxSocket.CreateUdp(false));
        socket.SetSendBuffer(8 << 20);
        byte[] big = new byte[1200];
        for (int i = 0; i < 100; i++) socket.SendTo(big, IpAddr.Parse("192.0.2.9"), 9, SocketFlags.MSG_DONTWAIT);
        int taken = 0;
        while (small.Receive(_batch) is > 0 and int n)
        {
            taken += n;
            small.VerdictBatch(_batch[n - 1].Id, accept: false);
        }

        Assert.True(small.Overruns > 0);
        NfQueueCounters counters = _ns.Run(() => NfQueueStats.Read(7571))!.Value;
        Assert.Equal(100, taken + counters.UserDropped);
        socket.SendTo(big, IpAddr.Parse("192.0.2.9"), 9);
        Assert.Equal(1, small.Receive(_batch));
    }

    [Fact]
    public void A_queue_that_is_held_is_refused_with_the_reason()
    {
        LinuxException e = Assert.Throws<LinuxException>(() => _ns.Run(() => new NfQueue(7570, new NfQueueOptions())));
        Assert.Equal(
            "bind queue 7570: Operation not permitted (another process holds this queue: end it or choose another QueueNumber)", e.Message);
    }

    [Fact]
    public void Without_a_listener_nothing_leaves()
    {
        _rest.Dispose();
        using LinuxSocket socket = _ns.Run(() => LinuxSocket.CreateUdp(false));
        long before = SentPackets();
        int result = socket.SendTo([1], IpAddr.Parse("192.0.2.9"), 9);
        Assert.True(result is -Errno.EPERM or 1, $"{result}");
        Assert.Equal(before, SentPackets());
    }

    [Fact]
    public void Receiving_and_settling_allocates_nothing()
    {
        using LinuxSocket socket = _ns.Run(() => LinuxSocket.CreateUdp(false));
        IpAddr to = IpAddr.Parse("192.0.2.9");
        byte[] data = new byte[100];
        long allocated = 0;
        for (int round = 0; round < 50; round++)
        {
            if (round == 10) allocated = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 8; i++) socket.SendTo(data, to, 9);
            int n = _rest.Receive(_batch);
            Assert.True(n > 0);
            _rest.VerdictBatch(_batch[n - 1].Id, accept: false);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - allocated);
    }

    private static int Begin(LinuxSocket socket, IPEndPoint to)
    {
        socket.SetNonBlocking(true);
        return socket.BeginConnect(to);
    }

    private long SentPackets() => long.Parse(
        _ns.Exec("cat /sys/class/net/pvpn0/statistics/tx_dropped"), System.Globalization.CultureInfo.InvariantCulture);

    private long Waiting(ushort queue) => _ns.Run(() => NfQueueStats.Read(queue)) is NfQueueCounters c ? c.Waiting : -1;

    private int Receive(NfQueue queue)
    {
        int count = 0;
        Shell.WaitUntil("a packet comes", () => (count = queue.Receive(_batch)) > 0);
        return count;
    }

    private NfPacket Next(NfQueue queue)
    {
        Assert.Equal(1, Receive(queue));
        return _batch[0];
    }
}
