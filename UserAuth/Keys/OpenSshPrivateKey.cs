using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Security.Cryptography;

namespace PersonalVpn.UserAuth;

/// <summary>OpenSSH's own private key format without encryption (openssh PROTOCOL.key).</summary>
/// <remarks>
/// <code>
/// "openssh-key-v1" 00 | string cipher | string kdf | string kdf options | uint32 keys (1) | string public blob | string:
///     uint32 check | uint32 check | string key type | fields | string comment | 01 02 03 ... padding to 8 bytes
/// fields  ssh-rsa       mpint n | mpint e | mpint d | mpint iqmp | mpint p | mpint q
///         ecdsa-sha2-*  string curve | string Q | mpint d
///         ssh-ed25519   string public key | string: seed (32) | public key (32)
/// </code>
/// </remarks>
internal static class OpenSshPrivateKey
{
    private static ReadOnlySpan<byte> Magic => "openssh-key-v1\0"u8;

    /// <summary>The error of an encrypted key; the caller knows the path and names the cure.</summary>
    internal const string EncryptedMarker = "encrypted";

    /// <summary>The public half of a file's text: it stands before what may be encrypted.</summary>
    public static bool TryReadPublic(ReadOnlySpan<byte> text, [NotNullWhen(true)] out PublicKey? key)
    {
        key = null;
        if (!PemEncoding.TryFindUtf8(text, out PemFields fields) || !text[fields.Label].SequenceEqual("OPENSSH PRIVATE KEY"u8))
        {
            return false;
        }
        byte[] data = new byte[fields.DecodedDataLength];
        try
        {
            if (System.Buffers.Text.Base64.DecodeFromUtf8(text[fields.Base64Data], data, out _, out _) != System.Buffers.OperationStatus.Done
                || !data.AsSpan().StartsWith(Magic))
            {
                return false;
            }
            var reader = new SshReader(data.AsSpan(Magic.Length));
            return reader.TryReadString(out _) && reader.TryReadString(out _) && reader.TryReadString(out _)
                && reader.TryReadUInt32(out uint keys) && keys == 1 && reader.TryReadString(out ReadOnlySpan<byte> blob)
                && PublicKey.TryParseBlob(blob, out key, out _);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(data);
        }
    }

    /// <summary>Decodes a key; the caller owns the result and wipes <paramref name="data"/>.</summary>
    public static bool TryDecode(
        ReadOnlySpan<byte> data, string description, [NotNullWhen(true)] out IUserIdentity? identity, out string error)
    {
        identity = null;
        error = "damaged: not a complete OpenSSH key";
        if (!data.StartsWith(Magic))
        {
            return false;
        }
        var outer = new SshReader(data[Magic.Length..]);
        if (!outer.TryReadText(64, out string cipher) || !outer.TryReadText(64, out string kdf) || !outer.TryReadString(out _)
            || !outer.TryReadUInt32(out uint keys) || keys != 1 || !outer.TryReadString(out ReadOnlySpan<byte> publicBlob)
            || !outer.TryReadString(out ReadOnlySpan<byte> secret) || !outer.AtEnd)
        {
            return false;
        }
        if (cipher != "none" || kdf != "none")
        {
            error = EncryptedMarker;
            return false;
        }
        var reader = new SshReader(secret);
        if (!reader.TryReadUInt32(out uint check1) || !reader.TryReadUInt32(out uint check2) || check1 != check2
            || !reader.TryReadText(64, out string type))
        {
            return false;
        }
        if (!KeyPolicy.IsSupported(type))
        {
            error = KeyPolicy.UnsupportedMessage(type);
            return false;
        }
        if (!PublicKey.TryParseBlob(publicBlob, out PublicKey? publicKey, out string publicError))
        {
            error = publicError;
            return false;
        }
        try
        {
            IUserIdentity? candidate;
            if (type == KeyTypes.Ed25519)
            {
                candidate = ReadEd25519(ref reader, description);
            }
            else
            {
                AsymmetricAlgorithm? key = type == KeyTypes.Rsa
                    ? ReadRsa(ref reader)
                    : ReadEcdsa(EcdsaCurve.ByKeyType(type)!, ref reader);
                candidate = key is not null && FileIdentity.TryCreate(key, description, out IUserIdentity? made, out _) ? made : null;
            }
            if (candidate is null)
            {
                return false;
            }
            if (!candidate.PublicKey.Equals(publicKey) || !reader.TryReadString(out _) || !IsPadding(reader.Rest))
            {
                candidate.Dispose();
                return false;
            }
            identity = candidate;
            error = "";
            return true;
        }
        catch (Exception e) when (CryptoErrors.IsBadKey(e))
        {
            error = "damaged: " + PublicKey.OneLine(e);
            return false;
        }
    }

