using System.Net;

namespace PersonalVpn.UserAuth;

/// <summary>
/// The name of a server that registers with a gateway: one label of letters, digits and hyphens, at most 63, without a dot; no address
/// and not localhost.
/// </summary>
public static class RegisteredName
{
    private const int MaxLength = 63;

    /// <summary>Whether a text is such a name; case does not count.</summary>
    public static bool IsValid(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.Length is > 0 and <= MaxLength && text[0] != '-' && text[^1] != '-' && text.All(c => char.IsAsciiLetterOrDigit(c) || c == '-')
            // "7" and "0x7f000001" are addresses to those who resolve names.
            && !IPAddress.TryParse(text, out _) && !text.Equals("localhost", StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>Reads one, into lower case.</summary>
    /// <param name="text">The name.</param>
    /// <param name="name">In lower case.</param>
    /// <param name="error">One line that says what is wrong.</param>
    public static bool TryParse(string text, out string name, out string error)
    {
        bool valid = IsValid(text);
        name = valid ? text.ToLowerInvariant() : "";
        error = valid ? "" : $"'{KeyPolicy.Printable(text)}' is not a name of letters, digits and hyphens without a dot";
        return valid;
    }
}
