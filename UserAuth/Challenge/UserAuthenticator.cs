using System.Diagnostics;
using System.Net;
using System.Text;

namespace PersonalVpn.UserAuth;

/// <summary>
/// The server's decision whether a connection is the user it says. It looks up the user's authorized_keys file, and
/// verifies the signature over the challenge with the server's own values. The peer learns nothing but "denied": the
/// cause is in <see cref="AuthDecision.Refusal"/>, and the work is the same whatever the cause is.
/// </summary>
/// <remarks>
/// In order: (1) the signature is verified, always exactly once, with the offered key or, where there is none to verify
/// with, a stand-in; (2) the file is read, also after a bad signature; (3) the first cause in the order name, user,
/// file, key, line, expiry, from, signature is what the log gets. Safe to call from several threads.
/// </remarks>
public sealed class UserAuthenticator
{
    private static readonly PublicKey StandIn = CreateStandIn();
    private readonly string _pattern;
    private readonly bool _needsHome;
    private readonly Func<string, UserAccount?> _findAccount;
    private readonly bool _strictModes;

    /// <summary>An authenticator over files named by a pattern.</summary>
    /// <param name="authorizedKeysPattern">Absolute path with <c>%u</c> user name, <c>%h</c> home directory, <c>%%</c> percent.</param>
    /// <param name="findAccount">Finds a user's account for <c>%h</c>; null: the system's account database.</param>
    /// <param name="strictModes">Whether files that others could have written are refused (sshd's StrictModes).</param>
    /// <exception cref="ArgumentException">The pattern is not valid; the message says why.</exception>
    public UserAuthenticator(string authorizedKeysPattern, Func<string, UserAccount?>? findAccount = null, bool strictModes = true)
    {
        if (!TryValidatePattern(authorizedKeysPattern, out string error))
        {
            throw new ArgumentException(error, nameof(authorizedKeysPattern));
        }
        _pattern = authorizedKeysPattern;
        _needsHome = authorizedKeysPattern.Replace("%%", "", StringComparison.Ordinal).Contains("%h", StringComparison.Ordinal);
        _findAccount = findAccount ?? UserAccount.Find;
        _strictModes = strictModes;
    }

    /// <summary>Refusals leave no earlier than this after the attempt began, by <see cref="DecideAsync"/>.</summary>
    public static TimeSpan MinimumAnswerTime { get; } = TimeSpan.FromMilliseconds(50);

    /// <summary>Whether a pattern can be used, for the check of a configuration file.</summary>
    /// <param name="pattern">Value of AuthorizedKeysFile.</param>
    /// <param name="error">One line that says what is wrong.</param>
    public static bool TryValidatePattern(string? pattern, out string error)
    {
        if (string.IsNullOrEmpty(pattern) || !(pattern[0] == '/' || pattern.StartsWith("%h/", StringComparison.Ordinal)))
        {
            error = "AuthorizedKeysFile must be an absolute path (or begin with %h/)";
            return false;
        }
        for (int i = 0; i < pattern.Length; i++)
        {
            if (pattern[i] == '%' && (++i == pattern.Length || pattern[i] is not ('u' or 'h' or '%')))
            {
                error = "AuthorizedKeysFile: only %u (user), %h (home directory) and %% are known";
                return false;
            }
        }
        error = "";
        return true;
    }

    /// <summary>Decides; see the remarks of the type.</summary>
    /// <param name="user">User name as the peer sent it.</param>
    /// <param name="offered">The key the peer offers; null when it sent none that can be read.</param>
    /// <param name="signatureAlgorithm">Algorithm the peer says it signed with.</param>
    /// <param name="signature">The signature.</param>
    /// <param name="challenge">This connection's challenge, from the server's own values.</param>
    /// <param name="peer">Where the connection comes from.</param>
    /// <param name="now">The present.</param>
    public AuthDecision Decide(
        string user, PublicKey? offered, string signatureAlgorithm, ReadOnlySpan<byte> signature,
        AuthChallenge challenge, IPAddress peer, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(challenge);
        ArgumentNullException.ThrowIfNull(peer);
        bool nameValid = UserName.IsValid(user, out string nameError);
        PublicKey? key = offered is { CanVerify: true } ? offered : null;
        PublicKey worker = key ?? StandIn;
        bool proven = worker.Verify(
            key is null ? KeyTypes.RsaSha512 : signatureAlgorithm, challenge.SignedData(nameValid ? user : "nobody", worker), signature);
        AuthDecision decision = Look(nameValid ? user : null, nameError, key, peer, now);
        if (decision.Allowed && !(proven && key is not null))
        {
            return AuthDecision.Deny(AuthRefusal.BadSignature, $"signature of key {worker.Fingerprint} does not verify");
        }
        return decision;
    }

