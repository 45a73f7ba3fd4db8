using PersonalVpn.Cli.Config;
using PersonalVpn.Cli.Local;
using PersonalVpn.Cli.Terminal;
using PersonalVpn.Tunnel.Protocol;

namespace PersonalVpn.Cli.Connect;

/// <summary>Logged in at the last gateway of a chain; its tunnel is not open yet.</summary>
/// <param name="Chain">The gateways passed, the last one included.</param>
/// <param name="Connection">To the last one. The receiver's to dispose.</param>
/// <param name="Login">For what is said to it next.</param>
internal sealed record Arrival(IReadOnlyList<Hop> Chain, GatewayConnection Connection, HopLogin Login)
{
    public Hop Last => Chain[^1];
}

/// <summary>
/// The way to the last gateway, from one to the next, as often as it is asked for. Of several ways the first that works is taken, and
/// next time tried first.
/// </summary>
/// <param name="chains">The ways in the order in which they are tried; at least one.</param>
/// <param name="memory">What is remembered from one time to the next.</param>
/// <param name="messages">For steps and details.</param>
internal sealed class ChainConnector(IReadOnlyList<IReadOnlyList<Hop>> chains, LoginMemory memory, Messages messages)
{
    private volatile GatewayConnection? _current;
    private volatile bool _aborted;
    private int _first;

    /// <summary>Connects, and does what is to be done there. Each way is tried once.</summary>
    /// <param name="forwarder">Marks the socket; not kept.</param>
    /// <param name="then">The first thing asked of the last gateway; its refusal is the way's.</param>
    /// <exception cref="UserError">There is no way, or somebody said no: then the other ways are not tried.</exception>
    public (Arrival Arrival, T Result) Connect<T>(ForwarderClient forwarder, Func<Arrival, T> then)
    {
        UserError? failure = null;
        string? unreached = null;
        for (int i = 0; i < chains.Count; i++)
        {
            int index = (_first + i) % chains.Count;
            IReadOnlyList<Hop> chain = chains[index];
            // Where the first gateway was not even reached, ways that begin there need not be tried.
            if (chain[0].Place == unreached) continue;
            if (failure is not null) messages.Verbose($"{failure.Message}; trying {string.Join(" > ", chain.Select(h => h.Place))}");
            bool reached = false;
            try
            {
                Arrival arrival = Connect(chain, forwarder, ref reached);
                try
                {
                    T result = then(arrival);
                    _first = index;
                    return (arrival, result);
                }
                catch
                {
                    arrival.Connection.Dispose();
                    throw;
                }
            }
            catch (UserError e) when (e.MayPass && !_aborted)
            {
                failure = e;
                if (!reached) unreached = chain[0].Place;
            }
        }
        throw failure!;
    }

    /// <summary>Ends a <see cref="Connect{T}"/> that is under way, and every later one; any thread.</summary>
    public void Abort()
    {
        _aborted = true;
        if (_current is { } current) GatewayConnection.Shut(current.Socket);
    }

    private Arrival Connect(IReadOnlyList<Hop> chain, ForwarderClient forwarder, ref bool reached)
    {
        Hop first = chain[0];
        GatewayConnection? connection = null;
        try
        {
            using (messages.Step($"connecting to {first.Name}{(chains.Count > 1 ? $" ({first.Place})" : "")}"))
                connection = Passing(() => GatewayConnection.Open(first, forwarder, messages.Verbose));
            reached = true;
            for (int i = 0; ; i++)
            {
                _current = connection;
                if (_aborted) throw new UserError("given up");
                GatewayConnection here = connection;
                var login = new HopLogin(chain[i], here, memory, messages);
                login.Run();
                if (i == chain.Count - 1)
                {
                    Arrival arrival = new(chain, here, login);
                    connection = null;
                    return arrival;
                }
                Hop next = chain[i + 1];
                connection = login.Then($"connecting to {next.Name} through {chain[i].Name}", () => here.ThroughAsync(next.Host, next.Port, CancellationToken.None));
            }
        }
        finally
        {
            connection?.Dispose();
        }
    }

    // Nobody has said no yet: there is no way, or no server.
    private static T Passing<T>(Func<T> step)
    {
        try { return step(); }
        catch (UserError e) { throw e.Passing(); }
    }

    /// <summary>Would a gateway that ended a connection for this reason say the same again?</summary>
    public static bool IsFinal(CloseReason reason) => reason is not
        (CloseReason.ShuttingDown or CloseReason.Timeout or CloseReason.Unreachable or CloseReason.TooManySessions or CloseReason.NoAddress or CloseReason.InternalError);
}
