using PersonalVpn.Cli.Local;
using PersonalVpn.Cli.Terminal;
using PersonalVpn.Tunnel.Local;

namespace PersonalVpn.Cli.Session;

/// <summary>A tunnel that stands: keeps it until the command or the user ends it, or it is lost, and says which.</summary>
/// <param name="forwarder">Holds the tunnel.</param>
/// <param name="gateway">Its name, for messages.</param>
/// <param name="routes">What it carries, for messages.</param>
/// <param name="messages">Where to say what happens.</param>
internal sealed class TunnelKeeper(ForwarderClient forwarder, string gateway, string routes, Messages messages)
{
    private static readonly TimeSpan LastWord = TimeSpan.FromMilliseconds(500);

    /// <summary>Keeps it. Returns the exit code.</summary>
    /// <param name="pump">Carries the packets; started.</param>
    /// <param name="keepAlive">Watches over the server.</param>
    /// <param name="start">Starts the command, or null.</param>
    /// <param name="stop">The user's wish.</param>
    public int Keep(PacketPump pump, KeepAlive keepAlive, Func<CommandRunner>? start, StopSignals stop)
    {
        using var watch = new ForwarderWatch(forwarder);
        // A signal that came just before means the tunnel, and the command with it.
        using CommandRunner? command = start is null || stop.Requested is not null ? null : Start(start);

        Task<int> finished = command?.Exited ?? new TaskCompletionSource<int>().Task;
        Task signalled = command is null ? stop.Signalled : new TaskCompletionSource().Task;
        // What came first decides; of several at once, the loss: a signal that comes after the connection broke opens nothing.
        bool lost = Task.WaitAny(pump.Ended, watch.Ended, finished, signalled) <= 1;

        // pvpnd sends its last word before it closes the channel, but another thread reads it.
        if (watch.Ended.IsCompleted || (lost && pump.Ended.Result.ByForwarder && watch.Ended.Wait(LastWord)))
        {
            command?.HangUp();
            if (!watch.Ended.Result)
                throw new UserError($"the forwarder died: your packets to {routes} stay blocked; restart pvpnd, then run pvpn again or 'pvpn down'");
            messages.Say($"the tunnel to {gateway} was taken down; your packets to {routes} go the ordinary way again");
            return command is null ? ExitCodes.Success : ExitCodes.Failure;
        }
        if (lost)
        {
            command?.HangUp();
            throw new UserError($"the connection to {gateway} was lost: {keepAlive.Reason ?? pump.Ended.Result.Reason}; your packets to {routes} stay blocked until you " +
                $"run pvpn again or let them go in the clear with 'pvpn down {gateway}'");
        }
        Close();
        pump.SendClose("the user ended the tunnel");
        return command is not null ? finished.Result : start is not null ? 128 + stop.Requested!.Value : ExitCodes.Success;
    }

    // A command that cannot be started ends the tunnel: cleanly, nothing stays blocked.
    private CommandRunner Start(Func<CommandRunner> start)
    {
        try { return start(); }
        catch (UserError)
        {
            Close();
            throw;
        }
    }

    private void Close() => forwarder.Ask(new ForwarderRequest { Operation = ForwarderOperation.Close });
}
