using System.Security.Cryptography;
using PersonalVpn.Server.Relay;
using PersonalVpn.Server.Sessions;
using PersonalVpn.Tunnel.Protocol;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Server.Register;

/// <summary>The connection in which a registered server takes one caller; its own task ends it once <see cref="Ended"/> is.</summary>
/// <param name="End">The connection.</param>
/// <param name="Peer">Where it comes from, for the log.</param>
internal sealed record Callee(RelayEnd End, string Peer)
{
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes when the caller's relay is over.</summary>
    public Task Ended => _ended.Task;

    public void Finish() => _ended.TrySetResult();
}

/// <summary>
/// At a gateway: the servers behind firewalls that can be reached through it, by name, and the calls to them that are under way:
/// <code>
/// user ── RELAY name ──►  gateway  ── INCOMING token ──►  server        on the connection that registered
///                            ◄────── ACCEPT token ──────                on one of its own, after a login
/// user ◄── RELAYED ────      └─────── RELAYED ─────────►                from here on the gateway moves bytes between the two
/// </code>
/// A token is good once, for <see cref="AnswerTime"/>, for the user and key that registered the name. Any thread.
/// </summary>
internal sealed class Registrations
{
    public static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Holder> _byName = [];
    private readonly Dictionary<string, Call> _calls = [];

    /// <summary>The session of the same user that has the name which this one wants; null when nobody has it.</summary>
    /// <exception cref="SessionRefusedException">Another user has it.</exception>
    public Session? HeldBy(Session session)
    {
        lock (_gate)
        {
            Session? now = _byName.GetValueOrDefault(session.Registers!)?.Session;
            return now is null || now.User == session.User ? now
                : throw new SessionRefusedException(CloseReason.NotPermitted, $"the name '{session.Registers}' is registered by another user of this gateway; choose another, or ask its administrator");
        }
    }

    /// <summary>Gives a name to a session that has logged in. A session of the same user that has it loses it: its server was started anew.</summary>
    /// <param name="session">The session and its name.</param>
    /// <param name="key">The key it logged in with.</param>
    /// <param name="tell">Says so to the server; called before anybody can ask for the name.</param>
    /// <exception cref="SessionRefusedException">Another user has it.</exception>
    public void Add(Session session, PublicKey key, Action tell)
    {
        lock (_gate)
        {
            HeldBy(session);
            tell();
            _byName[session.Registers!] = new Holder(session, key);
        }
    }

    /// <summary>The name of a session that ended, if it has one, is nobody's.</summary>
    public void Remove(Session session)
    {
        lock (_gate)
        {
            if (session.Registers is { } name && _byName.TryGetValue(name, out Holder? holder) && holder.Session == session) _byName.Remove(name);
        }
    }

    /// <summary>Asks the server of a name for a connection and waits for it.</summary>
    /// <exception cref="SessionRefusedException">There is none of that name now, or it does not answer.</exception>
    public async Task<Callee> CallAsync(string name, CancellationToken cancel)
    {
        byte[] token = RandomNumberGenerator.GetBytes(ProtocolConstants.CallTokenSize);
        Call call;
        Holder holder;
        lock (_gate)
        {
            holder = _byName.GetValueOrDefault(name) ?? throw new SessionRefusedException(CloseReason.Unreachable, $"no server is registered as '{name}' at this gateway now; is it running? (Register in its server.conf)");
            call = _calls[Convert.ToHexString(token)] = new Call(holder, Environment.TickCount64 + (long)AnswerTime.TotalMilliseconds);
        }
        try
        {
            holder.Session.SendControl(CallMessage.Encode(FrameType.Incoming, token));
            return await call.Answer.Task.WaitAsync(AnswerTime, cancel).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            // It may have come at the very last moment: nobody will use it.
            if (!call.Answer.TrySetCanceled(CancellationToken.None) && call.Answer.Task.IsCompletedSuccessfully) (await call.Answer.Task.ConfigureAwait(false)).Finish();
            if (e is not TimeoutException) throw;
            throw new SessionRefusedException(CloseReason.Unreachable, $"the server '{name}' is registered at this gateway, but did not answer within {AnswerTime.TotalSeconds:0} s; its log says why");
        }
        finally
        {
            lock (_gate) _calls.Remove(Convert.ToHexString(token));
        }
    }

    /// <summary>Takes the call that a token stands for; whoever shows the token, it is used up.</summary>
    /// <param name="token">As the client sent it.</param>
    /// <param name="user">Who logged in.</param>
    /// <param name="key">With what key.</param>
    /// <returns>Where the answer goes.</returns>
    /// <exception cref="SessionRefusedException">No such call, or not this one's; the client is not told which.</exception>
    public TaskCompletionSource<Callee> Take(byte[] token, string user, PublicKey key)
    {
        lock (_gate)
        {
            bool known = _calls.Remove(Convert.ToHexString(token), out Call? call);
            return known && call!.Until > Environment.TickCount64 && call.Holder.Session.User == user && call.Holder.Key.Equals(key)
                ? call.Answer : throw new SessionRefusedException(CloseReason.NotPermitted, "there is no call for this token; it is good once, for ten seconds");
        }
    }

    private sealed record Holder(Session Session, PublicKey Key);

    private sealed record Call(Holder Holder, long Until)
    {
        public TaskCompletionSource<Callee> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
