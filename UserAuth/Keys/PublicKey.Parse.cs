using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Security.Cryptography;

namespace PersonalVpn.UserAuth;

/// <content>The three blob formats.</content>
public sealed partial class PublicKey
{
    private static bool TryReadRsa(SshReader reader, ReadOnlySpan<byte> blob, [NotNullWhen(true)] out PublicKey? key, out string error)
    {
        key = null;
        if (!reader.TryReadPositiveMpint(out ReadOnlySpan<byte> exponent) || !reader.TryReadPositiveMpint(out ReadOnlySpan<byte> modulus)
            || !reader.AtEnd)
        {
            return Refuse("RSA public key is malformed", out error);
        }
        int bits = BitLength(modulus);
        if (bits < KeyPolicy.MinimumRsaBits)
        {
            return Refuse($"RSA key of {bits} bits is too weak: at least {KeyPolicy.MinimumRsaBits} bits are required"
                + " (make one: ssh-keygen -t rsa -b 3072)", out error);
        }
        if (bits > KeyPolicy.MaximumRsaBits)
        {
            return Refuse($"RSA key of {bits} bits is larger than the {KeyPolicy.MaximumRsaBits} bits that are accepted", out error);
        }
        // Even numbers and exponent 1 verify nothing or everything.
        if (BitLength(exponent) is < 2 or > KeyPolicy.MaximumRsaExponentBits || (exponent[^1] & 1) == 0 || (modulus[^1] & 1) == 0)
        {
            return Refuse("RSA public key is malformed: impossible exponent or modulus", out error);
        }
        key = new PublicKey(KeyTypes.Rsa, bits, blob.ToArray(), exponent, modulus);
        error = "";
        return true;
    }

    private static bool TryReadEcdsa(
        EcdsaCurve curve, SshReader reader, ReadOnlySpan<byte> blob, [NotNullWhen(true)] out PublicKey? key, out string error)
    {
        key = null;
        if (!reader.TryReadText(64, out string name) || name != curve.Name || !reader.TryReadString(out ReadOnlySpan<byte> point)
            || !reader.AtEnd || point.Length != 1 + (2 * curve.FieldBytes) || point[0] != 4)
        {
            return Refuse("ECDSA public key is malformed", out error);
        }
        var candidate = new PublicKey(
            curve.KeyType, curve.Bits, blob.ToArray(), point.Slice(1, curve.FieldBytes), point[(1 + curve.FieldBytes)..]);
        try
        {
            candidate.CreateEcdsa(curve).Dispose(); // the import refuses a point that is not on the curve
        }
        catch (CryptographicException)
        {
            return Refuse("ECDSA public key is malformed: the point is not on its curve", out error);
        }
        key = candidate;
        error = "";
        return true;
    }

    private static bool TryReadEd25519(SshReader reader, ReadOnlySpan<byte> blob, [NotNullWhen(true)] out PublicKey? key, out string error)
    {
        key = null;
        if (!reader.TryReadString(out ReadOnlySpan<byte> point) || point.Length != 32 || !reader.AtEnd)
        {
            return Refuse("Ed25519 public key is malformed", out error);
        }
        key = new PublicKey(KeyTypes.Ed25519, 256, blob.ToArray(), point, default);
        error = "";
        return true;
    }

    private static bool Refuse(string reason, out string error)
    {
        error = reason;
        return false;
    }

    private static int BitLength(ReadOnlySpan<byte> number) =>
        ((number.Length - 1) * 8) + (32 - BitOperations.LeadingZeroCount((uint)number[0]));
}
