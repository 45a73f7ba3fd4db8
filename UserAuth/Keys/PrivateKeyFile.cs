using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace PersonalVpn.UserAuth;

/// <summary>Loads a key that only OpenSSH's own programs can decrypt: <see cref="PrivateAgent.TryLoad"/>.</summary>
/// <param name="path">The file; its form and permissions have been judged.</param>
/// <param name="identity">The key; dispose it.</param>
/// <param name="error">One line that says what is wrong and what to do.</param>
public delegate bool EncryptedKeyLoader(string path, [NotNullWhen(true)] out IUserIdentity? identity, out string error);

/// <summary>
/// Loads private keys from files: PKCS#1 (RFC 8017 A.1.2), SEC 1 (RFC 5915), PKCS#8 plain and encrypted (RFC 5958),
/// and OpenSSH's own format without passphrase (openssh PROTOCOL.key). What OpenSSH alone can decrypt, its own format with a
/// passphrase and the old encrypted PEM, goes to an <see cref="EncryptedKeyLoader"/>.
/// </summary>
public static class PrivateKeyFile
{
    /// <summary>Largest key file read, in bytes.</summary>
    public const int MaximumFileBytes = 64 * 1024;

    /// <summary>How often a passphrase is asked for, as ssh's NumberOfPasswordPrompts.</summary>
    public const int PassphraseAttempts = 3;

    private const string AgentCure = "decrypt it into an agent instead: eval \"$(ssh-agent)\"; ssh-add ";

    /// <summary>Loads a key. A file of the caller's own that others may read is refused, as ssh does.</summary>
    /// <param name="path">File; symbolic links are followed.</param>
    /// <param name="passphrasePrompt">
    /// Asks the user: gets the question's text, answers the passphrase or null (or empty) to give up. Null: never ask.
    /// </param>
    /// <param name="identity">The key; dispose it.</param>
    /// <param name="error">One line that says what is wrong and what to do.</param>
    /// <param name="encrypted">Loads what only OpenSSH can decrypt. Null: such a key is refused with the cure.</param>
    public static bool TryLoad(
        string path, Func<string, string?>? passphrasePrompt, [NotNullWhen(true)] out IUserIdentity? identity, out string error,
        EncryptedKeyLoader? encrypted = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        identity = null;
        if (!CheckedFile.TryOpen(path, out CheckedFile? file, out _, out error))
        {
            return false;
        }
        byte[] content;
        using (file)
        {
            if (file!.OwnerUid == CheckedFile.CurrentUid && (file.PermissionBits & 0x3F) != 0) // 077
            {
                error = $"UNPROTECTED PRIVATE KEY FILE: permissions {Convert.ToString(file.PermissionBits, 8).PadLeft(4, '0')} of '{path}'"
                    + $" let others read it, so it is ignored; run: chmod 600 '{path}'";
                return false;
            }
            if (!file.TryReadAll(MaximumFileBytes, out content, out error))
            {
                return false;
            }
        }
        try
        {
            return TryLoad(content, path, passphrasePrompt, encrypted, out identity, out error);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(content);
        }
    }

    private static bool TryLoad(
        ReadOnlySpan<byte> text, string path, Func<string, string?>? prompt, EncryptedKeyLoader? encrypted,
        [NotNullWhen(true)] out IUserIdentity? identity, out string error)
    {
        // RFC 1421 headers (Proc-Type: 4,ENCRYPTED) are no RFC 7468 PEM: the key derivation behind them is one round of MD5.
        if (text.IndexOf("Proc-Type: 4,ENCRYPTED"u8) >= 0)
        {
            if (encrypted is not null)
            {
                return encrypted(path, out identity, out error);
            }
            identity = null;
            error = $"key '{path}' is encrypted in the old PEM format, which is not read here; {AgentCure}'{path}'"
                + $" (or convert it: ssh-keygen -p -m PKCS8 -f '{path}')";
            return false;
        }
        while (PemEncoding.TryFindUtf8(text, out PemFields fields))
        {
            string label = Encoding.ASCII.GetString(text[fields.Label]);
            if (label is "RSA PRIVATE KEY" or "EC PRIVATE KEY" or "PRIVATE KEY" or "ENCRYPTED PRIVATE KEY"
                or "OPENSSH PRIVATE KEY" or "DSA PRIVATE KEY")
            {
                return TryDecode(label, text[fields.Base64Data], fields.DecodedDataLength, path, prompt, encrypted, out identity, out error);
            }
            text = text[fields.Location.End..]; // EC PARAMETERS, a certificate: not the key yet
        }
        identity = null;
        error = $"'{path}' holds no private key in PKCS#1, PKCS#8 or OpenSSH format";
        if (text.StartsWith("ssh-"u8) || text.StartsWith("ecdsa-"u8))
        {
            error = $"'{path}' is a public key: name the private key (the file without .pub)";
        }
        return false;
    }

