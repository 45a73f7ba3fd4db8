using System.Net;
using System.Reflection;
using System.Security.Cryptography;
using PersonalVpn.Tunnel.Diagnostics;
using PersonalVpn.Tunnel.Protocol;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Server.Sessions;

/// <summary>Who logged in, and what the key allows.</summary>
internal sealed record LoggedIn(string User, AuthorizedKey Key);

/// <summary>
/// The server's half of user authentication: one HELLO, then AUTH after AUTH until one is good or the tries are used up. The client
/// learns yes or no; the log learns why.
/// </summary>
internal static class Login
{
    private static readonly string Software = "pvpn-server/" + (Assembly.GetExecutingAssembly().GetName().Version?.ToString(3) ?? "0");

    /// <summary>Runs it, or ends the connection with a reason.</summary>
    /// <exception cref="SessionRefusedException">The client is to be told why.</exception>
    public static async Task<LoggedIn> RunAsync(ControlChannel control, UserAuthenticator authenticator, byte[] certificateHash, string banner, IPAddress peer,
        Action<string, string> refused, CancellationToken cancel)
    {
        (_, byte[] body) = await control.ReceiveAsync(FrameType.Hello, cancel).ConfigureAwait(false);
        HelloMessage hello = HelloMessage.Decode(body);
        if (hello.MinVersion > ProtocolConstants.Version || hello.MaxVersion < ProtocolConstants.Version)
            throw new SessionRefusedException(CloseReason.Version, $"this server speaks protocol version {ProtocolConstants.Version}, the client {hello.MinVersion} to {hello.MaxVersion}; upgrade the older one");
        byte[] serverNonce = RandomNumberGenerator.GetBytes(ProtocolConstants.NonceSize);
        await control.SendAsync(new HelloReplyMessage(ProtocolConstants.Version, serverNonce, Software, banner).Encode(), cancel).ConfigureAwait(false);

        var challenge = new AuthChallenge((byte)ProtocolConstants.Version, serverNonce, hello.Nonce, certificateHash);
        for (int left = ProtocolConstants.MaxAuthTries - 1; left >= 0; left--)
        {
            (_, body) = await control.ReceiveAsync(FrameType.Auth, cancel).ConfigureAwait(false);
            AuthMessage auth = AuthMessage.Decode(body);
            PublicKey.TryParseBlob(auth.KeyBlob, out PublicKey? key, out _);
            AuthDecision decision = await authenticator.DecideAsync(hello.User, key, auth.Algorithm, auth.Signature, challenge, peer, DateTimeOffset.UtcNow, cancel).ConfigureAwait(false);
            await control.SendAsync(new AuthResultMessage(decision.Allowed, (byte)left).Encode(), cancel).ConfigureAwait(false);
            if (decision is { Allowed: true, Key: { } entry }) return new LoggedIn(hello.User, entry);
            refused(StderrLoggerProvider.OneLine(hello.User), $"{decision.Refusal}: {decision.LogDetail}{(key is null || decision.LogDetail.Contains(key.Fingerprint, StringComparison.Ordinal) ? "" : $" (key {key.Fingerprint})")}");
        }
        throw new SessionRefusedException(CloseReason.AuthenticationFailed, "too many authentication failures");
    }
}
