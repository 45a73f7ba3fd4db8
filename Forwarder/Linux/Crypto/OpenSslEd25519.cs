namespace PersonalVpn.Linux;

/// <summary>
/// Ed25519 (RFC 8032) by OpenSSL's libcrypto: the class library has none. Every method answers false, and none throws, for
/// bytes that OpenSSL refuses and on a machine without libcrypto.so.3.
/// </summary>
public static unsafe class OpenSslEd25519
{
    /// <summary>NID_ED25519 of openssl/obj_mac.h, which EVP_PKEY_ED25519 is.</summary>
    private const int TypeEd25519 = 1087;

    private const int KeyBytes = 32;
    private const int SignatureBytes = 64;

    /// <summary>Whether this machine has the library and the library has Ed25519 (a FIPS-only one may not).</summary>
    public static bool IsAvailable()
    {
        Span<byte> publicKey = stackalloc byte[KeyBytes];
        return TryGetPublicKey(stackalloc byte[KeyBytes], publicKey);
    }

    /// <summary>Whether a signature over the data was made by the key.</summary>
    /// <param name="publicKey">32 bytes.</param>
    /// <param name="data">What was signed.</param>
    /// <param name="signature">64 bytes.</param>
    public static bool Verify(ReadOnlySpan<byte> publicKey, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature)
    {
        if (publicKey.Length != KeyBytes || signature.Length != SignatureBytes) return false;
        fixed (byte* k = publicKey, d = data, s = signature)
        {
            nint key = 0, context = 0;
            try
            {
                return (key = Native.PKeyFromPublic(TypeEd25519, 0, k, KeyBytes)) != 0 && (context = Native.DigestNew()) != 0 &&
                    Native.DigestVerifyInit(context, 0, 0, 0, key) == 1 &&
                    Native.DigestVerify(context, s, SignatureBytes, d, (nuint)data.Length) == 1;
            }
            catch (Exception e) when (IsMissing(e))
            {
                return false;
            }
            finally
            {
                Free(key, context);
            }
        }
    }

    /// <summary>Signs.</summary>
    /// <param name="seed">The private key, 32 bytes (RFC 8032 5.1.5).</param>
    /// <param name="data">What to sign.</param>
    /// <param name="signature">64 bytes to fill.</param>
    public static bool TrySign(ReadOnlySpan<byte> seed, ReadOnlySpan<byte> data, Span<byte> signature)
    {
        if (seed.Length != KeyBytes || signature.Length != SignatureBytes) return false;
        fixed (byte* k = seed, d = data, s = signature)
        {
            nint key = 0, context = 0;
            nuint written = SignatureBytes;
            try
            {
                return (key = Native.PKeyFromPrivate(TypeEd25519, 0, k, KeyBytes)) != 0 && (context = Native.DigestNew()) != 0 &&
                    Native.DigestSignInit(context, 0, 0, 0, key) == 1 &&
                    Native.DigestSign(context, s, &written, d, (nuint)data.Length) == 1 && written == SignatureBytes;
            }
            catch (Exception e) when (IsMissing(e))
            {
                return false;
            }
            finally
            {
                Free(key, context);
            }
        }
    }

    /// <summary>The public key that belongs to a private one.</summary>
    /// <param name="seed">The private key, 32 bytes.</param>
    /// <param name="publicKey">32 bytes to fill.</param>
    public static bool TryGetPublicKey(ReadOnlySpan<byte> seed, Span<byte> publicKey)
    {
        if (seed.Length != KeyBytes || publicKey.Length != KeyBytes) return false;
        fixed (byte* k = seed, p = publicKey)
        {
            nint key = 0;
            nuint written = KeyBytes;
            try
            {
                return (key = Native.PKeyFromPrivate(TypeEd25519, 0, k, KeyBytes)) != 0 &&
                    Native.PKeyGetPublic(key, p, &written) == 1 && written == KeyBytes;
            }
            catch (Exception e) when (IsMissing(e))
            {
                return false;
            }
            finally
            {
                Free(key, 0);
            }
        }
    }

    private static bool IsMissing(Exception e) => e is DllNotFoundException or EntryPointNotFoundException;

    // OpenSSL keeps a queue of errors for each thread; what is left in it would be taken for an error of the next TLS call.
    private static void Free(nint key, nint context)
    {
        try
        {
            if (context != 0) Native.DigestFree(context);
            if (key != 0) Native.PKeyFree(key);
            Native.ErrClear();
        }
        catch (Exception e) when (IsMissing(e))
        {
            // Without the library nothing was made.
        }
    }
}
