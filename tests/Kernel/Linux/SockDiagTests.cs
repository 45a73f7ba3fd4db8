using System.Globalization;
using System.Net;
using PersonalVpn.Kernel.Support;
using PersonalVpn.Linux;
using PersonalVpn.Packets;

namespace PersonalVpn.Kernel.Linux;

/// <summary>sock_diag against real sockets of two users, held by real processes.</summary>
public sealed class SockDiagTests : IDisposable
{
    private const uint Alice = 51001;
    private const uint Bob = 51002;
    private readonly NetworkNamespace _ns = NetworkNamespace.Create("diag");
    private readonly SockDiag _diag;
    private readonly LinuxSocket _server4;
    private readonly LinuxSocket _server6;

    public SockDiagTests()
    {
        _diag = _ns.Run(() => new SockDiag());
        _server4 = Listen("127.0.0.1");
        _server6 = Listen("::1");
    }

    public void Dispose()
    {
        _server4.Dispose();
        _server6.Dispose();
        _diag.Dispose();
        _ns.Dispose();
    }

    [Theory]
    [InlineData("AF_INET", "127.0.0.1", "127.0.0.1")]
    [InlineData("AF_INET6", "::1", "::1")]
    [InlineData("AF_INET6", "::ffff:127.0.0.1", "127.0.0.1")]
    public void Tcp_is_found_with_its_owner(string family, string connectTo, string asPacket)
    {
        IpAddr address = IpAddr.Parse(asPacket);
        LinuxSocket server = address.IsV6 ? _server6 : _server4;
        ushort port = (ushort)server.LocalEndPoint!.Port;
        using Holder hers = new(_ns, Alice, family, "SOCK_STREAM", $"s.connect(('{connectTo}', {port}))");
        Assert.True(_diag.TryFind(6, address, hers.Port, address, port, out SocketOwner owner));
        Assert.Equal(Alice, owner.Uid);
        Assert.True(owner.Connected);
        Assert.Equal(1, owner.State);
        Assert.NotEqual(0u, owner.Inode);
        Assert.True(_diag.TryGetTcpInfo(new FlowKey(6, address, hers.Port, address, port), out uint mss, out owner));
        Assert.True(mss > 500);
        Assert.Equal(Alice, owner.Uid);
        Assert.False(_diag.TryFind(6, address, (ushort)(hers.Port + 1), address, port, out _));
        Assert.Contains(_diag.Dump(6, family == "AF_INET6"), e => e.LocalPort == hers.Port && e.RemotePort == port && e.Owner.Uid == Alice);
    }

    [Fact]
    public void A_listener_is_no_owner_of_a_connection_that_is_not()
    {
        ushort port = (ushort)_server4.LocalEndPoint!.Port;
        IpAddr local = IpAddr.Parse("127.0.0.1");
        Assert.False(_diag.TryFind(6, local, port, IpAddr.Parse("127.0.0.9"), 999, out SocketOwner owner));
        Assert.False(owner.HasUid);
        Assert.True(_diag.TryFindListener(local, port, out owner));
        Assert.Equal(0u, owner.Uid);
    }

    [Theory]
    [InlineData("AF_INET", "127.0.0.1", "127.0.0.1", true)]
    [InlineData("AF_INET", "127.0.0.1", "127.0.0.1", false)]
    [InlineData("AF_INET6", "::1", "::1", true)]
    [InlineData("AF_INET6", "::1", "::1", false)]
    [InlineData("AF_INET6", "::ffff:127.0.0.1", "127.0.0.1", true)]
    [InlineData("AF_INET6", "::", "127.0.0.1", false)]
    public void Udp_is_found_connected_or_not(string family, string bindTo, string asPacket, bool connected)
    {
        IpAddr address = IpAddr.Parse(asPacket);
        string connect = connected ? $"; s.connect(('{bindTo}', 4444))" : "";
        using Holder his = new(_ns, Bob, family, "SOCK_DGRAM", $"s.bind(('{bindTo}', 0)){connect}");
        Assert.True(_diag.TryFind(17, address, his.Port, address, 4444, out SocketOwner owner));
        Assert.Equal(Bob, owner.Uid);
        Assert.Equal(connected, owner.Connected);
        Assert.False(_diag.TryFind(17, address, (ushort)(his.Port ^ 1), address, 4444, out _));
    }

    [Fact]
    public void A_socket_bound_to_an_interface_is_found_only_with_it()
    {
        using RouteNetlink route = _ns.Run(() => new RouteNetlink());
        uint lo = (uint)route.GetLinkIndex("lo");
        using Holder hers = new(_ns, Alice, "AF_INET", "SOCK_DGRAM", "s.setsockopt(1, 25, b'lo'); s.bind(('127.0.0.1', 0)); s.connect(('127.0.0.1', 4444))");
        IpAddr address = IpAddr.Parse("127.0.0.1");
        Assert.False(_diag.TryFind(17, address, hers.Port, address, 4444, out _));
        Assert.True(_diag.TryFind(17, address, hers.Port, address, 4444, out SocketOwner owner, lo));
        Assert.Equal(Alice, owner.Uid);
    }

