using System.Security.Cryptography;

namespace PersonalVpn.UserAuth;

/// <summary>The three NIST curves of RFC 5656 10.1 with their names, sizes and hashes (RFC 5656 6.2.1).</summary>
/// <param name="KeyType">Key type and signature algorithm.</param>
/// <param name="Name">Curve identifier inside the blob.</param>
/// <param name="Oid">Object identifier, as certificates name the curve.</param>
/// <param name="Bits">Size of the field in bits.</param>
/// <param name="Curve">The curve for the class library.</param>
/// <param name="Hash">Hash that goes with the curve.</param>
internal sealed record EcdsaCurve(string KeyType, string Name, string Oid, int Bits, ECCurve Curve, HashAlgorithmName Hash)
{
    /// <summary>The curves, smallest first.</summary>
    public static readonly EcdsaCurve[] All =
    [
        new(KeyTypes.EcdsaP256, "nistp256", "1.2.840.10045.3.1.7", 256, ECCurve.NamedCurves.nistP256, HashAlgorithmName.SHA256),
        new(KeyTypes.EcdsaP384, "nistp384", "1.3.132.0.34", 384, ECCurve.NamedCurves.nistP384, HashAlgorithmName.SHA384),
        new(KeyTypes.EcdsaP521, "nistp521", "1.3.132.0.35", 521, ECCurve.NamedCurves.nistP521, HashAlgorithmName.SHA512),
    ];

    /// <summary>Length of one coordinate, of r and of s, in bytes.</summary>
    public int FieldBytes => (Bits + 7) / 8;

    /// <summary>The curve of a key type, or null.</summary>
    public static EcdsaCurve? ByKeyType(string keyType) => Array.Find(All, c => c.KeyType == keyType);

    /// <summary>The curve of a key's size in bits, or null.</summary>
    public static EcdsaCurve? ByOid(string? oid) => Array.Find(All, c => c.Oid == oid);
}
