using System.Security.Cryptography;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Unit.Support;

/// <summary>authorized_keys lines with a real key, made once.</summary>
internal static class AuthorizedKeyLines
{
    /// <summary>Type and blob of a key, as they stand in a line.</summary>
    public static string Key => PublicKey.ToOpenSsh(null);

    /// <summary>The key.</summary>
    public static PublicKey PublicKey { get; } = Make();

    /// <summary>Parses options by way of a whole line, as a file would have them.</summary>
    public static bool TryOptions(string options, out AuthorizedKeyOptions parsed, out string error)
    {
        AuthorizedKeysFile file = AuthorizedKeysFile.Parse($"{options} {Key} test");
        parsed = file.Keys.Count == 1 ? file.Keys[0].Options : AuthorizedKeyOptions.None;
        error = file.UnusableLines.Count > 0 ? file.UnusableLines[0].Reason : "";
        return file.Keys.Count == 1;
    }

    private static PublicKey Make()
    {
        using var rsa = RSA.Create(2048);
        return UserAuth.PublicKey.FromSubjectPublicKeyInfo(rsa.ExportSubjectPublicKeyInfo());
    }
}
