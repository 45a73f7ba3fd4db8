using System.Buffers.Binary;
using System.Net;
using PersonalVpn.Kernel.Support;
using PersonalVpn.Linux;
using PersonalVpn.Packets;

namespace PersonalVpn.Kernel.Linux;

public sealed class InjectAndTunTests : IDisposable
{
    private readonly NetworkNamespace _ns = NetworkNamespace.Create("inject");
    private readonly RouteNetlink _route;

    public InjectAndTunTests() => _route = _ns.Run(() => new RouteNetlink());

    public void Dispose()
    {
        _route.Dispose();
        _ns.Dispose();
    }

    [Theory]
    [InlineData("192.0.2.1", "10.77.0.2", 65535)]
    [InlineData("2001:db8::1", "fd77::2", 65536)]
    public void A_foreign_packet_of_64_KiB_reaches_a_local_socket_over_lo(string source, string virt, int longest)
    {
        IpAddr from = IpAddr.Parse(source), to = IpAddr.Parse(virt);
        _route.AddAddress("lo", IpPrefix.Host(to), noPrefixRoute: true);
        using LinuxSocket receiver = _ns.Run(() => LinuxSocket.CreateUdp(to.IsV6));
        receiver.SetReceiveBuffer(8 << 20);
        receiver.Bind(new IPEndPoint(to.ToIPAddress(), 5000));
        using RawInjector injector = _ns.Run(() => new RawInjector(mark: 0x7570));
        _ns.Exec($"{(to.IsV6 ? "ip6tables" : "iptables")} -A INPUT -i lo -m mark ! --mark 0x7570 -j DROP"); // the mark survives lo

        byte[] payload = new byte[longest - (to.IsV6 ? 40 : 20) - 8];
        Random.Shared.NextBytes(payload);
        if (payload.Length + 8 > 65535) payload = payload[..(65535 - 8)];
        byte[] packet = RawPackets.Udp(from, 53, to, 5000, payload);
        Assert.Equal(packet.Length, injector.Send(packet, to));
        byte[] got = new byte[70_000];
        Assert.True(receiver.Poll(forWrite: false, 2_000));
        Assert.Equal(payload.Length, receiver.Receive(got));
        Assert.True(payload.AsSpan().SequenceEqual(got.AsSpan(0, payload.Length)));

        Assert.Equal(-Errno.EMSGSIZE, injector.Send(new byte[65_537], to));
    }

    [Theory]
    [InlineData("192.0.2.1", "10.77.0.2")]
    [InlineData("2001:db8::1", "fd77::2")]
    public void A_batch_arrives_in_order(string source, string virt)
    {
        IpAddr from = IpAddr.Parse(source), to = IpAddr.Parse(virt);
        _route.AddAddress("lo", IpPrefix.Host(to), noPrefixRoute: true);
        using LinuxSocket receiver = _ns.Run(() => LinuxSocket.CreateUdp(to.IsV6));
        receiver.SetReceiveBuffer(8 << 20);
        receiver.Bind(new IPEndPoint(to.ToIPAddress(), 5000));
        using RawInjector injector = _ns.Run(() => new RawInjector());
        byte[] buffer = new byte[150 * 100];
        PacketRange[] ranges = new PacketRange[150];
        for (int i = 0; i < ranges.Length; i++)
        {
            byte[] packet = RawPackets.Udp(from, 53, to, 5000, [(byte)i]);
            packet.CopyTo(buffer, i * 100);
            ranges[i] = new PacketRange(i * 100, packet.Length, to);
        }

        Assert.Equal(ranges.Length, injector.SendBatch(buffer, ranges));
        byte[] got = new byte[10];
        for (int i = 0; i < ranges.Length; i++)
        {
            Assert.Equal(1, receiver.Receive(got, SocketFlags.MSG_DONTWAIT));
            Assert.Equal((byte)i, got[0]);
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => injector.SendBatch(buffer, [new PacketRange(buffer.Length - 5, 6, to)]));
    }

