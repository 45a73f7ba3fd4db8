using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace PersonalVpn.UserAuth;

/// <summary>
/// A private key held in this process. The key material lives in the crypto library only and is wiped when it is
/// freed by <see cref="Dispose"/>.
/// </summary>
internal sealed class FileIdentity : IUserIdentity
{
    private readonly AsymmetricAlgorithm _key;

    private FileIdentity(AsymmetricAlgorithm key, PublicKey publicKey, string description)
    {
        _key = key;
        PublicKey = publicKey;
        Description = description;
    }

    /// <inheritdoc/>
    public PublicKey PublicKey { get; }

    /// <inheritdoc/>
    public string Description { get; }

    /// <summary>Takes ownership of <paramref name="key"/>, also when it answers false (then the key is disposed).</summary>
    public static bool TryCreate(AsymmetricAlgorithm key, string description, [NotNullWhen(true)] out IUserIdentity? identity, out string error)
    {
        identity = null;
        try
        {
            if (PublicKey.TryFromSubjectPublicKeyInfo(key.ExportSubjectPublicKeyInfo(), out PublicKey? publicKey, out error))
            {
                identity = new FileIdentity(key, publicKey, description);
                return true;
            }
        }
        catch (CryptographicException e)
        {
            error = PublicKey.OneLine(e);
        }
        key.Dispose();
        return false;
    }

    /// <inheritdoc/>
    public bool TrySign(ReadOnlySpan<byte> data, out string algorithm, out byte[] signature, out string error)
    {
        algorithm = "";
        signature = [];
        try
        {
            if (_key is RSA rsa)
            {
                algorithm = KeyTypes.RsaSha512;
                signature = rsa.SignData(data, HashAlgorithmName.SHA512, RSASignaturePadding.Pkcs1);
            }
            else
            {
                EcdsaCurve curve = EcdsaCurve.ByKeyType(PublicKey.Algorithm)!;
                algorithm = curve.KeyType;
                byte[] rs = ((ECDsa)_key).SignData(data, curve.Hash, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
                signature = new SshWriter().Mpint(rs.AsSpan(0, rs.Length / 2)).Mpint(rs.AsSpan(rs.Length / 2)).ToArray();
            }
            error = "";
            return true;
        }
        catch (CryptographicException e)
        {
            error = $"cannot sign with key '{Description}': {PublicKey.OneLine(e)}; the private key may be damaged";
            return false;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _key.Dispose();
}
