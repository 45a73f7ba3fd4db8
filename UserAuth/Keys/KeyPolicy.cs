namespace PersonalVpn.UserAuth;

/// <summary>Which keys are good enough to prove who somebody is, and how large anything a stranger sends may be.</summary>
public static class KeyPolicy
{
    /// <summary>Smallest RSA modulus accepted, in bits. Smaller keys are refused wherever a key is read.</summary>
    public const int MinimumRsaBits = 2048;

    /// <summary>Largest RSA modulus accepted, in bits: bounds the work one verification may cost.</summary>
    public const int MaximumRsaBits = 16384;

    /// <summary>Largest RSA public exponent accepted, in bits (a huge exponent makes verification slow at will).</summary>
    public const int MaximumRsaExponentBits = 64;

    /// <summary>Largest public key blob accepted, in bytes.</summary>
    public const int MaximumBlobBytes = 8 * 1024;

    /// <summary>Largest signature accepted, in bytes.</summary>
    public const int MaximumSignatureBytes = 4 * 1024;

    /// <summary>Whether signatures of this key type can be verified and made here.</summary>
    /// <param name="algorithm">Key type as written in a public key line, for example <c>ssh-rsa</c>.</param>
    public static bool IsSupported(string algorithm) => algorithm is KeyTypes.Rsa
        or KeyTypes.EcdsaP256 or KeyTypes.EcdsaP384 or KeyTypes.EcdsaP521
        || (algorithm == KeyTypes.Ed25519 && Ed25519.IsAvailable);

    /// <summary>One line that says why a key type cannot be used and what to use instead.</summary>
    /// <param name="algorithm">Key type as written in a public key line.</param>
    public static string UnsupportedMessage(string algorithm) => algorithm == KeyTypes.Ed25519
        ? "ssh-ed25519 keys need OpenSSL 3, and libcrypto.so.3 is missing here (or has no Ed25519): apt install libssl3, or use an RSA or ECDSA key"
        : $"key type '{Printable(algorithm)}' is not supported; use an RSA, ECDSA or Ed25519 key: ssh-keygen -t rsa -b 3072";

    /// <summary>A stranger's text made fit for one line of a log: control characters replaced, length bounded.</summary>
    internal static string Printable(string text, int maximum = 64)
    {
        ReadOnlySpan<char> span = text.AsSpan(0, Math.Min(text.Length, maximum));
        return string.Create(span.Length, text, static (target, source) =>
        {
            for (int i = 0; i < target.Length; i++)
            {
                target[i] = source[i] is >= ' ' and <= '~' ? source[i] : '?';
            }
        });
    }
}
