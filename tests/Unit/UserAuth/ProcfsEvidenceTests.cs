using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using PersonalVpn.UserAuth;
using Xunit;

namespace PersonalVpn.Unit.UserAuthTests;

/// <summary>Real sockets of this process, and captured tables where other users or states are needed.</summary>
public sealed class ProcfsEvidenceTests : IDisposable
{
    private const byte Tcp = 6, Udp = 17, Icmp = 1;
    private static readonly uint Me = uint.Parse(Tool.Run("id", "-u").Trim(), CultureInfo.InvariantCulture);
    private readonly TempDirectory _directory = new();
    private readonly ProcfsEvidence _live = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("127.0.0.1", "127.0.0.1")]
    [InlineData("::1", "::1")]
    [InlineData("::ffff:127.0.0.1", "::ffff:127.0.0.1")]
    public void A_real_tcp_connection_is_found_at_both_ends(string listenOn, string connectTo)
    {
        using Socket listener = Open(listenOn, SocketType.Stream, ProtocolType.Tcp);
        listener.Listen();
        using Socket client = Open(connectTo, SocketType.Stream, ProtocolType.Tcp);
        client.Connect(listener.LocalEndPoint!);
        using Socket server = listener.Accept();
        Assert.Equal(Mine, _live.Lookup(Seen(Tcp, client)));
        Assert.Equal(Mine, _live.Lookup(Seen(Tcp, server)));
        SocketTuple wrongPort = Seen(Tcp, client) with { RemotePort = 1 };
        Assert.Equal(OwnerVerdict.NotFound, _live.Lookup(wrongPort).Verdict);
        SocketTuple synAck = Seen(Tcp, server) with { RemotePort = 1 };
        Assert.Equal(Mine, _live.Lookup(synAck)); // the listener's answer
    }

    [Theory]
    [InlineData("127.0.0.1", "127.0.0.1")]
    [InlineData("0.0.0.0", "127.0.0.1")]
    [InlineData("::1", "::1")]
    [InlineData("::", "::1")]
    [InlineData("::", "127.0.0.1")] // dual stack
    [InlineData("::ffff:127.0.0.1", "127.0.0.1")]
    public void A_real_udp_socket_is_found_connected_or_not(string bindTo, string source)
    {
        using Socket socket = Open(bindTo, SocketType.Dgram, ProtocolType.Udp);
        ushort port = (ushort)((IPEndPoint)socket.LocalEndPoint!).Port;
        var local = new IPEndPoint(IPAddress.Parse(source), port);
        var remote = new IPEndPoint(local.Address, 9);
        SocketTuple tuple = SocketTuple.From(Udp, local, remote);
        Assert.Equal(Mine, _live.Lookup(tuple));
        socket.Connect(socket.AddressFamily == AddressFamily.InterNetworkV6 ? new IPEndPoint(local.Address.MapToIPv6(), 9) : remote);
        Assert.Equal(Mine, _live.Lookup(tuple));
        socket.Dispose();
        Assert.Equal(OwnerVerdict.NotFound, _live.Lookup(tuple).Verdict);
    }

    [Fact]
    public void A_closed_connection_has_no_owner_any_more()
    {
        using Socket listener = Open("127.0.0.1", SocketType.Stream, ProtocolType.Tcp);
        listener.Listen();
        using Socket client = Open("127.0.0.1", SocketType.Stream, ProtocolType.Tcp);
        client.Connect(listener.LocalEndPoint!);
        using Socket server = listener.Accept();
        SocketTuple clientSide = Seen(Tcp, client);
        SocketTuple serverSide = Seen(Tcp, server);
        server.Shutdown(SocketShutdown.Both);
        server.Dispose(); // FIN_WAIT2, inode 0
        Assert.Equal(OwnerVerdict.NotFound, _live.Lookup(serverSide).Verdict); // and not the listener's
        client.Dispose();
        Assert.Equal(OwnerVerdict.NotFound, _live.Lookup(serverSide).Verdict); // TIME_WAIT
        Assert.Equal(OwnerVerdict.NotFound, _live.Lookup(clientSide).Verdict);
    }

    [Fact]
    public void Many_sockets_are_read_across_buffers()
    {
        var sockets = new List<Socket>();
        try
        {
            for (int i = 0; i < 900; i++)
            {
                sockets.Add(Open("127.0.0.1", SocketType.Dgram, ProtocolType.Udp));
            }
            foreach (Socket socket in sockets)
            {
                var local = (IPEndPoint)socket.LocalEndPoint!;
                Assert.Equal(Mine, _live.Lookup(SocketTuple.From(Udp, local, new IPEndPoint(IPAddress.Loopback, 9))));
            }
        }
        finally
        {
            sockets.ForEach(s => s.Dispose());
        }
    }

    [Theory]
    [InlineData("1000", OwnerVerdict.Owner, 1000)] // one connection
    [InlineData("1000 1001", OwnerVerdict.Ambiguous, -1)] // two, bound to devices
    [InlineData("1000 1000", OwnerVerdict.Owner, 1000)]
    public void Tcp_rows_of_several_users_are_ambiguous(string uids, OwnerVerdict verdict, int uid)
    {
        Table("tcp", [.. uids.Split(' ').Select(u => Row("0A4D0001:1388", "0A630202:0050", 1, u, 77))]);
        OwnerAnswer answer = Captured(Tcp);
        Assert.Equal((verdict, unchecked((uint)uid)), (answer.Verdict, answer.Uid));
    }

    [Fact]
    public void States_of_tcp()
    {
        string local = "0A4D0001:1388", remote = "0A630202:0050", any = "00000000:0000", anyLocal = "00000000:1388";
        Table("tcp", Row(anyLocal, any, 10, "1001", 5));
        Assert.Equal(1001u, Captured(Tcp).Uid); // listener: SYN-ACK
        Table("tcp", Row(anyLocal, any, 10, "1001", 5), Row(local, remote, 3, "1001", 0));
        Assert.Equal(1001u, Captured(Tcp).Uid); // half-open
        Table("tcp", Row(anyLocal, any, 10, "1001", 5), Row(local, remote, 1, "1000", 6));
        Assert.Equal(1000u, Captured(Tcp).Uid); // the connection beats the listener
        Table("tcp", Row(anyLocal, any, 10, "1001", 5), Row(local, remote, 6, "0", 0));
        Assert.Equal(OwnerVerdict.NotFound, Captured(Tcp).Verdict); // TIME_WAIT
        Table("tcp", Row(local, remote, 4, "1000", 0));
        Assert.Equal(OwnerVerdict.NotFound, Captured(Tcp).Verdict); // orphan
        Table("tcp", Row(anyLocal, any, 10, "1001", 5), Row(local, any, 10, "1000", 6));
        Assert.Equal(OwnerVerdict.Ambiguous, Captured(Tcp).Verdict);
    }

    [Fact]
    public void Udp_sockets_that_share_a_port_are_ambiguous_whatever_they_are_connected_to()
    {
        Table("udp", Row("0A4D0001:1388", "0A630202:0050", 1, "1000", 5), Row("00000000:1388", "00000000:0000", 7, "1001", 6));
        Assert.Equal(OwnerVerdict.Ambiguous, Captured(Udp).Verdict);
        Table("udp", Row("0A4D0001:1388", "0A630202:0050", 1, "1000", 5), Row("0A4D0001:1388", "01010101:0001", 1, "1001", 6));
        Assert.Equal(OwnerVerdict.Ambiguous, Captured(Udp).Verdict);
        Table("udp", Row("0A4D0001:1388", "0A630202:0050", 1, "1000", 5), Row("0A4D0002:1388", "0A630202:0050", 1, "1001", 6));
        Assert.Equal(1000u, Captured(Udp).Uid); // the same port on another address is another user's own
    }

    [Fact]
    public void Ping_sockets_go_by_identifier_then_raw_sockets_of_the_protocol_then_any()
    {
        Table("icmp", Row("00000000:1388", "0A630202:0000", 7, "1000", 5));
        Table("raw", Row("00000000:0001", "00000000:0000", 7, "1001", 6), Row("00000000:00FF", "00000000:0000", 7, "0", 7));
        Assert.Equal(1000u, Captured(Icmp).Uid);
        Table("icmp");
        Assert.Equal(1001u, Captured(Icmp).Uid);
        Assert.Equal(0u, Captured(47).Uid);
        Assert.Equal(OwnerVerdict.Owner, Captured(47).Verdict);
        Table("raw", Row("00000000:0001", "00000000:0000", 7, "1001", 6), Row("00000000:0001", "00000000:0000", 7, "1000", 7));
        Assert.Equal(OwnerVerdict.Ambiguous, Captured(Icmp).Verdict);
        Table("raw");
        Assert.Equal(OwnerVerdict.NotFound, Captured(Icmp).Verdict);
    }

    [Fact]
    public void Garbage_rows_are_passed_over_and_never_throw()
    {
        string good = Row("0A4D0001:1388", "0A630202:0050", 1, "1000", 5);
        var random = new Random(5);
        for (int i = 0; i < 400; i++)
        {
            byte[] bad = Encoding.ASCII.GetBytes(good);
            for (int j = 0; j < 3; j++)
            {
                bad[random.Next(bad.Length)] = (byte)random.Next(256);
            }
            Table("tcp", Encoding.Latin1.GetString(bad), "", new string(' ', 90), new string('F', i * 40),
                good[..random.Next(good.Length)], good);
            OwnerAnswer answer = Captured(Tcp);
            Assert.True(answer.Verdict == OwnerVerdict.Ambiguous || answer.IsOwnedBy(1000), answer.ToString());
        }
        Table("tcp", new string('x', 300_000), good);
        Assert.True(Captured(Tcp).IsOwnedBy(1000)); // longer than any buffer
        File.WriteAllText(_directory["tcp"], good); // no newline at the end
        Assert.True(Captured(Tcp).IsOwnedBy(1000));
    }

    [Fact]
    public void A_kernel_without_a_table_has_no_owner() => Assert.Equal(OwnerVerdict.NotFound, Captured(Tcp).Verdict);

    [Fact]
    public void A_table_that_cannot_be_read_proves_nothing_and_is_counted()
    {
        Table("udp", Row("0A4D0001:1388", "0A630202:0050", 1, "1000", 5));
        Directory.CreateDirectory(_directory["udp6"]);
        var evidence = new ProcfsEvidence(_directory.Root);
        Assert.Equal(OwnerVerdict.NotFound, evidence.Lookup(new SocketTuple(Udp, false, 0x0A4D0001, 5000, 0x0A630202, 80)).Verdict);
        Assert.Equal(1, evidence.Failures);
        Assert.NotNull(evidence.LastError);
        Assert.False(evidence.TryCheck(out string error)); // no tcp table here
        Assert.Contains("/proc", error, StringComparison.Ordinal);
        Assert.True(_live.TryCheck(out error), error);
    }

    [Fact]
    public void A_lookup_makes_no_garbage_for_rows()
    {
        string other = Row("0A4D0009:1388", "0A630202:0050", 1, "1001", 5);
        Table("tcp", [.. Enumerable.Repeat(other, 20_000)]);
        var evidence = new ProcfsEvidence(_directory.Root);
        var tuple = new SocketTuple(Tcp, false, 0x0A4D0001, 5000, 0x0A630202, 80);
        evidence.Lookup(tuple);
        long least = long.MaxValue;
        // What the runtime does on this thread in between is not the lookup's: the quietest round counts.
        for (int round = 0; round < 6; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            evidence.Lookup(tuple);
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        Assert.InRange(least, 0, 8 * 1024); // two file handles, not 20,000 rows
    }

    private static OwnerAnswer Mine => new(OwnerVerdict.Owner, Me, OwnerEvidence.Procfs);

    private static Socket Open(string address, SocketType type, ProtocolType protocol)
    {
        IPAddress parsed = IPAddress.Parse(address);
        var socket = new Socket(parsed.AddressFamily, type, protocol);
        if (parsed.AddressFamily == AddressFamily.InterNetworkV6)
        {
            socket.DualMode = true;
        }
        socket.Bind(new IPEndPoint(parsed, 0));
        return socket;
    }

    private static SocketTuple Seen(byte protocol, Socket socket) =>
        SocketTuple.From(protocol, (IPEndPoint)socket.LocalEndPoint!, (IPEndPoint)socket.RemoteEndPoint!);

    /// <summary>A row as a little-endian kernel prints it; addresses are given in network order and swapped here.</summary>
    private static string Row(string local, string remote, int state, string uid, int inode) =>
        $"   0: {Swap(local)} {Swap(remote)} {state:X2} 00000000:00000000 00:00000000 00000000 {uid,5}        0 {inode} 1 0000000000000000 100 0 0 10 0";

    private static string Swap(string endPoint) => BitConverter.IsLittleEndian
        ? endPoint[6..8] + endPoint[4..6] + endPoint[2..4] + endPoint[..2] + endPoint[8..]
        : endPoint;

    private void Table(string name, params string[] rows) =>
        File.WriteAllText(_directory[name], "  sl  local_address rem_address   st ...\n" + string.Join('\n', rows) + "\n", Encoding.Latin1);

    /// <summary>10.77.0.1:5000 to 10.99.2.2:80 (for ICMP the identifier 5000).</summary>
    private OwnerAnswer Captured(byte protocol) => new ProcfsEvidence(_directory.Root)
        .Lookup(new SocketTuple(protocol, false, 0x0A4D0001, 5000, 0x0A630202, (ushort)(protocol == Icmp ? 0 : 80)));
}
