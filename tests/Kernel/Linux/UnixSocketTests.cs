using PersonalVpn.Linux;

namespace PersonalVpn.Kernel.Linux;

public sealed class UnixSocketTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("pvpn-unix").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void Messages_keep_their_borders_and_carry_descriptors()
    {
        (LinuxSocket a, LinuxSocket b) = LinuxSocket.SeqPacketPair(1 << 20);
        using (a)
        using (b)
        using (LinuxSocket tcp = LinuxSocket.CreateTcp(false))
        {
            Assert.Equal(3, a.SendWithFds([1, 2, 3], [tcp.Fd]));
            Assert.Equal(1, a.Send([9]));
            Span<byte> data = stackalloc byte[16];
            Span<int> fds = stackalloc int[4];
            Assert.Equal(3, b.ReceiveWithFds(data, fds, out int count, out bool truncated));
            Assert.Equal(1, count);
            Assert.False(truncated);
            using LinuxSocket copy = LinuxSocket.FromFd(fds[0]);
            Assert.NotEqual(tcp.Fd, copy.Fd);
            Assert.True(copy.Describe().IsFreshTcp);
            Assert.Contains("02000002", File.ReadAllText($"/proc/self/fdinfo/{fds[0]}"), StringComparison.Ordinal); // O_CLOEXEC (octal)
            Assert.Equal(1, b.ReceiveWithFds(data, fds, out count, out truncated));
            Assert.Equal(0, count);
            a.Dispose();
            Assert.Equal(0, b.Receive(data));
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Surplus_descriptors_are_closed_and_reported(int room)
    {
        (LinuxSocket a, LinuxSocket b) = LinuxSocket.SeqPacketPair(1 << 16);
        using (a)
        using (b)
        using (EventFd one = new())
        {
            // The pipe's write end lives on only in the message: when all copies are closed its reader sees the end.
            (LinuxSocket watched, LinuxSocket passed) = LinuxSocket.SeqPacketPair(1 << 16);
            using (watched)
            {
                using (passed)
                {
                    int[] sent = Enumerable.Repeat(passed.Fd, 7).ToArray();
                    Assert.Equal(1, a.SendWithFds([1], sent));
                }

                Span<int> fds = stackalloc int[room];
                Assert.Equal(1, b.ReceiveWithFds(new byte[4], fds, out int count, out bool truncated));
                Assert.Equal(room, count);
                Assert.True(truncated);
                foreach (int fd in fds) LinuxSocket.CloseFd(fd);
                Assert.Equal(0, watched.Receive(new byte[1])); // the end: no copy is open anywhere
            }
        }
    }

    [Fact]
    public void A_message_longer_than_the_buffer_is_reported()
    {
        (LinuxSocket a, LinuxSocket b) = LinuxSocket.SeqPacketPair(1 << 16);
        using (a)
        using (b)
        {
            a.Send(new byte[100]);
            Assert.Equal(10, b.ReceiveWithFds(new byte[10], [], out _, out bool truncated));
            Assert.True(truncated);
        }
    }

    [Theory]
    [InlineData(0x1b6)] // 0666: the umask (022) would take bits away
    [InlineData(0x180)] // 0600
    [InlineData(0x1b0)] // 0660
    public void The_socket_file_has_exactly_the_mode(int mode)
    {
        string path = Path.Combine(_directory, "s");
        using LinuxSocket listener = LinuxSocket.ListenUnix(path, mode);
        Assert.Equal((UnixFileMode)mode, File.GetUnixFileMode(path));
    }

    [Fact]
    public void The_peer_is_known_by_the_kernel()
    {
        string path = Path.Combine(_directory, "s");
        using LinuxSocket listener = LinuxSocket.ListenUnix(path, 0x1b6);
        using LinuxSocket client = LinuxSocket.ConnectUnix(path);
        using LinuxSocket server = listener.Accept();
        PeerCredentials peer = server.GetPeerCredentials();
        Assert.Equal(Environment.ProcessId, peer.Pid);
        Assert.Equal(Capabilities.EffectiveUid, peer.Uid);
    }

    [Fact]
    public void A_dead_servers_file_is_replaced_and_a_living_servers_is_not()
    {
        string path = Path.Combine(_directory, "s");
        using (LinuxSocket.ListenUnix(path, 0x180))
        {
            LinuxException refused = Assert.Throws<LinuxException>(() => LinuxSocket.ListenUnix(path, 0x180));
            Assert.Equal(Errno.EADDRINUSE, refused.Error);
            Assert.Equal($"bind AF_UNIX {path}: Address already in use", refused.Message);
        }

        Assert.True(File.Exists(path));
        using LinuxSocket again = LinuxSocket.ListenUnix(path, 0x180);
        LinuxSocket.ConnectUnix(path).Dispose();
    }

    [Fact]
    public void A_plain_file_in_the_way_is_not_removed()
    {
        string path = Path.Combine(_directory, "precious");
        File.WriteAllText(path, "x");
        Assert.Throws<LinuxException>(() => LinuxSocket.ListenUnix(path, 0x180));
        Assert.Equal("x", File.ReadAllText(path));
    }

    [Fact]
    public void Nobody_there_is_told_in_one_line()
    {
        string path = Path.Combine(_directory, "none");
        LinuxException e = Assert.Throws<LinuxException>(() => LinuxSocket.ConnectUnix(path));
        Assert.Equal($"connect to {path}: No such file or directory", e.Message);
    }

    [Fact]
    public void Descriptors_that_are_no_fresh_TCP_socket_are_told_apart()
    {
        using LinuxFile file = LinuxFile.OpenRead("/dev/null");
        using LinuxSocket notSocket = LinuxSocket.FromFd(file.Fd, ownsHandle: false);
        Assert.False(notSocket.Describe().IsSocket);

        using LinuxSocket udp = LinuxSocket.CreateUdp(true);
        Assert.True(udp.Describe().IsSocket);
        Assert.False(udp.Describe().IsTcp);

        using LinuxSocket listener = LinuxSocket.CreateTcp(false);
        listener.Bind(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 0));
        Assert.False(listener.Describe().IsFreshTcp); // bound
        listener.Listen();
        Assert.Equal(10, listener.Describe().TcpState);
        using LinuxSocket client = LinuxSocket.CreateTcp(false);
        Assert.Equal(7, client.Describe().TcpState);
        client.Connect(listener.LocalEndPoint!);
        SocketDescription connected = client.Describe();
        Assert.Equal(1, connected.TcpState);
        Assert.False(connected.IsFreshTcp);
        Assert.Equal(Capabilities.EffectiveUid, connected.OwnerUid);
        Assert.True(client.GetSendMss() > 500);
    }

    [Fact]
    public void A_connect_to_a_silent_address_ends_in_time()
    {
        // A fresh namespace whose route leads into a device that nobody reads.
        using Support.NetworkNamespace ns = Support.NetworkNamespace.Create("silent");
        ns.Exec("ip tuntap add d0 mode tun");
        ns.Exec("ip link set d0 up");
        ns.Exec("ip route add 192.0.2.0/24 dev d0");
        using LinuxSocket socket = ns.Run(() => LinuxSocket.CreateTcp(false));
        LinuxException e = Assert.Throws<LinuxException>(
            () => socket.Connect(System.Net.IPEndPoint.Parse("192.0.2.1:80"), TimeSpan.FromMilliseconds(200)));
        Assert.Equal(Errno.ETIMEDOUT, e.Error);
        Assert.False(socket.NonBlocking);
    }

    [Fact]
    public void The_service_manager_is_told()
    {
        string path = Path.Combine(_directory, "notify");
        using System.Net.Sockets.Socket manager = new(
            System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Dgram, System.Net.Sockets.ProtocolType.Unspecified);
        manager.Bind(new System.Net.Sockets.UnixDomainSocketEndPoint(path));
        Assert.True(SdNotify.Notify("READY=1", path));
        byte[] got = new byte[64];
        Assert.Equal("READY=1", System.Text.Encoding.ASCII.GetString(got, 0, manager.Receive(got)));
        Assert.False(SdNotify.Notify("READY=1", null));
        Assert.False(SdNotify.Notify("READY=1", path + "-none"));
    }
}
