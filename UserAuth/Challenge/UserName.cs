using System.Globalization;
using System.Text;

namespace PersonalVpn.UserAuth;

/// <summary>What a user name may look like: it becomes part of a path, of a log line and of a signature.</summary>
public static class UserName
{
    /// <summary>Longest name in bytes of UTF-8.</summary>
    public const int MaximumBytes = 64;

    /// <summary>
    /// Whether a name is acceptable: not empty, at most 64 bytes, no '/', no "..", not ".", no leading '-', no white
    /// space, control or invisible formatting characters, no broken surrogates.
    /// </summary>
    /// <param name="name">The name.</param>
    /// <param name="reason">One line that says what is wrong with it (the name itself is not repeated).</param>
    public static bool IsValid(string? name, out string reason)
    {
        if (string.IsNullOrEmpty(name))
        {
            reason = "user name is empty";
            return false;
        }
        if (name.Length > MaximumBytes || Encoding.UTF8.GetByteCount(name) > MaximumBytes)
        {
            reason = $"user name is longer than {MaximumBytes} bytes";
            return false;
        }
        if (name[0] == '-' || name == "." || name.Contains("..", StringComparison.Ordinal) || name.Contains('/', StringComparison.Ordinal))
        {
            reason = "user name begins with '-', is '.', or holds '/' or '..'";
            return false;
        }
        foreach (Rune rune in name.EnumerateRunes())
        {
            // EnumerateRunes puts U+FFFD in place of a broken surrogate: two different names must never sign alike.
            if (rune == Rune.ReplacementChar || Rune.IsControl(rune) || Rune.IsWhiteSpace(rune)
                || Rune.GetUnicodeCategory(rune) is UnicodeCategory.Format or UnicodeCategory.OtherNotAssigned or UnicodeCategory.PrivateUse)
            {
                reason = "user name holds white space, control or invisible characters";
                return false;
            }
        }
        reason = "";
        return true;
    }
}
