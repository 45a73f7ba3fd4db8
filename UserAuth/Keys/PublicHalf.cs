using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace PersonalVpn.UserAuth;

/// <summary>
/// Which key a key file is about, without its passphrase: the file may be the public key itself, FILE.pub may lie beside it, and
/// OpenSSH's own private format has the public half in clear. A hint, never a proof: what logs in is a signature.
/// </summary>
public static class PublicHalf
{
    /// <summary>Finds it; false means that nothing tells.</summary>
    /// <param name="path">The file as named by -i or IdentityFile.</param>
    /// <param name="key">The public key.</param>
    public static bool TryFind(string path, [NotNullWhen(true)] out PublicKey? key) =>
        TryRead(path, out key) || TryRead(path + ".pub", out key);

    private static bool TryRead(string path, [NotNullWhen(true)] out PublicKey? key)
    {
        key = null;
        if (!CheckedFile.TryOpen(path, out CheckedFile? file, out _, out _))
        {
            return false;
        }
        byte[] content;
        using (file)
        {
            if (!file!.TryReadAll(PrivateKeyFile.MaximumFileBytes, out content, out _))
            {
                return false;
            }
        }
        try
        {
            return content.AsSpan().IndexOf("-----BEGIN "u8) >= 0
                ? OpenSshPrivateKey.TryReadPublic(content, out key)
                : PublicKey.TryParseOpenSsh(Encoding.UTF8.GetString(content).Trim(), out key, out _);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(content);
        }
    }
}
