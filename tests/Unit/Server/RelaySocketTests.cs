using System.Net;
using System.Net.Sockets;
using PersonalVpn.Linux;
using PersonalVpn.Server.Relay;
using PersonalVpn.Server.Sessions;
using Xunit;

namespace PersonalVpn.Unit.Server;

/// <summary>The way from a hop to the next gateway, when nobody answers there.</summary>
public sealed class RelaySocketTests : IDisposable
{
    private readonly EventLoop _loop = new();
    private readonly Socket _full = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly List<Socket> _waiting = [];

    public RelaySocketTests() => _loop.Start("test");

    public void Dispose()
    {
        _loop.Dispose();
        _full.Dispose();
        foreach (Socket s in _waiting) s.Dispose();
    }

    [Fact]
    public async Task Connects_that_get_no_answer_hold_no_thread_and_end_at_once_when_given_up()
    {
        IPEndPoint place = Silent();
        using var stop = new CancellationTokenSource();
        Task[] asked = [.. Enumerable.Range(0, 64).Select(_ => RelaySocket.ConnectAsync([place], "gw2", _loop, stop.Token))];
        await Task.Run(() => { }).WaitAsync(TimeSpan.FromSeconds(3));
        Assert.All(asked, t => Assert.False(t.IsCompleted));
        await stop.CancelAsync();
        foreach (Task t in asked)
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => t.WaitAsync(TimeSpan.FromSeconds(3)));
    }

    [Fact]
    public async Task A_refusal_is_told_and_an_answer_is_taken()
    {
        _full.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var place = (IPEndPoint)_full.LocalEndPoint!;
        SessionRefusedException refused = await Assert.ThrowsAsync<SessionRefusedException>(() => RelaySocket.ConnectAsync([place], "gw2", _loop, CancellationToken.None));
        Assert.Contains("Connection refused", refused.Message, StringComparison.Ordinal);
        _full.Listen();
        await using NonBlockingStream stream = await RelaySocket.ConnectAsync([place], "gw2", _loop, CancellationToken.None);
        Assert.Equal(place, stream.Socket.RemoteEndPoint);
    }

    /// <summary>RFC 8305: a silent address costs a quarter of a second, not its time-out.</summary>
    [Fact]
    public async Task The_next_address_does_not_wait_for_one_that_is_silent()
    {
        IPEndPoint silent = Silent();
        using var live = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        live.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        live.Listen();
        var watch = System.Diagnostics.Stopwatch.StartNew();
        await using NonBlockingStream stream = await RelaySocket.ConnectAsync([silent, (IPEndPoint)live.LocalEndPoint!], "gw2", _loop, CancellationToken.None);
        Assert.Equal(live.LocalEndPoint, stream.Socket.RemoteEndPoint);
        Assert.InRange(watch.ElapsedMilliseconds, 200, 2000);
    }

    // A listener whose queue is full: the kernel drops further SYNs.
    private IPEndPoint Silent()
    {
        _full.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _full.Listen(0);
        while (_waiting.Count < 8)
        {
            var s = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { Blocking = false };
            _waiting.Add(s);
            try { s.Connect(_full.LocalEndPoint!); }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.InProgress or SocketError.WouldBlock) { continue; }
        }
        return (IPEndPoint)_full.LocalEndPoint!;
    }
}
