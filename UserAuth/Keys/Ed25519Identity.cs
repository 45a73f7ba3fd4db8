using System.Diagnostics.CodeAnalysis;
using System.Formats.Asn1;
using System.Security.Cryptography;

namespace PersonalVpn.UserAuth;

/// <summary>An Ed25519 private key held in this process, wiped by <see cref="Dispose"/>.</summary>
internal sealed class Ed25519Identity : IUserIdentity
{
    private readonly byte[] _seed;

    private Ed25519Identity(byte[] seed, PublicKey publicKey, string description)
    {
        _seed = seed;
        PublicKey = publicKey;
        Description = description;
    }

    /// <inheritdoc/>
    public PublicKey PublicKey { get; }

    /// <inheritdoc/>
    public string Description { get; }

    /// <summary>Makes the key of a seed, which is copied.</summary>
    public static bool TryCreate(
        ReadOnlySpan<byte> seed, string description, [NotNullWhen(true)] out IUserIdentity? identity, out string error)
    {
        identity = null;
        if (!Ed25519.IsAvailable)
        {
            error = KeyPolicy.UnsupportedMessage(KeyTypes.Ed25519);
            return false;
        }
        Span<byte> point = stackalloc byte[Ed25519.KeyBytes];
        if (!Ed25519.TryGetPublicKey(seed, point))
        {
            error = "damaged: not an Ed25519 key";
            return false;
        }
        byte[] blob = new SshWriter().Text(KeyTypes.Ed25519).String(point).ToArray();
        if (!PublicKey.TryParseBlob(blob, out PublicKey? publicKey, out error))
        {
            return false;
        }
        identity = new Ed25519Identity(seed.ToArray(), publicKey, description);
        return true;
    }

    /// <summary>
    /// The seed inside PKCS#8 (RFC 8410 7), or null when it holds another kind of key: SEQUENCE { version, SEQUENCE { 1.3.101.112 },
    /// OCTET STRING { OCTET STRING seed } ... }. The caller wipes it.
    /// </summary>
    public static byte[]? SeedOfPkcs8(byte[] der)
    {
        try
        {
            AsnReader key = new AsnReader(der, AsnEncodingRules.DER).ReadSequence();
            key.ReadInteger();
            if (key.ReadSequence().ReadObjectIdentifier() != "1.3.101.112")
            {
                return null;
            }
            byte[] wrapped = key.ReadOctetString();
            try
            {
                byte[] seed = new AsnReader(wrapped, AsnEncodingRules.DER).ReadOctetString();
                return seed.Length == Ed25519.KeyBytes ? seed : null;
            }
            finally
            {
                CryptographicOperations.ZeroMemory(wrapped);
            }
        }
        catch (AsnContentException)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public bool TrySign(ReadOnlySpan<byte> data, out string algorithm, out byte[] signature, out string error)
    {
        algorithm = KeyTypes.Ed25519;
        signature = new byte[Ed25519.SignatureBytes];
        if (Ed25519.TrySign(_seed, data, signature))
        {
            error = "";
            return true;
        }
        signature = [];
        error = $"cannot sign with key '{Description}': OpenSSL refused";
        return false;
    }

    /// <inheritdoc/>
    public void Dispose() => CryptographicOperations.ZeroMemory(_seed);
}
