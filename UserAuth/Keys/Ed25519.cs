namespace PersonalVpn.UserAuth;

/// <summary>Whether an Ed25519 signature over data was made by a key.</summary>
/// <param name="publicKey">32 bytes.</param>
/// <param name="data">What was signed.</param>
/// <param name="signature">64 bytes.</param>
public delegate bool Ed25519Verify(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature);

/// <summary>Signs with an Ed25519 key.</summary>
/// <param name="seed">The private key, 32 bytes.</param>
/// <param name="data">What to sign.</param>
/// <param name="signature">64 bytes to fill.</param>
public delegate bool Ed25519Sign(ReadOnlySpan<byte> seed, ReadOnlySpan<byte> data, Span<byte> signature);

/// <summary>The public key of an Ed25519 private key.</summary>
/// <param name="seed">The private key, 32 bytes.</param>
/// <param name="publicKey">32 bytes to fill.</param>
public delegate bool Ed25519Derive(ReadOnlySpan<byte> seed, Span<byte> publicKey);

/// <summary>
/// Ed25519 (RFC 8032, RFC 8709). The class library has none, and this project holds no native calls: each program says once at
/// its start what computes it. Until then, or where that is missing, Ed25519 keys are refused like any unknown type.
/// </summary>
public static class Ed25519
{
    /// <summary>Length of a public key, and of the seed that is the private key, in bytes.</summary>
    public const int KeyBytes = 32;

    /// <summary>Length of a signature in bytes.</summary>
    public const int SignatureBytes = 64;

    private static Implementation? s_implementation;

    /// <summary>Whether Ed25519 can be computed here. Asked first when the first such key comes: what it loads is not needed before.</summary>
    public static bool IsAvailable => s_implementation is { Available.Value: true };

    /// <summary>Says what computes Ed25519.</summary>
    /// <param name="isAvailable">Whether the rest works on this machine; called once at most.</param>
    /// <param name="verify">Verifies.</param>
    /// <param name="sign">Signs.</param>
    /// <param name="derive">Derives public keys.</param>
    public static void Use(Func<bool> isAvailable, Ed25519Verify verify, Ed25519Sign sign, Ed25519Derive derive) =>
        s_implementation = new Implementation(new Lazy<bool>(isAvailable), verify, sign, derive);

    internal static bool Verify(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature) =>
        IsAvailable && s_implementation!.Verify(publicKey, data, signature);

    internal static bool TrySign(ReadOnlySpan<byte> seed, ReadOnlySpan<byte> data, Span<byte> signature) =>
        IsAvailable && s_implementation!.Sign(seed, data, signature);

    internal static bool TryGetPublicKey(ReadOnlySpan<byte> seed, Span<byte> publicKey) =>
        IsAvailable && s_implementation!.Derive(seed, publicKey);

    private sealed record Implementation(Lazy<bool> Available, Ed25519Verify Verify, Ed25519Sign Sign, Ed25519Derive Derive);
}