    private static RSA? ReadRsa(ref SshReader reader)
    {
        if (!reader.TryReadPositiveMpint(out ReadOnlySpan<byte> n) || !reader.TryReadPositiveMpint(out ReadOnlySpan<byte> e)
            || !reader.TryReadPositiveMpint(out ReadOnlySpan<byte> d) || !reader.TryReadPositiveMpint(out ReadOnlySpan<byte> iqmp)
            || !reader.TryReadPositiveMpint(out ReadOnlySpan<byte> p) || !reader.TryReadPositiveMpint(out ReadOnlySpan<byte> q))
        {
            return null;
        }
        int half = (n.Length + 1) / 2;
        if (d.Length > n.Length || p.Length > half || q.Length > half || iqmp.Length > half || n.Length > KeyPolicy.MaximumRsaBits / 8
            || (p.Length == 1 && p[0] < 2) || (q.Length == 1 && q[0] < 2))
        {
            return null;
        }
        var parameters = new RSAParameters
        {
            Modulus = n.ToArray(),
            Exponent = e.ToArray(),
            D = Fit(d, n.Length),
            P = Fit(p, half),
            Q = Fit(q, half),
            InverseQ = Fit(iqmp, half),
            // The file does not hold the CRT exponents. BigInteger cannot be wiped; the arrays are, below.
            DP = Reduce(d, p, half),
            DQ = Reduce(d, q, half),
        };
        try
        {
            return RSA.Create(parameters);
        }
        finally
        {
            byte[]?[] secrets = [parameters.D, parameters.P, parameters.Q, parameters.InverseQ, parameters.DP, parameters.DQ];
            foreach (byte[]? part in secrets)
            {
                CryptographicOperations.ZeroMemory(part);
            }
        }
    }

    private static ECDsa? ReadEcdsa(EcdsaCurve curve, ref SshReader reader)
    {
        if (!reader.TryReadText(64, out string name) || name != curve.Name || !reader.TryReadString(out ReadOnlySpan<byte> point)
            || point.Length != 1 + (2 * curve.FieldBytes) || point[0] != 4
            || !reader.TryReadPositiveMpint(out ReadOnlySpan<byte> d) || d.Length > curve.FieldBytes)
        {
            return null;
        }
        byte[] secret = Fit(d, curve.FieldBytes);
        try
        {
            return ECDsa.Create(new ECParameters
            {
                Curve = curve.Curve,
                Q = new ECPoint { X = point.Slice(1, curve.FieldBytes).ToArray(), Y = point[(1 + curve.FieldBytes)..].ToArray() },
                D = secret,
            });
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }

    private static IUserIdentity? ReadEd25519(ref SshReader reader, string description) =>
        reader.TryReadString(out _) && reader.TryReadString(out ReadOnlySpan<byte> secret) && secret.Length == 2 * Ed25519.KeyBytes
            && Ed25519Identity.TryCreate(secret[..Ed25519.KeyBytes], description, out IUserIdentity? identity, out _) ? identity : null;

    /// <summary>d mod (prime - 1), big-endian in <paramref name="length"/> bytes.</summary>
    private static byte[] Reduce(ReadOnlySpan<byte> d, ReadOnlySpan<byte> prime, int length)
    {
        BigInteger value = new BigInteger(d, isUnsigned: true, isBigEndian: true)
            % (new BigInteger(prime, isUnsigned: true, isBigEndian: true) - BigInteger.One);
        byte[] bytes = value.ToByteArray(isUnsigned: true, isBigEndian: true);
        byte[] result = Fit(bytes, length);
        CryptographicOperations.ZeroMemory(bytes);
        return result;
    }

    private static byte[] Fit(ReadOnlySpan<byte> number, int length)
    {
        byte[] result = new byte[length];
        number.CopyTo(result.AsSpan(length - number.Length));
        return result;
    }

    private static bool IsPadding(ReadOnlySpan<byte> rest)
    {
        for (int i = 0; i < rest.Length; i++)
        {
            if (rest[i] != (byte)(i + 1))
            {
                return false;
            }
        }
        return rest.Length < 256;
    }
}
