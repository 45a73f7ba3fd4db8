using PersonalVpn.Cli.Config;
using PersonalVpn.Cli.Connect;
using PersonalVpn.Cli.Local;
using PersonalVpn.Cli.Session;
using PersonalVpn.Cli.Terminal;
using PersonalVpn.Packets;
using PersonalVpn.Tunnel.Protocol;

namespace PersonalVpn.Cli.Commands;

/// <summary><c>pvpn [user@]gateway ...</c>: connects, logs in, opens the tunnel, and keeps it as long as it is wanted.</summary>
internal sealed class TunnelCommand : IDisposable
{
    private readonly Invocation _invocation;
    private readonly ClientConfig _config;
    private readonly IReadOnlyList<IpPrefix> _destinations;
    private readonly string _host, _gatewayName, _user;
    private readonly string? _program;
    private readonly int _port;
    private readonly Messages _messages;

    // All that can be wrong with what the user typed or wrote is found here, before anything is done.
    private TunnelCommand(Invocation invocation)
    {
        _invocation = invocation;
        Target target = Target.Parse(invocation.Target);
        _config = invocation.LoadConfig(target);
        _config.Check();
        if (_config.ProxyJump is not null) throw new UserError("chaining (-J, ProxyJump) is not built yet; connect to the gateway directly");
        _destinations = Destinations.Parse(invocation.Destinations.Count > 0 ? invocation.Destinations : _config.Routes);
        _host = _config.HostName ?? target.Host;
        _port = _config.Port;
        _gatewayName = Target.Name(target.Host, _port);
        _user = _config.User ?? Environment.UserName;
        if (invocation.Background && invocation.Command.Count > 0) throw new UserError("-f goes with no command", ExitCodes.Usage);
        if (invocation.Command.Count > 0) _program = ProgramPath.Find(invocation.Command[0]);
        NamedKeys.Check(invocation.Identities, Program.Home);
        Subcommands.RefuseMistyped(target, _config);
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
            using (_messages.Step($"connecting to {_gatewayName}"))
                gateway = GatewayConnection.Open(_host, _port, _config.ConnectTimeout, forwarder, _messages.Verbose);
            OpenedTunnel tunnel = Establish(gateway, forwarder);
            using (tunnel.Channel)
            using (tunnel.Device) return Keep(gateway, forwarder, tunnel, stop);
        }
        catch (Exception) when (stop.Requested is { } signal)
        {
            return 128 + signal;
        }
        finally
        {
            gateway?.Dispose();
            if (_invocation.Verbosity > 0) Verbose(MemoryReport.Line());
        }
    }

    // Everything until packets can flow. The waits inside are bounded by the timer: past it the socket is shut.
    private OpenedTunnel Establish(GatewayConnection gateway, ForwarderClient forwarder)
    {
        ServerTrust.Check(_host, _port, gateway.Certificate, _config, _messages.Say);
        // What is wrong with a key is told with the failure that it leads to, or to -v.
        var identities = new Identities(_config, Program.Home, _messages.Verbose, _messages.Verbose);
        bool silent = false;
        ServerWait Limit(string step) => new(_messages.Step(step), _config.ConnectTimeout, () =>
        {
            silent = true;
            gateway.Socket.Shutdown();
        });
        try
        {
            UserLogin.RunAsync(gateway.Control, gateway.Certificate.Der, _user, _gatewayName, identities, _messages.Say, _messages.Verbose,
                () => Limit($"logging in to {_gatewayName} as {_user}"), CancellationToken.None).GetAwaiter().GetResult();
            using ServerWait limit = Limit($"opening the tunnel to {_gatewayName}");
            return TunnelOpener.RunAsync(gateway.Control, forwarder, _gatewayName, _user, _destinations, _messages.Verbose, CancellationToken.None).GetAwaiter().GetResult();
        }
        catch (PeerClosedException e)
        {
            throw new UserError($"{_user}@{_gatewayName}: refused by the server: {e.Message}");
        }
        catch (ProtocolException e)
        {
            throw new UserError($"{_gatewayName} broke the protocol: {e.Message}; is it a pvpn-server of a fitting version?");
        }
        catch (IOException) when (silent)
        {
            throw new UserError($"{_gatewayName} did not answer during login within {_config.ConnectTimeout.TotalSeconds:0} s (ConnectTimeout); is it a pvpn-server, and not overloaded?");
        }
        catch (EndOfStreamException)
        {
            throw new UserError($"{_gatewayName} closed the connection during login; its log says why");
        }
        catch (IOException e)
        {
            throw new UserError($"the connection to {_gatewayName} was lost during login: {(e.InnerException ?? e).Message}; try again");
        }
    }

    private int Keep(GatewayConnection gateway, ForwarderClient forwarder, OpenedTunnel tunnel, StopSignals stop)
    {
        var pump = new PacketPump(gateway, tunnel.Channel, tunnel.Device);
        string routes = string.Join(' ', tunnel.Routes);
        var keeper = new TunnelKeeper(forwarder, _gatewayName, routes, _messages);
        stop.Arm(null);
        pump.Start();
        string address = string.Join(',', new[] { tunnel.Config.AddressV4, tunnel.Config.AddressV6 }.Where(a => a is not null));
        _messages.Announce($"connected to {_gatewayName} as {_user}, address {address}, routes {routes}", always: Background.IsChild);
        if (Background.IsChild) Background.Detach();
        using var keepAlive = KeepAlive.Start(pump, gateway.Socket,
            _config.ServerAliveInterval ?? TimeSpan.FromSeconds(tunnel.Config.KeepAliveSeconds), _config.ServerAliveCountMax ?? tunnel.Config.KeepAliveCount);
        return keeper.Keep(pump, keepAlive, _program is null ? null : () => CommandRunner.Start(_program, _invocation.Command, stop), stop);
    }
}