    [Fact]
    public void Tun_reads_superpackets_and_writes_unfinished_checksums()
    {
        using TunDevice tun = _ns.Run(
            () => TunDevice.Open("pvpntun%d", new TunOptions { VnetHeader = true, Offloads = TunOffloads.Tcp }));
        Assert.Equal("pvpntun0", tun.Name);
        IpAddr ours = IpAddr.Parse("10.77.0.1"), client = IpAddr.Parse("10.77.0.2");
        byte[] buffer = new byte[70_000];
        byte[] syn = RawPackets.Tcp(client, 4000, ours, 80, 7, 0, 0x02, 65535, 1360);
        Assert.Equal(-Errno.EIO, tun.Write(default(VirtioNetHdr), syn)); // down
        _ns.Exec($"sysctl -qw net.ipv6.conf.{tun.Name}.disable_ipv6=1");
        _route.SetLink(tun.Name, up: true, mtu: 1400);
        _route.AddAddress(tun.Name, ours, 24, noPrefixRoute: false);
        using LinuxSocket server = _ns.Run(() => LinuxSocket.CreateTcp(false));
        server.Bind(new IPEndPoint(ours.ToIPAddress(), 80));
        server.Listen();

        // A client on the other side of the device: SYN, with a checksum for the kernel to believe; then ACK.
        Assert.Equal(-Errno.EAGAIN, tun.Read(buffer));
        BinaryPrimitives.WriteUInt16BigEndian(syn.AsSpan(36), 0xbad);
        VirtioNetHdr unfinished = new() { Flags = VirtioNet.VIRTIO_NET_HDR_F_NEEDS_CSUM, ChecksumStart = 20, ChecksumOffset = 16 };
        Assert.Equal(VirtioNetHdr.Size + syn.Length, tun.Write(unfinished, syn));
        int n = Read(tun, buffer);
        Assert.Equal(0x12, buffer[VirtioNetHdr.Size + 20 + 13]); // SYN, ACK
        uint theirs = BinaryPrimitives.ReadUInt32BigEndian(buffer.AsSpan(VirtioNetHdr.Size + 20 + 4));
        byte[] ack = RawPackets.Tcp(client, 4000, ours, 80, 8, theirs + 1, 0x10, 65535, 0);
        Assert.Equal(VirtioNetHdr.Size + ack.Length, tun.Write(default(VirtioNetHdr), ack));
        using LinuxSocket accepted = server.Accept();
        Assert.Equal(13_000, accepted.Send(new byte[13_000]));
        n = Read(tun, buffer);
        Assert.True(VirtioNetHdr.TryRead(buffer, out VirtioNetHdr header));
        Assert.Equal(VirtioNet.VIRTIO_NET_HDR_GSO_TCPV4, header.GsoType);
        Assert.Equal(VirtioNet.VIRTIO_NET_HDR_F_NEEDS_CSUM, header.Flags);
        Assert.Equal(20, header.ChecksumStart);
        Assert.Equal(16, header.ChecksumOffset);
        Assert.Equal(accepted.GetSendMss(), header.GsoSize);
        Assert.True(n > VirtioNetHdr.Size + 1400, $"{n} bytes, not longer than the MTU");
    }

    [Theory]
    [InlineData("10.77.0.2", "10.77.0.1")]
    [InlineData("fd77::2", "fd77::1")]
    public void A_UDP_superpacket_arrives_as_its_datagrams(string source, string own)
    {
        using TunDevice tun = _ns.Run(
            () => TunDevice.Open("pvpntun%d", new TunOptions { VnetHeader = true, Offloads = TunOffloads.Tcp, AskUdpSegments = true }));
        if (!tun.TakesUdpSegments) return; // a kernel before 6.2
        IpAddr from = IpAddr.Parse(source), to = IpAddr.Parse(own);
        _route.SetLink(tun.Name, up: true, mtu: 1500);
        _route.AddAddress(tun.Name, IpPrefix.Host(to), noPrefixRoute: true);
        using LinuxSocket receiver = _ns.Run(() => LinuxSocket.CreateUdp(to.IsV6));
        receiver.SetReceiveBuffer(8 << 20);
        receiver.Bind(new IPEndPoint(to.ToIPAddress(), 5000));

        var super = new UdpSuperpacket(1500, VirtioNetHdr.Size);
        byte[][] payloads = [.. Enumerable.Range(0, 40).Select(i => new byte[i == 39 ? 333 : 1200])];
        foreach (byte[] payload in payloads)
        {
            Random.Shared.NextBytes(payload);
            byte[] packet = Unfinished(from, to, payload, id: (ushort)super.Count);
            Assert.Equal(PacketError.None, PacketParser.TryParse(packet, out PacketInfo info));
            OffloadMetadata offload = OffloadMetadata.ForPartial(info);
            if (super.Count > 0) Assert.True(super.TryAppend(packet, info, offload));
            else if (super.MayBegin(packet, info, offload)) super.Begin(packet, info);
        }
        Assert.Equal(payloads.Length, super.Count);
        Span<byte> whole = super.Finish(out PacketInfo of, out OffloadMetadata metadata);
        metadata.WriteVirtio(whole, of);
        Assert.Equal(whole.Length, tun.Write(whole));

        // A wrong checksum would be found here: the socket verifies what it was not told to believe.
        byte[] got = new byte[70_000];
        foreach (byte[] payload in payloads)
        {
            Assert.True(receiver.Poll(forWrite: false, 2_000));
            Assert.Equal(payload.Length, receiver.Receive(got));
            Assert.True(payload.AsSpan().SequenceEqual(got.AsSpan(0, payload.Length)));
        }
        Assert.Equal(-Errno.EAGAIN, receiver.Receive(got, SocketFlags.MSG_DONTWAIT));
    }

