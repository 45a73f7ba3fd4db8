using System.Diagnostics;
using System.Net;
using System.Reflection;
using System.Security.Cryptography;
using PersonalVpn.Server.Resume;
using PersonalVpn.Tunnel.Diagnostics;
using PersonalVpn.Tunnel.Protocol;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Server.Sessions;

/// <summary>Who logged in, what the key allows, and the lease, which is this connection's now.</summary>
/// <param name="User">User name.</param>
/// <param name="Key">The line of authorized_keys.</param>
/// <param name="Lease">A new one, or that of the session which is resumed.</param>
/// <param name="Resumed">True when it was by a ticket.</param>
internal sealed record LoggedIn(string User, AuthorizedKey Key, Lease Lease, bool Resumed);

/// <summary>
/// The server's half of user authentication: one HELLO, then AUTH or RESUME after another until one is good or the tries are used up,
/// then TICKET. The client learns yes or no; the log learns why.
/// </summary>
internal static class Login
{
    private static readonly string Software = "pvpn-server/" + (Assembly.GetExecutingAssembly().GetName().Version?.ToString(3) ?? "0");

    /// <summary>Runs it, or ends the connection with a reason.</summary>
    /// <exception cref="SessionRefusedException">The client is to be told why.</exception>
    public static async Task<LoggedIn> RunAsync(ControlChannel control, ServerContext server, long connection, IPAddress peer,
        Action<string, string> refused, CancellationToken cancel)
    {
        (_, byte[] body) = await control.ReceiveAsync(FrameType.Hello, cancel).ConfigureAwait(false);
        HelloMessage hello = HelloMessage.Decode(body);
        if (hello.MinVersion > ProtocolConstants.Version || hello.MaxVersion < ProtocolConstants.Version)
            throw new SessionRefusedException(CloseReason.Version, $"this server speaks protocol version {ProtocolConstants.Version}, the client {hello.MinVersion} to {hello.MaxVersion}; upgrade the older one");
        byte[] serverNonce = RandomNumberGenerator.GetBytes(ProtocolConstants.NonceSize);
        await control.SendAsync(new HelloReplyMessage(ProtocolConstants.Version, serverNonce, Software, server.Banner).Encode(), cancel).ConfigureAwait(false);

        var challenge = new AuthChallenge((byte)ProtocolConstants.Version, serverNonce, hello.Nonce, server.HostKey.CertificateHash);
        for (int left = ProtocolConstants.MaxAuthTries - 1; left >= 0; left--)
        {
            (FrameType type, body) = await control.ReceiveAsync(FrameType.Auth, cancel, FrameType.Resume).ConfigureAwait(false);
            long start = Stopwatch.GetTimestamp();
            (LoggedIn? who, string refusal) = type == FrameType.Auth
                ? ByKey(server, AuthMessage.Decode(body), hello.User, challenge, peer, connection)
                : ByTicket(server, ResumeMessage.Decode(body), hello.User, challenge, peer, connection);
            if (who is null) await UserAuthenticator.HoldBackAsync(start, cancel).ConfigureAwait(false);
            try
            {
                await control.SendAsync(new AuthResultMessage(who is not null, (byte)left).Encode(), cancel).ConfigureAwait(false);
            }
            catch when (who is not null)
            {
                // Nobody but this knows of the lease yet: it would be this connection's, with its addresses, for as long as the server runs.
                server.Registry.Abandon(who.Lease, connection, over: !who.Resumed);
                throw;
            }
            if (who is not null) return who;
            refused(StderrLoggerProvider.OneLine(hello.User), refusal);
        }
        throw new SessionRefusedException(CloseReason.AuthenticationFailed, "too many authentication failures");
    }

    private static (LoggedIn? Who, string Refusal) ByKey(ServerContext server, AuthMessage auth, string user, AuthChallenge challenge, IPAddress peer, long connection)
    {
        PublicKey.TryParseBlob(auth.KeyBlob, out PublicKey? key, out _);
        AuthDecision decision = server.Authenticator.Decide(user, key, auth.Algorithm, auth.Signature, challenge, peer, DateTimeOffset.UtcNow);
        return decision is { Allowed: true, Key: { } entry }
            ? (new LoggedIn(user, entry, server.Registry.Begin(user, entry.PublicKey, connection), Resumed: false), "")
            : (null, $"{decision.Refusal}: {decision.LogDetail}{(key is null || decision.LogDetail.Contains(key.Fingerprint, StringComparison.Ordinal) ? "" : $" (key {key.Fingerprint})")}");
    }

    private static (LoggedIn? Who, string Refusal) ByTicket(ServerContext server, ResumeMessage resume, string user, AuthChallenge challenge, IPAddress peer, long connection)
    {
        var attempt = new ResumeAttempt(user, resume, secret => ResumptionTicket.Prove(secret, challenge.ProtocolVersion,
            challenge.ServerNonce.Span, challenge.ClientNonce.Span, challenge.ServerCertificateHash.Span, user));
        if (server.Registry.Redeem(attempt, out string refusal) is not { } lease) return (null, $"ticket refused: {refusal}");
        // What the key may do is what its line says now.
        AuthDecision decision = server.Authenticator.Recheck(user, lease.Key, peer, DateTimeOffset.UtcNow);
        if (decision is not { Allowed: true, Key: { } entry }) return (null, $"ticket refused: key no longer good: {decision.Refusal}: {decision.LogDetail}");
        return server.Registry.TakeOver(lease, connection) ? (new LoggedIn(user, entry, lease, Resumed: true), "") : (null, "ticket refused: expired");
    }
}
