using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using PersonalVpn.Daemon;
using PersonalVpn.Daemon.Control;
using PersonalVpn.Daemon.Tunnels;
using PersonalVpn.Linux;
using PersonalVpn.Tunnel.Local;
using PersonalVpn.Unit.Support;
using PersonalVpn.Unit.UserAuthTests;
using Xunit;

namespace PersonalVpn.Unit.DaemonTests;

/// <summary>
/// Who may ask pvpnd for what. Callers are accounts that every Debian has; nothing here changes the kernel: requests are refused
/// before that, or have nothing to change.
/// </summary>
public sealed class RequestTableTests : IDisposable
{
    private const uint Root = 0, Permitted = 1 /* daemon */, Other = 65534 /* nobody */;

    private readonly TempDirectory _directory = new();
    private readonly KernelState _kernel = new(NullLogger.Instance);
    private readonly TunnelTable _tunnels = new();
    private readonly LinuxSocket _client, _server;
    private readonly RequestTable _table;
    private ForwarderConfig _config = ForwarderConfig.Build(ConfigText.Lines("AllowUsers daemon"));

    public RequestTableTests()
    {
        (_client, _server) = LinuxSocket.SeqPacketPair(1 << 16);
        _table = new RequestTable(new TunnelManager(_tunnels, _kernel, new StateFile(_directory["state"]), () => _config, NullLogger.Instance), () => _config);
    }

    public void Dispose()
    {
        _client.Dispose();
        _server.Dispose();
        _kernel.Dispose();
        _directory.Dispose();
    }

    [Theory]
    [InlineData(ForwarderOperation.Mark, 1, Other, ForwarderError.Denied)]
    [InlineData(ForwarderOperation.Mark, 1, Root, ForwarderError.Denied)]
    [InlineData(ForwarderOperation.Open, 0, Other, ForwarderError.Denied)]
    [InlineData(ForwarderOperation.Open, 0, Root, ForwarderError.Denied)]
    [InlineData(ForwarderOperation.Open, 0, Permitted, ForwarderError.BadRequest)] // may, but asked for nothing
    [InlineData(ForwarderOperation.Close, 0, Permitted, ForwarderError.BadRequest)] // holds no tunnel
    [InlineData(ForwarderOperation.Close, 0, Other, ForwarderError.BadRequest)]
    [InlineData(ForwarderOperation.Close, 0, Root, ForwarderError.BadRequest)]
    [InlineData(ForwarderOperation.Status, 0, Other, ForwarderError.None)]
    [InlineData(ForwarderOperation.Status, 0, Permitted, ForwarderError.None)]
    [InlineData(ForwarderOperation.Status, 0, Root, ForwarderError.None)]
    [InlineData(ForwarderOperation.Check, 0, Other, ForwarderError.BadRequest)] // no destination
    [InlineData(ForwarderOperation.Down, 0, Other, ForwarderError.NotFound)]
    [InlineData(ForwarderOperation.Down, 0, Permitted, ForwarderError.NotFound)]
    [InlineData(ForwarderOperation.None, 0, Root, ForwarderError.BadRequest)]
    [InlineData((ForwarderOperation)99, 0, Root, ForwarderError.BadRequest)]
    public void Every_operation_by_every_caller(ForwarderOperation operation, int fds, uint uid, ForwarderError expected) =>
        Assert.Equal(expected, Ask(uid, new ForwarderRequest { Operation = operation }, fds == 0 ? -1 : 0, fds).Code);

    [Fact]
    public void Something_malformed_is_no_request() => Assert.Equal(ForwarderError.BadRequest, Ask(Root, null).Code);

    [Theory]
    [InlineData(ForwarderOperation.Mark, 0)]
    [InlineData(ForwarderOperation.Mark, 2)]
    [InlineData(ForwarderOperation.Open, 1)]
    [InlineData(ForwarderOperation.Status, 1)]
    [InlineData(ForwarderOperation.Down, 2)]
    public void Descriptors_come_only_where_they_belong(ForwarderOperation operation, int fds) =>
        Assert.Contains($"{fds} came", Ask(Permitted, new ForwarderRequest { Operation = operation }, 0, fds).Error, StringComparison.Ordinal);

    [Fact]
    public void Users_see_their_own_tunnels_and_root_all()
    {
        _tunnels.Add(TunnelOf(Permitted, "gw1"));
        _tunnels.Add(TunnelOf(Other, "gw2"));
        var status = new ForwarderRequest { Operation = ForwarderOperation.Status };
        Assert.Equal(["gw1"], Ask(Permitted, status).Tunnels!.Select(t => t.Gateway));
        Assert.Equal(["gw2"], Ask(Other, status).Tunnels!.Select(t => t.Gateway));
        Assert.Equal(["gw1", "gw2"], Ask(Root, status).Tunnels!.Select(t => t.Gateway));
        Assert.Empty(Ask(7, status).Tunnels!);
    }

    [Fact]
    public void Nobody_takes_down_anothers_tunnel()
    {
        _tunnels.Add(TunnelOf(Permitted, "gw"));
        var down = new ForwarderRequest { Operation = ForwarderOperation.Down, Gateway = "gw" };
        Assert.Equal(ForwarderError.NotFound, Ask(Other, down).Code);
        Assert.Single(_tunnels.All);
        ForwarderReply reply = Ask(Permitted, down);
        Assert.Equal(["gw"], reply.Tunnels!.Select(t => t.Gateway));
        Assert.Empty(_tunnels.All);
    }

