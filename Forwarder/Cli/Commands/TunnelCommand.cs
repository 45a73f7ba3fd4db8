using PersonalVpn.Cli.Config;
using PersonalVpn.Cli.Connect;
using PersonalVpn.Cli.Local;
using PersonalVpn.Cli.Session;
using PersonalVpn.Cli.Terminal;
using PersonalVpn.Packets;
using PersonalVpn.Tunnel.Diagnostics;

namespace PersonalVpn.Cli.Commands;

/// <summary><c>pvpn [user@]gateway ...</c>: connects, logs in, opens the tunnel, and keeps it as long as it is wanted.</summary>
internal sealed class TunnelCommand : IDisposable
{
    private readonly Invocation _invocation;
    private readonly ClientConfig _config;
    private readonly IReadOnlyList<IpPrefix> _destinations;
    private readonly IReadOnlyList<IReadOnlyList<Hop>> _chains;
    private readonly string _name;
    private readonly string? _program;
    private readonly Messages _messages;

    // All that can be wrong with what the user typed or wrote is found here, before anything is done.
    private TunnelCommand(Invocation invocation)
    {
        _invocation = invocation;
        Target target = Target.Parse(invocation.Target);
        _config = invocation.LoadConfig(target);
        _config.Check();
        _destinations = Destinations.Parse(invocation.Destinations.Count > 0 ? invocation.Destinations : _config.Routes);
        _chains = Hop.Chains(target, _config, invocation.ConfigFile);
        _name = _chains[0][^1].Name;
        if (invocation.Background && invocation.Command.Count > 0) throw new UserError("-f goes with no command", ExitCodes.Usage);
        if (invocation.Command.Count > 0) _program = ProgramPath.Find(invocation.Command[0]);
        NamedKeys.Check(invocation.Identities, Program.Home);
        // The name of a gateway behind others need not resolve here.
        if (_chains[0].Count == 1) Subcommands.RefuseMistyped(target, _config);
        _messages = new Messages(invocation.Verbosity, invocation.Quiet);
    }

    public static int Run(Invocation invocation)
    {
        using var stop = new StopSignals();
        using var command = new TunnelCommand(invocation);
        if (!invocation.Background || Background.IsChild) return command.Run(stop);
        stop.Dispose();
        return Background.Launch(Environment.GetCommandLineArgs()[1..], invocation.Quiet);
    }

    public void Dispose() => _messages.Dispose();

    private int Run(StopSignals stop)
    {
        foreach ((string keyword, string value) in _config.Effective()) _messages.VeryVerbose($"{keyword} {value}");
        using var memory = new LoginMemory();
        var connector = new ChainConnector(_chains, memory, _messages);
        using var keeper = new TunnelKeeper(_name, _destinations, _config, connector, _messages);
        ForwarderClient forwarder = ForwarderClient.Connect(_config.ForwarderSocket);
        Arrival? arrival = null;
        bool kept = false;
        try
        {
            stop.Arm(() =>
            {
                _messages.Dispose();
                forwarder.Socket.Shutdown();
                connector.Abort();
                arrival?.Connection.Socket.Shutdown();
            });
            OpenedTunnel tunnel;
            (arrival, tunnel) = connector.Connect(forwarder, at => at.Login.Then($"opening the tunnel to {at.Last.Name}",
                () => new TunnelOpener(at, _name, _destinations, _messages).OpenAsync(forwarder, null, CancellationToken.None)));
            stop.Arm(null);
            memory.Unattended = true;
            _messages.Settle();
            kept = true;
            keeper.Start(forwarder, tunnel, arrival.Connection);
            Say(arrival, tunnel);
            return keeper.Keep(_program is null ? null : () => CommandRunner.Start(_program, _invocation.Command, stop), stop);
        }
        catch (Exception) when (stop.Requested is { } signal)
        {
            return 128 + signal;
        }
        finally
        {
            // What the keeper has it lets go of itself, when its threads no longer look at it.
            if (!kept)
            {
                arrival?.Connection.Dispose();
                forwarder.Dispose();
            }
            if (_invocation.Verbosity > 1) _messages.VeryVerbose(MemoryReport.Line());
        }
    }

    private void Say(Arrival arrival, OpenedTunnel tunnel)
    {
        if (Background.IsChild) Background.LeaveSession();
        string via = arrival.Chain.Count > 1 ? " through " + string.Join(", ", arrival.Chain.SkipLast(1).Select(h => h.Name)) : "";
        _messages.Announce($"connected to {_name} as {arrival.Last.User}{via}, address {TunnelKeeper.Addresses(tunnel.Config)}, routes {string.Join(' ', tunnel.Routes)}",
            always: Background.IsChild);
        if (Background.IsChild) Background.Detach();
    }
}
