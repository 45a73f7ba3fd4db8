namespace PersonalVpn.UserAuth;

/// <summary>Why a login was refused: for the server's log, never for the peer.</summary>
public enum AuthRefusal
{
    /// <summary>It was not refused.</summary>
    None,

    /// <summary>The user name is one that can never exist.</summary>
    InvalidUserName,

    /// <summary>There is no authorized_keys file of that user (or no account, where the path needs its home).</summary>
    NoSuchUser,

    /// <summary>The authorized_keys file or its directory is not to be trusted, or cannot be read.</summary>
    UnusableFile,

    /// <summary>No key was offered that can be verified here.</summary>
    UnusableKey,

    /// <summary>The key is not listed.</summary>
    NoSuchKey,

    /// <summary>The key stands only on a line that cannot be used.</summary>
    UnusableLine,

    /// <summary>The key's expiry-time is over.</summary>
    Expired,

    /// <summary>The key may not be used from the peer's address.</summary>
    FromMismatch,

    /// <summary>The signature does not prove possession of the key on this connection.</summary>
    BadSignature,
}

/// <summary>The outcome of one login attempt.</summary>
/// <param name="Refusal">Why it was refused, for the log; None when it was allowed.</param>
/// <param name="LogDetail">One line for the log: file, line number and reason.</param>
/// <param name="Key">The line that allowed the login, with the options to enforce; null when refused.</param>
public sealed record AuthDecision(AuthRefusal Refusal, string LogDetail, AuthorizedKey? Key)
{
    /// <summary>The one answer the peer gets for every refusal.</summary>
    public const string PublicAnswer = "denied";

    /// <summary>Whether the user is who they say.</summary>
    public bool Allowed => Refusal == AuthRefusal.None && Key is not null;

    internal static AuthDecision Deny(AuthRefusal refusal, string detail) => new(refusal, detail, null);
}
