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
    private IReadOnlyList<Hop> _chain;
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
        _chain = _chains[0];
        if (invocation.Background && invocation.Command.Count > 0) throw new UserError("-f goes with no command", ExitCodes.Usage);
        if (invocation.Command.Count > 0) _program = ProgramPath.Find(invocation.Command[0]);
        NamedKeys.Check(invocation.Identities, Program.Home);
        // The name of a gateway behind others need not resolve here.
        if (_chain.Count == 1) Subcommands.RefuseMistyped(target, _config);
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
        using ForwarderClient forwarder = ForwarderClient.Connect(_config.ForwarderSocket);
        GatewayConnection? gateway = null;
        try
        {
            stop.Arm(() =>
            {
                _messages.Dispose();
                forwarder.Socket.Shutdown();
                gateway?.Socket.Shutdown();
            });
            OpenedTunnel tunnel = Reach(ref gateway, forwarder, stop);
            using (tunnel.Channel)
            using (tunnel.Device) return Keep(gateway!, forwarder, tunnel, stop);
        }
        catch (Exception) when (stop.Requested is { } signal)
        {
            return 128 + signal;
        }
        finally
        {
            gateway?.Dispose();
            if (_invocation.Verbosity > 1) _messages.VeryVerbose(MemoryReport.Line());
        }
    }

    // The chains in their order, until one leads there. What is said of the last one is what the user reads.
    private OpenedTunnel Reach(ref GatewayConnection? gateway, ForwarderClient forwarder, StopSignals stop)
    {
        for (int i = 0; ;)
        {
            _chain = _chains[i];
            Hop first = _chain[0];
            try
            {
                using (_messages.Step($"connecting to {first.Name}{(_chains.Count > 1 ? $" ({first.Place})" : "")}"))
                    gateway = GatewayConnection.Open(first, forwarder, _messages.Verbose);
                return Establish(ref gateway, forwarder);
            }
            catch (UserError e) when (!e.IsFinal && stop.Requested is null && Next(i, gateway is not null) > 0)
            {
                i = Next(i, gateway is not null);
                gateway?.Dispose();
                gateway = null;
                _messages.Verbose($"{e.Message}; trying {string.Join(" > ", _chains[i].Select(h => h.Place))}");
            }
        }
    }

    // The chain to try after this one, or -1: where the first gateway was not even reached, one that begins elsewhere.
    private int Next(int failed, bool reached) =>
        Enumerable.Range(failed + 1, _chains.Count - failed - 1).FirstOrDefault(i => reached || _chains[i][0].Place != _chains[failed][0].Place, -1);

    // Everything until packets can flow: through each gateway to the next one, and from the last one addresses and routes.
    private OpenedTunnel Establish(ref GatewayConnection? gateway, ForwarderClient forwarder)
    {
        for (int i = 0; ; i++)
        {
            Hop hop = _chain[i];
            GatewayConnection connection = gateway!;
            var login = new HopLogin(hop, connection, _messages);
            login.Run();
            if (i == _chain.Count - 1)
            {
                return login.Then($"opening the tunnel to {hop.Name}", () =>
                    TunnelOpener.RunAsync(connection.Control, connection.Way, forwarder, hop.Name, hop.User, _chain.Take(i).Select(h => h.Name), _destinations, _messages, CancellationToken.None));
            }
            Hop next = _chain[i + 1];
            gateway = login.Then($"connecting to {next.Name} through {hop.Name}", () => connection.ThroughAsync(next.Host, next.Port, CancellationToken.None));
        }
    }

    private int Keep(GatewayConnection gateway, ForwarderClient forwarder, OpenedTunnel tunnel, StopSignals stop)
    {
        var pump = new PacketPump(gateway, tunnel.Channel, tunnel.Device);
        string routes = string.Join(' ', tunnel.Routes);
        Hop last = _chain[^1];
        var keeper = new TunnelKeeper(forwarder, last.Name, routes, _messages);
        stop.Arm(null);
        pump.Start();
        string address = string.Join(',', new[] { tunnel.Config.AddressV4, tunnel.Config.AddressV6 }.Where(a => a is not null));
        string via = _chain.Count > 1 ? " through " + string.Join(", ", _chain.SkipLast(1).Select(h => h.Name)) : "";
        _messages.Announce($"connected to {last.Name} as {last.User}{via}, address {address}, routes {routes}", always: Background.IsChild);
        if (Background.IsChild) Background.Detach();
        using var keepAlive = KeepAlive.Start(pump, gateway.Socket,
            _config.ServerAliveInterval ?? TimeSpan.FromSeconds(tunnel.Config.KeepAliveSeconds), _config.ServerAliveCountMax ?? tunnel.Config.KeepAliveCount);
        return keeper.Keep(pump, keepAlive, _program is null ? null : () => CommandRunner.Start(_program, _invocation.Command, stop), stop);
    }
}
