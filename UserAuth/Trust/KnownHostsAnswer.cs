namespace PersonalVpn.UserAuth;

/// <summary>What known_hosts says about a server's key.</summary>
public enum KnownHostsVerdict
{
    /// <summary>The server is known with this key.</summary>
    Match,

    /// <summary>The server is not known.</summary>
    Unknown,

    /// <summary>The server is known with another key: it was changed, or somebody is in between.</summary>
    Changed,

    /// <summary>The key stands on a <c>@revoked</c> line: never accept it.</summary>
    Revoked,

    /// <summary>A file exists but cannot be read: nothing is known, and nothing may be assumed.</summary>
    Unreadable,
}

/// <summary>The answer of <see cref="KnownHosts.Check"/>.</summary>
/// <param name="Verdict">The answer.</param>
/// <param name="File">File that decided, or null.</param>
/// <param name="Line">Line in it, from 1, or 0.</param>
/// <param name="OldFingerprint">With Changed: fingerprint of the key that stands there, or that it cannot be read.</param>
/// <param name="Error">With Unreadable: one line that says why.</param>
public sealed record KnownHostsAnswer(KnownHostsVerdict Verdict, string? File, int Line, string? OldFingerprint, string? Error);
