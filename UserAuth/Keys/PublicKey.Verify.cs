using System.Security.Cryptography;

namespace PersonalVpn.UserAuth;

/// <content>Verification of signatures.</content>
public sealed partial class PublicKey
{
    /// <summary>
    /// Whether <paramref name="signature"/> over <paramref name="data"/> was made by this key. Never throws, whatever
    /// the bytes are. An algorithm that does not belong to the key's type is false; so is <c>ssh-rsa</c> (SHA-1).
    /// </summary>
    /// <param name="signatureAlgorithm"><c>rsa-sha2-512</c>, <c>rsa-sha2-256</c>, <c>ecdsa-sha2-nistp*</c> or <c>ssh-ed25519</c>.</param>
    /// <param name="data">What was signed; hashed here.</param>
    /// <param name="signature">RSA: the number, big-endian (RFC 8332 3). ECDSA: mpint r | mpint s (RFC 5656 3.1.2). Ed25519: 64 bytes (RFC 8709 6).</param>
    public bool Verify(string signatureAlgorithm, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature)
    {
        if (signature.Length is 0 or > KeyPolicy.MaximumSignatureBytes)
        {
            return false;
        }
        try
        {
            return Algorithm switch
            {
                KeyTypes.Rsa => VerifyRsa(signatureAlgorithm, data, signature),
                KeyTypes.EcdsaP256 or KeyTypes.EcdsaP384 or KeyTypes.EcdsaP521 => VerifyEcdsa(signatureAlgorithm, data, signature),
                KeyTypes.Ed25519 => signatureAlgorithm == KeyTypes.Ed25519 && Ed25519.Verify(_first, data, signature),
                _ => false,
            };
        }
        catch (Exception e) when (CryptoErrors.IsBadKey(e))
        {
            return false; // numbers that the library refuses to compute with prove nothing
        }
    }

    private bool VerifyRsa(string algorithm, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature)
    {
        HashAlgorithmName hash = algorithm switch
        {
            KeyTypes.RsaSha512 => HashAlgorithmName.SHA512,
            KeyTypes.RsaSha256 => HashAlgorithmName.SHA256,
            _ => default,
        };
        if (hash.Name is null || signature.Length > _second.Length)
        {
            return false;
        }
        // Some agents drop leading zeros; RFC 8332 3 asks for the full length, so they are put back as ssh does.
        byte[] padded = new byte[_second.Length];
        signature.CopyTo(padded.AsSpan(padded.Length - signature.Length));
        using var rsa = RSA.Create(new RSAParameters { Exponent = _first, Modulus = _second });
        return rsa.VerifyData(data, padded, hash, RSASignaturePadding.Pkcs1);
    }

    private bool VerifyEcdsa(string algorithm, ReadOnlySpan<byte> data, ReadOnlySpan<byte> signature)
    {
        EcdsaCurve curve = EcdsaCurve.ByKeyType(Algorithm)!;
        if (algorithm != curve.KeyType)
        {
            return false;
        }
        var reader = new SshReader(signature);
        if (!reader.TryReadPositiveMpint(out ReadOnlySpan<byte> r) || !reader.TryReadPositiveMpint(out ReadOnlySpan<byte> s)
            || !reader.AtEnd || r.Length > curve.FieldBytes || s.Length > curve.FieldBytes)
        {
            return false;
        }
        Span<byte> fixedForm = stackalloc byte[2 * curve.FieldBytes];
        fixedForm.Clear();
        r.CopyTo(fixedForm[(curve.FieldBytes - r.Length)..]);
        s.CopyTo(fixedForm[(fixedForm.Length - s.Length)..]);
        using ECDsa ecdsa = CreateEcdsa(curve);
        return ecdsa.VerifyData(data, fixedForm, curve.Hash, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
    }

    private ECDsa CreateEcdsa(EcdsaCurve curve) =>
        ECDsa.Create(new ECParameters { Curve = curve.Curve, Q = new ECPoint { X = _first, Y = _second } });
}
