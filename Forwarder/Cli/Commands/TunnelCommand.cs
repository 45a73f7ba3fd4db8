using PersonalVpn.Cli.Config;
using PersonalVpn.Cli.Connect;
using PersonalVpn.Cli.Local;
using PersonalVpn.Cli.Session;
using PersonalVpn.Packets;
using PersonalVpn.Tunnel.Diagnostics;
using PersonalVpn.Tunnel.Local;
using PersonalVpn.Tunnel.Protocol;

namespace PersonalVpn.Cli.Commands;

/// <summary><c>pvpn [user@]gateway ...</c>: connects, logs in, opens the tunnel, and keeps it as long as it is wanted.</summary>
internal sealed class TunnelCommand
{
    private static readonly TimeSpan LastWord = TimeSpan.FromMilliseconds(500);

    private readonly Invocation _invocation;
    private readonly ClientConfig _config;
    private readonly IReadOnlyList<IpPrefix> _destinations;
    private readonly string _host, _gatewayName, _user;
    private readonly int _port;

    private TunnelCommand(Invocation invocation)
    {
        _invocation = invocation;
        Target target = Target.Parse(invocation.Target);
        var options = new List<string>();
        if (target.User is not null) options.Add($"User={target.User}");
        if (target.Port is not null) options.Add($"Port={target.Port}");
        _config = ClientConfig.Load(Program.Home, target.Host, [.. options, .. invocation.Options], invocation.ConfigFile);
        if (_config.ProxyJump is not null) throw new UserError("chaining (-J, ProxyJump) is not built yet; connect to the gateway directly");
        _destinations = Destinations.Parse(invocation.Destinations.Count > 0 ? invocation.Destinations : _config.Routes);
        _host = _config.HostName ?? target.Host;
        _port = _config.Port;
        _gatewayName = Target.Name(target.Host, _port);
        _user = _config.User ?? Environment.UserName;
    }

    public static int Run(Invocation invocation)
    {
        if (invocation.Background && !Background.IsChild)
        {
            if (invocation.Command.Count > 0) throw new UserError("-f goes with no command", ExitCodes.Usage);
            _ = new TunnelCommand(invocation);
            return Background.Launch(Environment.GetCommandLineArgs()[1..], invocation.Quiet);
        }
        using var stop = new StopSignals();
        return new TunnelCommand(invocation).Run(stop);
    }

    private int Run(StopSignals stop)
    {
        using ForwarderClient forwarder = ForwarderClient.Connect(_config.ForwarderSocket);
        GatewayConnection? gateway = null;
        try
        {
            stop.Arm(() => { forwarder.Socket.Shutdown(); gateway?.Socket.Shutdown(); });
            gateway = GatewayConnection.Open(_host, _port, _config.ConnectTimeout, forwarder, Verbose);
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
        ServerTrust.Check(_host, _port, gateway.Certificate, _config, Say);
        var identities = new Identities(_config, Program.Home, Say, Verbose);
        bool silent = false;
        Timer Limit() => new(_ => { silent = true; gateway.Socket.Shutdown(); }, null, _config.ConnectTimeout, Timeout.InfiniteTimeSpan);
        try
        {
            UserLogin.RunAsync(gateway.Control, gateway.Certificate.Der, _user, _gatewayName, identities, Say, Verbose, Limit, CancellationToken.None).GetAwaiter().GetResult();
            using Timer limit = Limit();
            return TunnelOpener.RunAsync(gateway.Control, forwarder, _gatewayName, _user, _destinations, Verbose, CancellationToken.None).GetAwaiter().GetResult();
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
            throw new UserError($"the connection to {_gatewayName} was lost during login: {(e.InnerException ?? e).Message}");
        }
    }

    private int Keep(GatewayConnection gateway, ForwarderClient forwarder, OpenedTunnel tunnel, StopSignals stop)
    {
        var pump = new PacketPump(gateway, tunnel.Channel, tunnel.Device);
        using var watch = new ForwarderWatch(forwarder);
        stop.Arm(null);
        pump.Start();
        Announce(tunnel);
        if (Background.IsChild) Background.Detach();

        using var keepAlive = KeepAlive.Start(pump, gateway.Socket,
            _config.ServerAliveInterval ?? TimeSpan.FromSeconds(tunnel.Config.KeepAliveSeconds), _config.ServerAliveCountMax ?? tunnel.Config.KeepAliveCount);
        using CommandRunner? command = StartCommand(forwarder, stop);

        Task<int> finished = command?.Exited ?? new TaskCompletionSource<int>().Task;
        Task signalled = command is null ? stop.Signalled : new TaskCompletionSource().Task;
        // What came first decides; of several at once, the loss: a signal that comes after the connection broke opens nothing.
        bool lost = Task.WaitAny(pump.Ended, watch.Ended, finished, signalled) <= 1;

        // pvpnd sends its last word before it closes the channel, but another thread reads it.
        if (watch.Ended.IsCompleted || (lost && pump.Ended.Result.ByForwarder && watch.Ended.Wait(LastWord)))
        {
            command?.HangUp();
            if (watch.Ended.Result)
            {
                Say($"the tunnel to {_gatewayName} was taken down; your packets to {Routes(tunnel)} go the ordinary way again");
                return command is null ? ExitCodes.Success : ExitCodes.Failure;
            }
            throw new UserError($"the forwarder died: your packets to {Routes(tunnel)} stay blocked; restart pvpnd, then run pvpn again or 'pvpn down'");
        }
        if (lost)
        {
            command?.HangUp();
            throw new UserError($"the connection to {_gatewayName} was lost: {keepAlive.Reason ?? pump.Ended.Result.Reason}; your packets to {Routes(tunnel)} stay blocked until you " +
                $"run pvpn again or let them go in the clear with 'pvpn down {_gatewayName}'");
        }
        forwarder.Ask(new ForwarderRequest { Operation = ForwarderOperation.Close });
        pump.SendClose("the user ended the tunnel");
        return command is null ? ExitCodes.Success : finished.Result;
    }

    // A command that cannot be started ends the tunnel: cleanly, nothing stays blocked.
    private CommandRunner? StartCommand(ForwarderClient forwarder, StopSignals stop)
    {
        if (_invocation.Command.Count == 0) return null;
        try { return CommandRunner.Start(_invocation.Command, stop); }
        catch (UserError)
        {
            forwarder.Ask(new ForwarderRequest { Operation = ForwarderOperation.Close });
            throw;
        }
    }

    private void Announce(OpenedTunnel tunnel)
    {
        string address = string.Join(',', new[] { tunnel.Config.AddressV4, tunnel.Config.AddressV6 }.Where(a => a is not null));
        if (!_invocation.Quiet || Background.IsChild)
            Console.Error.WriteLine($"pvpn: connected to {_gatewayName} as {_user}, address {address}, routes {Routes(tunnel)}");
    }

    private static string Routes(OpenedTunnel tunnel) => string.Join(' ', tunnel.Routes);

    private void Say(string text)
    {
        if (!_invocation.Quiet) Console.Error.WriteLine("pvpn: " + StderrLoggerProvider.OneLine(text));
    }

    private void Verbose(string text)
    {
        if (_invocation.Verbosity > 0) Console.Error.WriteLine("pvpn: debug: " + StderrLoggerProvider.OneLine(text));
    }
}
