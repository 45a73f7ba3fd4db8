using PersonalVpn.Linux;
using PersonalVpn.Server.Relay;
using PersonalVpn.Server.Sessions;
using Xunit;

namespace PersonalVpn.Unit.Server;

/// <summary>A relay whose client has gone, and a next gateway that does not care.</summary>
public sealed class ByteRelayTests : IDisposable
{
    // Long enough for a busy machine: a sender that is held up must not look silent.
    private static readonly TimeSpan Alone = TimeSpan.FromSeconds(2), Patience = TimeSpan.FromSeconds(20);

    private readonly EventLoop _loop = new();
    private readonly LinuxSocket _client, _target;
    private readonly Task<string> _relay;

    public ByteRelayTests()
    {
        _loop.Start("test");
        (_client, LinuxSocket near) = LinuxSocket.StreamPair();
        (_target, LinuxSocket far) = LinuxSocket.StreamPair();
        var client = new NonBlockingStream(near, _loop);
        var target = new NonBlockingStream(far, _loop);
        _relay = new ByteRelay(new RelayEnd(client, client), new RelayEnd(target, target), _loop, new SessionCounters()) { AloneTime = Alone }.RunAsync();
    }

    public void Dispose()
    {
        _client.Dispose();
        _target.Dispose();
        _loop.Dispose();
    }

    [Fact]
    public async Task A_target_that_never_ends_its_side_does_not_keep_the_session()
    {
        _client.ShutdownSend();
        Assert.Contains("nothing more to say", await _relay.WaitAsync(Patience), StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_that_still_has_to_say_something_says_it()
    {
        _client.ShutdownSend();
        for (int i = 0; i < 6; i++)
        {
            await Task.Delay(Alone / 4);
            Assert.Equal(1, _target.Send([(byte)i]));
        }
        Assert.False(_relay.IsCompleted);
        _target.ShutdownSend();
        Assert.Equal("both sides ended", await _relay.WaitAsync(Patience));
        byte[] got = new byte[16];
        Assert.Equal(6, _client.Receive(got));
    }

    [Fact]
    public async Task Silence_of_both_is_no_end()
    {
        await Task.Delay(Alone * 1.5);
        Assert.False(_relay.IsCompleted);
        _client.Dispose();
        _target.Dispose();
        await _relay.WaitAsync(Patience);
    }
}
