using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using PersonalVpn.Cli;
using PersonalVpn.Cli.Connect.Dial;
using PersonalVpn.Linux;
using Xunit;

namespace PersonalVpn.Unit.CliTests.Dial;

/// <summary>Several addresses at a time, against the kernel's own loopback.</summary>
public sealed class StaggeredConnectTests : IDisposable
{
    private readonly List<IDisposable> _made = [];
    private readonly List<string> _said = [];
    private int _prepared;

    public void Dispose()
    {
        foreach (IDisposable d in _made) d.Dispose();
    }

    [Fact]
    public void The_second_wins_over_a_first_that_is_silent()
    {
        var watch = Stopwatch.StartNew();
        IPEndPoint live = Live();
        using LinuxSocket socket = Run(5, Silent(), live);
        Assert.Equal(live, socket.RemoteEndPoint);
        Assert.False(socket.NonBlocking);
        Assert.InRange(watch.ElapsedMilliseconds, 200, 2000);
        Assert.Equal(2, _prepared);
    }

    [Fact]
    public void A_refusal_starts_the_next_at_once()
    {
        IPEndPoint refused = Refused(), live = Live();
        var watch = Stopwatch.StartNew();
        using LinuxSocket socket = Run(5, refused, live);
        Assert.Equal(live, socket.RemoteEndPoint);
        Assert.InRange(watch.ElapsedMilliseconds, 0, 200);
    }

    [Fact]
    public void One_that_answers_is_the_only_one_that_is_tried()
    {
        using LinuxSocket socket = Run(5, Live(), Live());
        Assert.Equal(1, _prepared);
    }

    [Fact]
    public void All_that_failed_are_named_and_the_time_is_for_all_together()
    {
        IPEndPoint silent = Silent(), refused = Refused();
        var watch = Stopwatch.StartNew();
        UserError e = Assert.Throws<UserError>(() => Run(1, silent, refused));
        Assert.InRange(watch.ElapsedMilliseconds, 900, 2000);
        Assert.Equal($"gw port {refused.Port}: none of its addresses can be reached ({refused.Address} connection refused; {silent.Address} no answer within 1 s); is pvpn-server running there, and do the firewalls on the way let it through?", e.Message);
        Assert.Equal($"{refused.Address} port {refused.Port}: connection refused; is pvpn-server running there, on that port?", Assert.Throws<UserError>(() => Run(1, refused)).Message);
        Assert.Equal("gw: no address", Assert.Throws<UserError>(() => Run(1)).Message);
    }

    [Fact]
    public void What_preparing_throws_comes_out_and_the_sockets_are_closed()
    {
        var seen = new List<LinuxSocket>();
        IPEndPoint[] places = [Silent(), Live()];
        Assert.Throws<InvalidOperationException>(() => StaggeredConnect.Run("gw", places, "pvpn-server", new Deadline(TimeSpan.FromSeconds(5)), socket =>
        {
            seen.Add(socket);
            if (seen.Count == 2) throw new InvalidOperationException("no mark");
        }, _said.Add));
        Assert.Equal(2, seen.Count);
        Assert.All(seen, s => Assert.True(s.IsClosed));
    }

    private LinuxSocket Run(double seconds, params IPEndPoint[] places) =>
        StaggeredConnect.Run("gw", places, "pvpn-server", new Deadline(TimeSpan.FromSeconds(seconds)), _ => _prepared++, _said.Add);

    private IPEndPoint Live()
    {
        Socket listener = Bound();
        listener.Listen();
        return (IPEndPoint)listener.LocalEndPoint!;
    }

    private IPEndPoint Refused() => (IPEndPoint)Bound().LocalEndPoint!;

    // A listener whose queue is full: the kernel drops further SYNs.
    private IPEndPoint Silent()
    {
        Socket full = Bound();
        full.Listen(0);
        for (int i = 0; i < 8; i++)
        {
            var s = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { Blocking = false };
            _made.Add(s);
            try { s.Connect(full.LocalEndPoint!); }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.InProgress or SocketError.WouldBlock) { continue; }
        }
        return (IPEndPoint)full.LocalEndPoint!;
    }

    private Socket Bound()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        _made.Add(socket);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return socket;
    }
}