    private static bool TryDecode(
        string label, ReadOnlySpan<byte> base64, int length, string path, Func<string, string?>? prompt, EncryptedKeyLoader? encrypted,
        [NotNullWhen(true)] out IUserIdentity? identity, out string error)
    {
        identity = null;
        byte[] der = new byte[length];
        try
        {
            if (System.Buffers.Text.Base64.DecodeFromUtf8(base64, der, out _, out int written) != System.Buffers.OperationStatus.Done
                || written != length)
            {
                error = $"key '{path}' is damaged: not valid base64";
                return false;
            }
            if (label == "OPENSSH PRIVATE KEY")
            {
                if (OpenSshPrivateKey.TryDecode(der, path, out identity, out error))
                {
                    return true;
                }
                if (error == OpenSshPrivateKey.EncryptedMarker && encrypted is not null)
                {
                    return encrypted(path, out identity, out error);
                }
                error = error == OpenSshPrivateKey.EncryptedMarker
                    ? $"key '{path}' is encrypted in OpenSSH format, which is not read here; {AgentCure}'{path}'"
                    : $"key '{path}': {error}";
                return false;
            }
            if (label == "PRIVATE KEY" && Ed25519Identity.SeedOfPkcs8(der) is { } seed)
            {
                bool made = Ed25519Identity.TryCreate(seed, path, out identity, out error);
                CryptographicOperations.ZeroMemory(seed);
                error = made ? "" : $"key '{path}': {error}";
                return made;
            }
            AsymmetricAlgorithm? key;
            bool decoded = label switch
            {
                "ENCRYPTED PRIVATE KEY" => TryDecrypt(der, path, prompt, out key, out error),
                "DSA PRIVATE KEY" => No(KeyPolicy.UnsupportedMessage("ssh-dss"), out key, out error),
                _ => TryImport(label, der, out key, out error),
            };
            if (decoded && FileIdentity.TryCreate(key!, path, out identity, out error))
            {
                return true;
            }
            error = $"key '{path}': {error}";
            return false;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(der);
        }
    }

    private static bool TryDecrypt(
        ReadOnlySpan<byte> der, string path, Func<string, string?>? prompt, out AsymmetricAlgorithm? key, out string error)
    {
        if (prompt is null)
        {
            return No($"it is encrypted and there is nobody to ask for the passphrase; {AgentCure}'{path}'", out key, out error);
        }
        for (int attempt = 0; attempt < PassphraseAttempts; attempt++)
        {
            string? passphrase = prompt($"Enter passphrase for key '{path}': ");
            if (string.IsNullOrEmpty(passphrase))
            {
                return No("no passphrase given", out key, out error);
            }
            byte[] bytes = Encoding.UTF8.GetBytes(passphrase);
            try
            {
                if (TryImportPkcs8(der, bytes, out key, out error))
                {
                    return true;
                }
            }
            finally
            {
                CryptographicOperations.ZeroMemory(bytes);
            }
        }
        return No("wrong passphrase (or an encryption that is not supported)", out key, out error);
    }

    private static bool TryImport(string label, ReadOnlySpan<byte> der, out AsymmetricAlgorithm? key, out string error)
    {
        if (label == "PRIVATE KEY")
        {
            return TryImportPkcs8(der, default, out key, out error);
        }
        key = label == "RSA PRIVATE KEY" ? RSA.Create() : ECDsa.Create();
        try
        {
            int read;
            if (key is RSA rsa)
            {
                rsa.ImportRSAPrivateKey(der, out read);
            }
            else
            {
                ((ECDsa)key).ImportECPrivateKey(der, out read);
            }
            if (read == der.Length)
            {
                error = "";
                return true;
            }
            error = "damaged: bytes behind the key";
        }
        catch (Exception e) when (CryptoErrors.IsBadKey(e))
        {
            error = "damaged: " + PublicKey.OneLine(e);
        }
        key.Dispose();
        key = null;
        return false;
    }

    /// <summary>Tries RSA, then ECDSA: the class library refuses the wrong one by its algorithm identifier.</summary>
    private static bool TryImportPkcs8(
        ReadOnlySpan<byte> der, ReadOnlySpan<byte> passphrase, out AsymmetricAlgorithm? key, out string error)
    {
        error = "";
        foreach (AsymmetricAlgorithm candidate in (ReadOnlySpan<AsymmetricAlgorithm>)[RSA.Create(), ECDsa.Create()])
        {
            try
            {
                if (passphrase.IsEmpty)
                {
                    candidate.ImportPkcs8PrivateKey(der, out _);
                }
                else
                {
                    candidate.ImportEncryptedPkcs8PrivateKey(passphrase, der, out _);
                }
                key = candidate;
                return true;
            }
            catch (Exception e) when (CryptoErrors.IsBadKey(e))
            {
                error = "not an RSA or ECDSA key, or damaged: " + PublicKey.OneLine(e);
                candidate.Dispose();
            }
        }
        key = null;
        return false;
    }

    private static bool No(string reason, out AsymmetricAlgorithm? key, out string error)
    {
        key = null;
        error = reason;
        return false;
    }
}