    /// <summary>The kernel's own cutting, seen on the wire: forwarded to another device, each datagram has the headers it came with.</summary>
    [Theory]
    [InlineData("10.77.0.2", "192.0.2.9")]
    [InlineData("fd77::2", "2001:db8::9")]
    public void A_forwarded_UDP_superpacket_is_cut_into_right_datagrams(string source, string target)
    {
        using TunDevice tun = _ns.Run(
            () => TunDevice.Open("pvpntun%d", new TunOptions { VnetHeader = true, Offloads = TunOffloads.Tcp, AskUdpSegments = true }));
        if (!tun.TakesUdpSegments) return; // a kernel before 6.2
        // The way on takes nothing unfinished: neither superpackets nor checksums.
        using TunDevice wire = _ns.Run(() => TunDevice.Open("wire%d", new TunOptions()));
        IpAddr from = IpAddr.Parse(source), to = IpAddr.Parse(target);
        _ns.Exec($"sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 net.ipv6.conf.{wire.Name}.router_solicitations=0 net.ipv6.conf.{wire.Name}.mldv2_unsolicited_report_interval=0");
        _route.SetLink(tun.Name, up: true, mtu: 1500);
        _route.SetLink(wire.Name, up: true, mtu: 1500);
        _route.AddRoute(new RouteSpec { Destination = IpPrefix.Host(to), Device = wire.Name });
        _route.AddRoute(new RouteSpec { Destination = IpPrefix.Host(from), Device = tun.Name });

        var super = new UdpSuperpacket(1500, VirtioNetHdr.Size);
        var sent = new List<byte[]>();
        for (int i = 0; i < 30; i++)
        {
            byte[] payload = new byte[i == 29 ? 5 : 999];
            Random.Shared.NextBytes(payload);
            byte[] packet = Unfinished(from, to, payload, id: (ushort)(700 + i));
            Assert.Equal(PacketError.None, PacketParser.TryParse(packet, out PacketInfo info));
            OffloadMetadata offload = OffloadMetadata.ForPartial(info);
            if (super.Count > 0) Assert.True(super.TryAppend(packet, info, offload));
            else if (super.MayBegin(packet, info, offload)) super.Begin(packet, info);
            packet[from.IsV6 ? 7 : 8]--; // one hop
            if (!from.IsV6) InternetChecksum.FillIpv4Header(packet);
            InternetChecksum.CompletePartial(packet, offload);
            sent.Add(packet);
        }
        Span<byte> whole = super.Finish(out PacketInfo of, out OffloadMetadata metadata);
        metadata.WriteVirtio(whole, of);
        Assert.Equal(whole.Length, tun.Write(whole));

        byte[] buffer = new byte[70_000];
        foreach (byte[] expected in sent)
        {
            int n = 0;
            do n = Read(wire, buffer);
            while (PacketParser.TryParse(buffer.AsSpan(0, n), out PacketInfo info) != PacketError.None || info.Destination != to);
            Assert.Equal(expected, buffer[..n]);
        }
    }

    // A datagram whose checksum field holds the pseudo-header's sum, as a kernel leaves it to a card.
    private static byte[] Unfinished(IpAddr from, IpAddr to, byte[] payload, ushort id)
    {
        byte[] packet = RawPackets.Udp(from, 5353, to, 5000, payload);
        if (!from.IsV6)
        {
            BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), id);
            InternetChecksum.FillIpv4Header(packet);
        }
        Assert.Equal(PacketError.None, PacketParser.TryParse(packet, out PacketInfo info));
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(info.TransportOffset + 6), InternetChecksum.Fold(InternetChecksum.PseudoHeader(info, info.TransportLength)));
        return packet;
    }

    [Fact]
    public void A_persistent_device_stays_until_it_is_told_to_go()
    {
        _ns.Run(() => TunDevice.SetPersistent("pvpn7", true));
        _ns.Run(() => TunDevice.SetPersistent("pvpn7", true));
        Assert.NotNull(_route.TryGetLink("pvpn7"));
        _ns.Run(() => TunDevice.SetPersistent("pvpn7", false));
        Assert.Null(_route.TryGetLink("pvpn7"));
        LinuxException e = Assert.Throws<LinuxException>(() => TunDevice.Open("a-name-too-long-for-it", new TunOptions()));
        Assert.Equal(Errno.ENAMETOOLONG, e.Error);
    }

    private static int Read(TunDevice tun, byte[] buffer)
    {
        int n = 0;
        Shell.WaitUntil("a packet comes out of the device", () => (n = tun.Read(buffer)) > 0);
        return n;
    }
}
