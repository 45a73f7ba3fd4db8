using System.Diagnostics;
using System.Globalization;
using PersonalVpn.Cli.Config;
using PersonalVpn.Cli.Connect;
using PersonalVpn.Cli.Local;
using PersonalVpn.Cli.Terminal;
using PersonalVpn.Packets;
using PersonalVpn.Tunnel.Local;
using PersonalVpn.Tunnel.Protocol;

namespace PersonalVpn.Cli.Session;

/// <summary>
/// A tunnel that stands: keeps it until the command or the user ends it, makes its connection again when that is lost, and says what
/// happens. The tunnel's destinations are never in the clear while it does.
/// <code>
/// up ──connection lost──► reconnecting ──resumed──► up
///                              │  refused: ends, blocked
/// either ──command, user──► closed: the ordinary way      either ──pvpn down──► gone      either ──pvpnd dies──► ends, blocked
/// </code>
/// </summary>
/// <param name="gateway">Its name, for pvpnd and for messages.</param>
/// <param name="destinations">What the user asked for.</param>
/// <param name="config">Keep-alive, and whether to reconnect.</param>
/// <param name="connector">The way to the gateway.</param>
/// <param name="messages">Where to say what happens.</param>
internal sealed class TunnelKeeper(string gateway, IReadOnlyList<IpPrefix> destinations, ClientConfig config, ChainConnector connector, Messages messages) : IDisposable
{
    private static readonly TimeSpan LastWord = TimeSpan.FromMilliseconds(500);

    private readonly NetworkWatch _network = new();
    private HeldTunnel? _held;
    private string _routes = "";
    private TunnelLink? _link;

    private HeldTunnel Held => _held!;
    private TunnelLink Link => _link!;
    private string StayBlocked => $"your packets to {_routes} stay blocked until you run pvpn again or let them go in the clear with 'pvpn down {gateway}'";

    /// <summary>Takes over a tunnel and the connection that is to carry it, and starts to carry packets.</summary>
    public void Start(ForwarderClient forwarder, OpenedTunnel tunnel, GatewayConnection connection)
    {
        Hold(forwarder, tunnel);
        _link = NewLink(connection, tunnel.Config);
    }

    /// <summary>Keeps it. Returns the exit code.</summary>
    /// <param name="start">Starts the command, or null.</param>
    /// <param name="stop">The user's wish.</param>
    public int Keep(Func<CommandRunner>? start, StopSignals stop)
    {
        // A signal that came just before means the tunnel, and the command with it.
        using CommandRunner? command = start is null || stop.Requested is not null ? null : StartCommand(start);
        var reconnector = new Reconnector(connector, config.ForwarderSocket, Open, messages);
        _network.Changed += () =>
        {
            _link?.NetworkChanged();
            reconnector.TryNow();
        };
        Task<int> finished = command?.Exited ?? new TaskCompletionSource<int>().Task;
        Task signalled = command is null ? stop.Signalled : new TaskCompletionSource().Task;
        while (true)
        {
            // What came first decides; of several at once, the loss: a signal that comes after the connection broke opens nothing.
            bool lost = Task.WaitAny(Link.Ended, Held.Ended, finished, signalled) <= 1;
            // pvpnd sends its last word before it closes the channel, but another thread reads it.
            if (Held.Ended.IsCompleted || (lost && Link.Ended.Result.ByForwarder && Held.Ended.Wait(LastWord))) return TakenDown(command);
            if (!lost) return End(finished, started: start is not null, command, stop);

            string reason = Link.Reason;
            if (!config.Reconnect || Link.Ended.Result is { IsFinal: true } or { ByForwarder: true })
            {
                command?.HangUp();
                throw new UserError($"the connection to {gateway} was lost: {reason}; {StayBlocked}");
            }
            long since = Stopwatch.GetTimestamp();
            Forget(ref _link);
            messages.Say($"the connection to {gateway} was lost: {reason}; reconnecting, your packets to {_routes} wait");
            Held.Say(reconnecting: true);
            Task<Return> back = reconnector.Start();
            int first = Task.WaitAny(back, Held.Ended, finished, signalled);
            if (first != 0)
            {
                reconnector.Abort();
                _ = back.ContinueWith(t => t.Result.Dispose(), CancellationToken.None, TaskContinuationOptions.OnlyOnRanToCompletion, TaskScheduler.Default);
                return first == 1 ? TakenDown(command) : End(finished, started: start is not null, command, stop);
            }
            try
            {
                Resume(back.GetAwaiter().GetResult());
            }
            catch (Exception e) when (e is UserError or ForwarderRefusedException or IOException)
            {
                command?.HangUp();
                throw new UserError($"the tunnel to {gateway} could not be resumed: {e.Message}; {StayBlocked}");
            }
            messages.Say(string.Create(CultureInfo.InvariantCulture, $"reconnected to {gateway} after {Stopwatch.GetElapsedTime(since).TotalSeconds:0.0} s"));
        }
    }