    [Fact]
    public void Time_wait_has_no_owner_instead_of_root()
    {
        ushort port = (ushort)_server4.LocalEndPoint!.Port;
        IpAddr address = IpAddr.Parse("127.0.0.1");
        ushort local;
        using (Holder hers = new(_ns, Alice, "AF_INET", "SOCK_STREAM", $"s.connect(('127.0.0.1', {port}))"))
        {
            local = hers.Port;
        }

        using (LinuxSocket accepted = _server4.Accept()) Assert.Equal(0, accepted.Receive(new byte[1]));
        SocketOwner owner = default;
        Shell.WaitUntil(
            "the connection is in TIME_WAIT", () => _diag.TryFind(6, address, local, address, port, out owner) && owner.State == 6);
        Assert.False(owner.HasUid);
    }

    [Fact]
    public void An_orphan_keeps_its_owner_or_has_none_but_is_never_roots()
    {
        ushort port = (ushort)_server4.LocalEndPoint!.Port;
        IpAddr address = IpAddr.Parse("127.0.0.1");
        ushort local;
        using (Holder hers = new(_ns, Alice, "AF_INET", "SOCK_STREAM", $"s.connect(('127.0.0.1', {port}))"))
        {
            local = hers.Port; // the server does not close: FIN_WAIT2 without a process
        }

        Assert.True(_diag.TryFind(6, address, local, address, port, out SocketOwner owner));
        Assert.Equal(0u, owner.Inode);
        Assert.True(!owner.HasUid || owner.Uid == Alice, $"{owner}");
    }

    [Theory]
    [InlineData("AF_INET", "127.0.0.1", false)]
    [InlineData("AF_INET6", "::1", true)]
    public void Her_socket_is_aborted_and_nobody_elses(string family, string address, bool v6)
    {
        LinuxSocket server = v6 ? _server6 : _server4;
        int port = server.LocalEndPoint!.Port;
        using Holder hers = new(_ns, Alice, family, "SOCK_STREAM", $"s.connect(('{address}', {port}))");
        using Holder his = new(_ns, Bob, family, "SOCK_STREAM", $"s.connect(('{address}', {port}))");
        foreach (SocketEntry entry in _diag.Dump(6, v6))
        {
            if (entry.Owner.Uid != Alice) continue;
            Assert.True(_diag.Destroy(entry));
            Assert.False(_diag.Destroy(entry)); // the cookie: gone is gone
        }

        Assert.Equal("103", hers.Say("e")); // ECONNABORTED
        Assert.Equal("0", his.Say("e"));
    }

    [Fact]
    public void Udp_is_aborted_too()
    {
        using Holder hers = new(_ns, Alice, "AF_INET", "SOCK_DGRAM", "s.bind(('127.0.0.1', 0)); s.connect(('127.0.0.1', 4444))");
        SocketEntry entry = Assert.Single(_diag.Dump(17, false), e => e.Owner.Uid == Alice);
        Assert.True(_diag.Destroy(entry));
        Assert.Equal("103", hers.Say("e"));
    }

    [Fact]
    public void A_lookup_allocates_nothing()
    {
        IpAddr address = IpAddr.Parse("127.0.0.1");
        ushort port = (ushort)_server4.LocalEndPoint!.Port;
        using Holder hers = new(_ns, Alice, "AF_INET", "SOCK_STREAM", $"s.connect(('127.0.0.1', {port}))");
        long allocated = 0;
        for (int i = 0; i < 200; i++)
        {
            if (i == 100) allocated = GC.GetAllocatedBytesForCurrentThread();
            if (!_diag.TryFind(6, address, hers.Port, address, port, out SocketOwner owner) || owner.Uid != Alice)
                throw new InvalidDataException($"{owner}");
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - allocated);
    }

    private LinuxSocket Listen(string address)
    {
        IPAddress ip = IPAddress.Parse(address);
        LinuxSocket socket = _ns.Run(() => LinuxSocket.CreateTcp(ip.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6));
        socket.Bind(new IPEndPoint(ip, 0));
        socket.Listen();
        return socket;
    }

    /// <summary>A process of a user that holds a socket until it is told to end; "e" asks for its pending error.</summary>
    private sealed class Holder : IDisposable
    {
        private readonly System.Diagnostics.Process _process;

        public Holder(NetworkNamespace ns, uint uid, string family, string type, string setup)
        {
            string code = $"""
                import socket, sys
                s = socket.socket(socket.{family}, socket.{type})
                {setup}
                print(s.getsockname()[1], flush=True)
                for line in sys.stdin: print(s.getsockopt(1, 4), flush=True)
                """;
            _process = ns.StartAs(uid, "/usr/bin/python3", "-c", code);
            string? line = _process.StandardOutput.ReadLine();
            if (line is null) throw new InvalidOperationException(_process.StandardError.ReadToEnd());
            Port = ushort.Parse(line, CultureInfo.InvariantCulture);
        }

        public ushort Port { get; }

        public string? Say(string line)
        {
            _process.StandardInput.WriteLine(line);
            return _process.StandardOutput.ReadLine();
        }

        public void Dispose()
        {
            _process.StandardInput.Close();
            if (!_process.WaitForExit(5000)) _process.Kill();
            _process.Dispose();
        }
    }
}
