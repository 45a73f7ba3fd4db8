using PersonalVpn.Cli.Config;
using PersonalVpn.Cli.Terminal;
using PersonalVpn.Tunnel.Protocol;

namespace PersonalVpn.Cli.Connect;

/// <summary>
/// What is done at one gateway of a chain, in its words when it fails: trust, login, then the way on. The waits are bounded by
/// ConnectTimeout: past it the socket is shut.
/// </summary>
internal sealed class HopLogin(Hop hop, GatewayConnection connection, LoginMemory memory, Messages messages)
{
    private bool _silent;

    /// <summary>Judges the server's key and logs in.</summary>
    /// <exception cref="UserError">The server is not to be trusted, refuses, or was lost.</exception>
    public void Run()
    {
        ServerTrust.Check(hop, connection.Certificate, memory, messages.Say);
        var identities = new Identities(hop.Config, Program.Home, ask: !memory.Unattended, messages.Say, messages.Verbose);
        Guard(() => new UserLogin(connection.Control, hop, memory, messages).RunAsync(connection.Certificate.Der, identities,
            () => Limit($"logging in to {hop.Name} as {hop.User}"), CancellationToken.None));
    }

    /// <summary>After <see cref="Run"/>: one more exchange with this gateway, shown as a step.</summary>
    /// <exception cref="UserError">The server refuses, or was lost.</exception>
    public T Then<T>(string step, Func<Task<T>> exchange)
    {
        T result = default!;
        Guard(async () =>
        {
            using ServerWait limit = Limit(step);
            result = await exchange().ConfigureAwait(false);
        });
        return result;
    }

    private ServerWait Limit(string step) => new(messages.Step(step), hop.Config.ConnectTimeout, () =>
    {
        _silent = true;
        connection.Socket.Shutdown();
    });

    private void Guard(Func<Task> action)
    {
        try
        {
            action().GetAwaiter().GetResult();
        }
        catch (PeerClosedException e)
        {
            throw new UserError($"{hop.User}@{hop.Name}: refused by the server: {e.Message}") { MayPass = !ChainConnector.IsFinal(e.Reason) };
        }
        catch (ProtocolException e)
        {
            throw new UserError($"{hop.Name} broke the protocol: {e.Message}; is it a pvpn-server of a fitting version?");
        }
        catch (Exception e) when (_silent && e is IOException or UserError)
        {
            throw new UserError($"{hop.Name} did not answer during login within {hop.Config.ConnectTimeout.TotalSeconds:0} s (ConnectTimeout); is it a pvpn-server, and not overloaded?") { MayPass = true };
        }
        catch (EndOfStreamException)
        {
            throw new UserError($"{hop.Name} closed the connection during login; its log says why") { MayPass = true };
        }
        catch (IOException e)
        {
            throw new UserError($"the connection to {hop.Name} was lost during login: {(e.InnerException ?? e).Message}; try again") { MayPass = true };
        }
    }
}
