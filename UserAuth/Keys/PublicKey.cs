using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using CertificateKey = System.Security.Cryptography.X509Certificates.PublicKey;

namespace PersonalVpn.UserAuth;

/// <summary>
/// A public key in OpenSSH's form: the blob is what is compared, stored, signed and fingerprinted. Immutable; two keys
/// are equal when their blobs are.
/// </summary>
/// <remarks>
/// <code>
/// ssh-rsa (RFC 4253 6.6)        string "ssh-rsa" | mpint e | mpint n
/// ecdsa-sha2-* (RFC 5656 3.1)   string "ecdsa-sha2-nistpN" | string "nistpN" | string Q = 04 || X || Y
/// ssh-ed25519 (RFC 8709 4)      string "ssh-ed25519" | string 32 bytes
/// </code>
/// </remarks>
public sealed partial class PublicKey : IEquatable<PublicKey>
{
    private readonly byte[] _blob;
    private readonly byte[] _first;
    private readonly byte[] _second;

    private PublicKey(string algorithm, int bits, byte[] blob, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
    {
        Algorithm = algorithm;
        Bits = bits;
        _blob = blob;
        _first = first.ToArray();
        _second = second.ToArray();
        Fingerprint = "SHA256:" + Convert.ToBase64String(SHA256.HashData(blob)).TrimEnd('=');
    }

    /// <summary>Key type: <c>ssh-rsa</c>, <c>ecdsa-sha2-nistp256|384|521</c> or <c>ssh-ed25519</c>.</summary>
    public string Algorithm { get; }

    /// <summary>The public key blob, as it stands (base64) in a public key line.</summary>
    public ReadOnlyMemory<byte> Blob => _blob;

    /// <summary><c>SHA256:</c> and the unpadded base64 of the blob's SHA-256, as <c>ssh-keygen -l</c> prints it.</summary>
    public string Fingerprint { get; }

    /// <summary>Size in bits: RSA modulus, curve size, or 256 for Ed25519.</summary>
    public int Bits { get; }

    /// <summary>Whether signatures of this key can be verified here (false for Ed25519 on a machine without OpenSSL 3).</summary>
    public bool CanVerify => KeyPolicy.IsSupported(Algorithm);

    /// <summary>The key as a line of a <c>.pub</c> file, without line end.</summary>
    /// <param name="comment">Text behind the key, or null.</param>
    public string ToOpenSsh(string? comment)
    {
        string line = Algorithm + " " + Convert.ToBase64String(_blob);
        return string.IsNullOrEmpty(comment) ? line : line + " " + comment;
    }

    /// <summary>
    /// Reads a public key blob. Everything is checked before the key exists: canonical numbers, no trailing bytes,
    /// RSA at least <see cref="KeyPolicy.MinimumRsaBits"/>, curve points on their curve.
    /// </summary>
    /// <param name="blob">The blob; it is copied.</param>
    /// <param name="key">The key.</param>
    /// <param name="error">One line that says what is wrong.</param>
    public static bool TryParseBlob(ReadOnlySpan<byte> blob, [NotNullWhen(true)] out PublicKey? key, out string error)
    {
        key = null;
        if (blob.Length > KeyPolicy.MaximumBlobBytes)
        {
            error = $"public key of {blob.Length} bytes is larger than {KeyPolicy.MaximumBlobBytes}";
            return false;
        }
        var reader = new SshReader(blob);
        if (!reader.TryReadText(64, out string algorithm))
        {
            error = "public key is malformed: no key type";
            return false;
        }
        return algorithm switch
        {
            KeyTypes.Rsa => TryReadRsa(reader, blob, out key, out error),
            KeyTypes.EcdsaP256 or KeyTypes.EcdsaP384 or KeyTypes.EcdsaP521 =>
                TryReadEcdsa(EcdsaCurve.ByKeyType(algorithm)!, reader, blob, out key, out error),
            KeyTypes.Ed25519 => TryReadEd25519(reader, blob, out key, out error),
            _ => Refuse(KeyPolicy.UnsupportedMessage(algorithm), out error),
        };
    }

    /// <summary>Reads <c>keytype base64 [comment]</c>, a line of a <c>.pub</c> file.</summary>
    /// <param name="line">The line, without options before the key type.</param>
    /// <param name="key">The key.</param>
    /// <param name="error">One line that says what is wrong.</param>
    public static bool TryParseOpenSsh(string line, [NotNullWhen(true)] out PublicKey? key, out string error) =>
        TryParseOpenSsh(line, out key, out _, out error);

    /// <summary>Reads <c>keytype base64 [comment]</c> and keeps the comment.</summary>
    /// <param name="line">The line, without options before the key type.</param>
    /// <param name="key">The key.</param>
    /// <param name="comment">What stands behind the key, or empty.</param>
    /// <param name="error">One line that says what is wrong.</param>
    public static bool TryParseOpenSsh(string line, [NotNullWhen(true)] out PublicKey? key, out string comment, out string error)
    {
        ArgumentNullException.ThrowIfNull(line);
        key = null;
        comment = "";
        string[] parts = line.Split([' ', '\t'], 3, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (parts.Length < 2)
        {
            error = "not a public key line: expected 'keytype base64 [comment]'";
            return false;
        }
        byte[] blob = new byte[(parts[1].Length / 4 * 3) + 3];
        if (parts[1].Length > KeyPolicy.MaximumBlobBytes * 2 || !Convert.TryFromBase64String(parts[1], blob, out int length))
        {
            error = "public key is not valid base64";
            return false;
        }
        if (!TryParseBlob(blob.AsSpan(0, length), out key, out error))
        {
            return false;
        }
        if (key.Algorithm != parts[0])
        {
            error = $"public key says '{KeyPolicy.Printable(parts[0])}' but holds a key of type '{key.Algorithm}'";
            key = null;
            return false;
        }
        comment = parts.Length > 2 ? parts[2] : "";
        return true;
    }

    /// <summary>The key of a certificate or host key file (RFC 5280 4.1.2.7): RSA or ECDSA on a NIST curve.</summary>
    /// <param name="spki">DER SubjectPublicKeyInfo.</param>
    /// <exception cref="CryptographicException">Malformed, of another type, or too weak; the message says which.</exception>
    public static PublicKey FromSubjectPublicKeyInfo(byte[] spki)
    {
        ArgumentNullException.ThrowIfNull(spki);
        return TryFromSubjectPublicKeyInfo(spki, out PublicKey? key, out string error) ? key : throw new CryptographicException(error);
    }

    /// <summary>As <see cref="FromSubjectPublicKeyInfo"/>, with the reason as text.</summary>
    /// <param name="spki">DER SubjectPublicKeyInfo.</param>
    /// <param name="key">The key.</param>
    /// <param name="error">One line that says what is wrong.</param>
    public static bool TryFromSubjectPublicKeyInfo(ReadOnlySpan<byte> spki, [NotNullWhen(true)] out PublicKey? key, out string error)
    {
        key = null;
        try
        {
            var certificateKey = CertificateKey.CreateFromSubjectPublicKeyInfo(spki, out int read);
            if (read != spki.Length)
            {
                error = "public key is malformed: bytes behind it";
                return false;
            }
            using RSA? rsa = certificateKey.GetRSAPublicKey();
            if (rsa is not null)
            {
                return TryParseBlob(RsaBlob(rsa.ExportParameters(false)), out key, out error);
            }
            using ECDsa? ecdsa = certificateKey.GetECDsaPublicKey();
            if (ecdsa is not null)
            {
                ECParameters parameters = ecdsa.ExportParameters(false);
                EcdsaCurve? curve = parameters.Curve.IsNamed ? CurveOf(parameters.Curve) : null;
                if (curve is not null)
                {
                    return TryParseBlob(EcdsaBlob(curve, parameters.Q), out key, out error);
                }
            }
            string? type = certificateKey.Oid.FriendlyName ?? certificateKey.Oid.Value;
            error = $"key type {type} is not supported: use RSA or ECDSA P-256/384/521";
            return false;
        }
        catch (Exception e) when (CryptoErrors.IsBadKey(e))
        {
            error = "public key is malformed: " + OneLine(e);
            return false;
        }
    }

    /// <inheritdoc/>
    public bool Equals(PublicKey? other) => other is not null && CryptographicOperations.FixedTimeEquals(_blob, other._blob);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as PublicKey);

    /// <inheritdoc/>
    public override int GetHashCode() => string.GetHashCode(Fingerprint, StringComparison.Ordinal);

    /// <summary>Key type, size and fingerprint, for people.</summary>
    public override string ToString() => $"{Algorithm} {Bits} {Fingerprint}";

    /// <summary>The curve an exported key says it is on; the class library fills either the OID's value or only its name.</summary>
    internal static EcdsaCurve? CurveOf(ECCurve curve) => EcdsaCurve.ByOid(curve.Oid.Value)
        ?? Array.Find(EcdsaCurve.All, c => c.Curve.Oid.FriendlyName == curve.Oid.FriendlyName);

    /// <summary>Blob of an RSA public key.</summary>
    internal static byte[] RsaBlob(in RSAParameters parameters) =>
        new SshWriter().Text(KeyTypes.Rsa).Mpint(parameters.Exponent).Mpint(parameters.Modulus).ToArray();

    /// <summary>Blob of an ECDSA public key.</summary>
    internal static byte[] EcdsaBlob(EcdsaCurve curve, in ECPoint point) =>
        new SshWriter().Text(curve.KeyType).Text(curve.Name).String([4, .. point.X!, .. point.Y!]).ToArray();

    /// <summary>An exception's message on one line.</summary>
    internal static string OneLine(Exception e) => e.Message.ReplaceLineEndings(" ");
}
