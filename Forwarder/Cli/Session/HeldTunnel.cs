using PersonalVpn.Cli.Connect;
using PersonalVpn.Cli.Local;
using PersonalVpn.Tunnel.Local;

namespace PersonalVpn.Cli.Session;

/// <summary>The tunnel that pvpnd made for this process, as long as the connection to pvpnd is held.</summary>
internal sealed class HeldTunnel : IDisposable
{
    private readonly ForwarderClient _forwarder;
    private readonly ForwarderWatch _watch;

    /// <param name="forwarder">The connection that opened the tunnel; owned from here on.</param>
    /// <param name="tunnel">The tunnel; owned from here on.</param>
    public HeldTunnel(ForwarderClient forwarder, OpenedTunnel tunnel)
    {
        _forwarder = forwarder;
        Tunnel = tunnel;
        _watch = new ForwarderWatch(forwarder);
    }

    public OpenedTunnel Tunnel { get; }

    /// <summary>Completes with pvpnd's last word; true: taken down on purpose, false: it is gone.</summary>
    public Task<bool> Ended => _watch.Ended;

    /// <summary>Takes the tunnel down: the destinations are reached in the clear again.</summary>
    public void Close() => _forwarder.Ask(new ForwarderRequest { Operation = ForwarderOperation.Close });

    /// <summary>Tells pvpnd, for status and check. If it cannot be told it is gone, as <see cref="Ended"/> says.</summary>
    public void Say(bool reconnecting)
    {
        try
        {
            _forwarder.Ask(new ForwarderRequest { Operation = ForwarderOperation.State, Reconnecting = reconnecting });
        }
        catch (ForwarderRefusedException e) when (e.Code == ForwarderError.NotFound)
        {
            _watch.TakenDown();
        }
        catch (Exception e) when (e is UserError or ForwarderRefusedException)
        {
            // Status will say "up" for a while: no reason to give up the tunnel.
        }
    }

    /// <summary>Lets go without a word: the destinations stay blocked, unless <see cref="Close"/> came before.</summary>
    public void Dispose()
    {
        _watch.Dispose();
        _forwarder.Dispose();
        Tunnel.Channel.Dispose();
        Tunnel.Device?.Dispose();
    }
}