    public void Dispose()
    {
        _network.Dispose();
        Forget(ref _link);
        Forget(ref _held);
    }

    private static void Forget<T>(ref T? what) where T : class, IDisposable
    {
        T? gone = what;
        what = null;
        gone?.Dispose();
    }

    private TunnelLink NewLink(GatewayConnection connection, ConfigMessage server) => new(connection, Held.Tunnel,
        config.ServerAliveInterval ?? TimeSpan.FromSeconds(server.KeepAliveSeconds), config.ServerAliveCountMax ?? server.KeepAliveCount);

    private void Hold(ForwarderClient forwarder, OpenedTunnel tunnel)
    {
        _held = new HeldTunnel(forwarder, tunnel);
        _routes = string.Join(' ', tunnel.Routes);
    }

    private ConfigMessage Open(Arrival arrival) => arrival.Login.Then($"opening the tunnel to {arrival.Last.Name}", () => Opener(arrival).AskAsync([], CancellationToken.None));

    private TunnelOpener Opener(Arrival arrival, IReadOnlyList<IpPrefix>? carried = null) => new(arrival, gateway, destinations, messages, carried);

    private void Resume(Return back)
    {
        OpenedTunnel tunnel = Held.Tunnel;
        if (back.Config.AddressV4 != tunnel.Config.AddressV4 || back.Config.AddressV6 != tunnel.Config.AddressV6)
        {
            try { Rebuild(back); }
            catch
            {
                back.Dispose();
                throw;
            }
        }
        _link = NewLink(back.Arrival.Connection, back.Config);
        Held.Say(reconnecting: false);
    }

    // Another server, or one that forgot us: a tunnel with other addresses takes the place of this one, which blocks until it stands.
    private void Rebuild(Return back)
    {
        IReadOnlyList<IpPrefix> carried = Held.Tunnel.Routes;
        Forget(ref _held);
        ForwarderClient forwarder = ForwarderClient.Connect(config.ForwarderSocket);
        try
        {
            OpenedTunnel tunnel = back.Arrival.Login.Then($"opening the tunnel to {gateway}", () => OpenAgainAsync(forwarder, back, carried));
            Hold(forwarder, tunnel);
            messages.Say($"{gateway} gave other addresses: {Addresses(tunnel.Config)}; connections that stood in the tunnel are broken");
        }
        catch
        {
            forwarder.Dispose();
            throw;
        }
    }

    private async Task<OpenedTunnel> OpenAgainAsync(ForwarderClient forwarder, Return back, IReadOnlyList<IpPrefix> carried)
    {
        for (int left = 20; ; left--)
        {
            try
            {
                return await Opener(back.Arrival, carried).OpenAsync(forwarder, back.Config, CancellationToken.None).ConfigureAwait(false);
            }
            catch (ForwarderRefusedException e) when (e.Code == ForwarderError.TooManyTunnels && left > 0)
            {
                // pvpnd has not noticed yet that we let go of the old one.
                await Task.Delay(50).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Inner addresses as they are shown.</summary>
    public static string Addresses(ConfigMessage config) => string.Join(',', new[] { config.AddressV4, config.AddressV6 }.Where(a => a is not null));

    private int TakenDown(CommandRunner? command)
    {
        command?.HangUp();
        if (!Held.Ended.Result)
            throw new UserError($"the forwarder died: your packets to {_routes} stay blocked; restart pvpnd, then run pvpn again or 'pvpn down'");
        messages.Say($"the tunnel to {gateway} was taken down; your packets to {_routes} go the ordinary way again");
        return command is null ? ExitCodes.Success : ExitCodes.Failure;
    }

    private int End(Task<int> finished, bool started, CommandRunner? command, StopSignals stop)
    {
        Held.Close();
        _link?.SendClose("the user ended the tunnel");
        return command is not null ? finished.Result : started ? 128 + stop.Requested!.Value : ExitCodes.Success;
    }

    // A command that cannot be started ends the tunnel: cleanly, nothing stays blocked.
    private CommandRunner StartCommand(Func<CommandRunner> start)
    {
        try { return start(); }
        catch (UserError)
        {
            Held.Close();
            throw;
        }
    }
}