    /// <summary>
    /// <see cref="Decide"/>, with every refusal held back until <see cref="MinimumAnswerTime"/> after the start (or the next
    /// multiple of it), so that the time a file took to read tells nothing.
    /// </summary>
    /// <param name="user">User name as the peer sent it.</param>
    /// <param name="offered">The key the peer offers, or null.</param>
    /// <param name="signatureAlgorithm">Algorithm the peer says it signed with.</param>
    /// <param name="signature">The signature.</param>
    /// <param name="challenge">This connection's challenge.</param>
    /// <param name="peer">Where the connection comes from.</param>
    /// <param name="now">The present.</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    public async Task<AuthDecision> DecideAsync(
        string user, PublicKey? offered, string signatureAlgorithm, ReadOnlyMemory<byte> signature,
        AuthChallenge challenge, IPAddress peer, DateTimeOffset now, CancellationToken cancellationToken = default)
    {
        long start = Stopwatch.GetTimestamp();
        AuthDecision decision = Decide(user, offered, signatureAlgorithm, signature.Span, challenge, peer, now);
        if (!decision.Allowed) await HoldBackAsync(start, cancellationToken).ConfigureAwait(false);
        return decision;
    }

    /// <summary>Waits for the next multiple of <see cref="MinimumAnswerTime"/> after the start of an attempt.</summary>
    /// <param name="start">Stopwatch timestamp of the attempt's start.</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    public static async Task HoldBackAsync(long start, CancellationToken cancellationToken = default)
    {
        long step = MinimumAnswerTime.Ticks;
        long steps = (Stopwatch.GetElapsedTime(start).Ticks / step) + 1;
        // Task.Delay counts whole milliseconds and may end early by a part of one.
        while (Stopwatch.GetElapsedTime(start).Ticks is var passed && passed < steps * step)
        {
            TimeSpan rest = TimeSpan.FromTicks((steps * step) - passed) + TimeSpan.FromMilliseconds(1);
            await Task.Delay(rest, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Whether a key that has proven itself before would be let in now: is it still listed, not expired, allowed from there?</summary>
    /// <param name="user">User name it logged in as.</param>
    /// <param name="key">The key.</param>
    /// <param name="peer">Where the connection comes from.</param>
    /// <param name="now">The present.</param>
    public AuthDecision Recheck(string user, PublicKey key, IPAddress peer, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(peer);
        return Look(UserName.IsValid(user, out string nameError) ? user : null, nameError, key, peer, now);
    }

    private AuthDecision Look(string? user, string nameError, PublicKey? key, IPAddress peer, DateTimeOffset now)
    {
        if (user is null)
        {
            return AuthDecision.Deny(AuthRefusal.InvalidUserName, nameError);
        }
        UserAccount? account = _needsHome ? _findAccount(user) : null;
        if (_needsHome && account is null)
        {
            return AuthDecision.Deny(AuthRefusal.NoSuchUser, "no account of that name");
        }
        // A file in a home directory belongs to its user, as with sshd; any other to the server.
        uint trusted = account?.Uid ?? CheckedFile.CurrentUid;
        string path = Expand(user, account?.Home);
        if (!AuthorizedKeysFile.TryRead(path, trusted, account?.Home, _strictModes, out AuthorizedKeysFile file, out bool missing, out string error))
        {
            return AuthDecision.Deny(missing ? AuthRefusal.NoSuchUser : AuthRefusal.UnusableFile, error);
        }
        return key is null
            ? AuthDecision.Deny(AuthRefusal.UnusableKey, "no key was offered that can be verified")
            : LookIn(file, path, key, peer, now);
    }

    /// <summary>As sshd: the first line with the key that permits the login decides; else the last cause is told.</summary>
    private static AuthDecision LookIn(AuthorizedKeysFile file, string path, PublicKey key, IPAddress peer, DateTimeOffset now)
    {
        AuthDecision refusal = AuthDecision.Deny(AuthRefusal.NoSuchKey, $"key {key.Fingerprint} is not in '{path}'");
        foreach (UnusableLine line in file.UnusableLines)
        {
            if (key.Equals(line.PublicKey))
            {
                refusal = AuthDecision.Deny(AuthRefusal.UnusableLine, $"{path}:{line.LineNumber}: {line.Reason}");
            }
        }
        foreach (AuthorizedKey line in file.Keys)
        {
            if (!key.Equals(line.PublicKey))
            {
                continue;
            }
            if (line.Options.IsExpired(now))
            {
                refusal = AuthDecision.Deny(AuthRefusal.Expired, $"{path}:{line.LineNumber}: key expired at {line.Options.Expires:u}");
            }
            else if (!line.Options.AllowsPeer(peer))
            {
                refusal = AuthDecision.Deny(AuthRefusal.FromMismatch, $"{path}:{line.LineNumber}: not allowed from {peer}");
            }
            else
            {
                return new AuthDecision(AuthRefusal.None, $"{path}:{line.LineNumber}: key {key.Fingerprint}", line);
            }
        }
        return refusal;
    }

    private string Expand(string user, string? home)
    {
        var path = new StringBuilder();
        for (int i = 0; i < _pattern.Length; i++)
        {
            if (_pattern[i] != '%')
            {
                path.Append(_pattern[i]);
                continue;
            }
            _ = _pattern[++i] switch
            {
                'u' => path.Append(user),
                'h' => path.Append(home),
                _ => path.Append('%'),
            };
        }
        return path.ToString();
    }

    /// <summary>A modulus nobody has the factors of: it is only ever computed with, never believed.</summary>
    private static PublicKey CreateStandIn()
    {
        byte[] modulus = new byte[384];
        modulus.AsSpan().Fill(0xC5);
        byte[] blob = new SshWriter().Text(KeyTypes.Rsa).Mpint([1, 0, 1]).Mpint(modulus).ToArray();
        return PublicKey.TryParseBlob(blob, out PublicKey? key, out string error) ? key : throw new InvalidOperationException(error);
    }
}
