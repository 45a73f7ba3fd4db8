using System.Security.Cryptography;

namespace PersonalVpn.UserAuth;

/// <summary>Which exceptions of the crypto library mean "these bytes are no usable key".</summary>
internal static class CryptoErrors
{
    /// <summary>
    /// Whether <paramref name="e"/> speaks of the data. An elliptic curve that the library does not know is a
    /// PlatformNotSupportedException, not a CryptographicException: a stranger's certificate can name any curve.
    /// </summary>
    public static bool IsBadKey(Exception e) => e is CryptographicException or PlatformNotSupportedException;
}