    [Fact]
    public void Root_takes_down_anybodys()
    {
        _tunnels.Add(TunnelOf(Permitted, "gw"));
        Assert.Equal(ForwarderError.None, Ask(Root, new ForwarderRequest { Operation = ForwarderOperation.Down, All = true }).Code);
        Assert.Empty(_tunnels.All);
    }

    /// <summary>The second tunnel of one connection would outlive it.</summary>
    [Fact]
    public void One_connection_holds_one_tunnel()
    {
        var connection = new ControlConnection(_server, new PeerCredentials(1, Permitted, 1)) { Tunnel = TunnelOf(Permitted, "gw") };
        RequestException e = Assert.Throws<RequestException>(() => _table.Handle(connection, new ForwarderRequest { Operation = ForwarderOperation.Open }, -1, 0));
        Assert.Equal("this connection holds a tunnel already", e.Message);
    }

    [Fact]
    public void Only_a_fresh_or_connected_tcp_socket_gets_the_mark()
    {
        _config = ForwarderConfig.Build(ConfigText.Lines("AllowUsers root daemon nobody"));
        using LinuxSocket udp = LinuxSocket.CreateUdp(v6: false), bound = LinuxSocket.CreateTcp(v6: false), listening = LinuxSocket.CreateTcp(v6: false);
        bound.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listening.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listening.Listen();
        using LinuxSocket connected = LinuxSocket.CreateTcp(v6: false);
        connected.Connect(listening.LocalEndPoint!);
        using FileStream file = File.OpenRead("/dev/null");
        foreach (int fd in new[] { udp.Fd, bound.Fd, listening.Fd, _client.Fd, file.SafeFileHandle.DangerousGetHandle().ToInt32() })
        {
            ForwarderReply reply = Ask(Permitted, new ForwarderRequest { Operation = ForwarderOperation.Mark }, fd, 1);
            Assert.Equal((ForwarderError.BadRequest, "the descriptor is neither a fresh nor a connected TCP socket"), (reply.Code, reply.Error));
        }
        // A connected one of the caller's own: the kernel alone says whether this process may set marks.
        uint own = Capabilities.EffectiveUid;
        if (Capabilities.HasEffective(Capability.NetAdmin)) Assert.Equal(ForwarderError.None, Ask(own, new ForwarderRequest { Operation = ForwarderOperation.Mark }, connected.Fd, 1).Code);
        Assert.Equal("the socket belongs to another user", Ask(own == Permitted ? Other : Permitted, new ForwarderRequest { Operation = ForwarderOperation.Mark }, connected.Fd, 1).Error);
    }

    [Fact]
    public void A_socket_of_another_user_gets_no_mark()
    {
        _config = ForwarderConfig.Build(ConfigText.Lines("AllowUsers root daemon nobody"));
        using LinuxSocket socket = LinuxSocket.CreateTcp(v6: false);
        uint caller = Capabilities.EffectiveUid == Other ? Permitted : Other;
        ForwarderReply reply = Ask(caller, new ForwarderRequest { Operation = ForwarderOperation.Mark }, socket.Fd, 1);
        Assert.Equal((ForwarderError.Denied, "the socket belongs to another user"), (reply.Code, reply.Error));
        Assert.Equal(0u, socket.GetMark());
    }

    [Theory]
    [InlineData("gw", "gw", true)]
    [InlineData("gw", "gw:443", true)] // the usual port is not part of a name
    [InlineData("gw", "gw:8443", false)]
    [InlineData("gw:8443", "gw", true)] // a host alone means every port
    [InlineData("gw:8443", "gw:8443", true)]
    [InlineData("gw:8443", "gw:443", false)]
    [InlineData("2001:db8::1", "2001:db8::1", true)]
    [InlineData("2001:db8::1", "[2001:db8::1]:443", true)]
    [InlineData("2001:db8::1", "2001:db8:", false)]
    [InlineData("[2001:db8::1]:8443", "2001:db8::1", true)]
    [InlineData("[2001:db8::1]:8443", "[2001:db8::1]:8443", true)]
    [InlineData("[2001:db8::1]:8443", "2001:db8::2", false)]
    [InlineData("[", "", true)] // nonsense harms nobody
    [InlineData("gw", null, false)]
    public void Names_of_gateways(string gateway, string? asked, bool meant) => Assert.Equal(meant, RequestTable.IsMeant(gateway, asked));

    private ForwarderReply Ask(uint uid, ForwarderRequest? request, int fd = -1, int fdCount = 0)
    {
        try { return _table.Handle(new ControlConnection(_server, new PeerCredentials(1, uid, uid)), request, fd, fdCount).Reply; }
        catch (RequestException e)
        {
            Assert.DoesNotContain('\n', e.Message);
            return new ForwarderReply { Code = e.Code, Error = e.Message };
        }
    }

    private static TunnelState TunnelOf(uint uid, string gateway) => new()
    {
        Uid = uid, Gateway = gateway, User = "u", AddressV4 = null, AddressV6 = null, Routes = [], Mtu = 1500, Device = "pvpn0", Table = 7_570_000,
    };
}
