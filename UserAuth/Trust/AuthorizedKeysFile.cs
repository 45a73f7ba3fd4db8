using System.Text;

namespace PersonalVpn.UserAuth;

/// <summary>
/// An authorized_keys file in OpenSSH format: usable keys with their options, and the lines that cannot be used with
/// the reason. A line with an unknown or malformed option is unusable, never wider than meant.
/// </summary>
public sealed class AuthorizedKeysFile
{
    /// <summary>Largest file read, in bytes.</summary>
    public const int MaximumFileBytes = 1024 * 1024;

    /// <summary>Longest line read, in characters.</summary>
    public const int MaximumLineLength = 16 * 1024;

    private AuthorizedKeysFile(IReadOnlyList<AuthorizedKey> keys, IReadOnlyList<UnusableLine> unusable)
    {
        Keys = keys;
        UnusableLines = unusable;
    }

    /// <summary>Usable keys, in the file's order.</summary>
    public IReadOnlyList<AuthorizedKey> Keys { get; }

    /// <summary>Lines that cannot be used.</summary>
    public IReadOnlyList<UnusableLine> UnusableLines { get; }

    /// <summary>Parses the text of a file; any text has a result.</summary>
    /// <param name="text">The text.</param>
    public static AuthorizedKeysFile Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var keys = new List<AuthorizedKey>();
        var unusable = new List<UnusableLine>();
        int number = 0;
        foreach (ReadOnlySpan<char> raw in text.AsSpan().TrimStart('\uFEFF').EnumerateLinesByNewline())
        {
            number++;
            ReadOnlySpan<char> line = raw.Trim(" \t\r");
            if (line.IsEmpty || line[0] == '#')
            {
                continue;
            }
            if (line.Length > MaximumLineLength)
            {
                unusable.Add(new UnusableLine(number, $"line is longer than {MaximumLineLength} characters", null));
                continue;
            }
            if (TryParseLine(line, out PublicKey? key, out AuthorizedKeyOptions options, out string reason))
            {
                keys.Add(new AuthorizedKey(key!, options, number));
            }
            else
            {
                unusable.Add(new UnusableLine(number, reason, key));
            }
        }
        return new AuthorizedKeysFile(keys, unusable);
    }

    /// <summary>Reads a file; with <paramref name="strictModes"/> one that only root or <paramref name="trustedUid"/> can have written.</summary>
    /// <param name="path">File.</param>
    /// <param name="trustedUid">Owner accepted beside root, for the file and the directories above it.</param>
    /// <param name="home">The user's home, up to which directories are looked at; null: up to the root.</param>
    /// <param name="strictModes">sshd's StrictModes.</param>
    /// <param name="file">The parsed file.</param>
    /// <param name="missing">True when there is no such file.</param>
    /// <param name="error">One line that says what is wrong and what to do.</param>
    public static bool TryRead(
        string path, uint trustedUid, string? home, bool strictModes, out AuthorizedKeysFile file, out bool missing, out string error)
    {
        file = new AuthorizedKeysFile([], []);
        if (!CheckedFile.TryOpen(path, out CheckedFile? open, out missing, out error))
        {
            return false;
        }
        using (open)
        {
            if ((strictModes && !open!.IsOnlyWritableByOwner(trustedUid, home, out error)) || !open!.TryReadAll(MaximumFileBytes, out byte[] content, out error))
            {
                return false;
            }
            file = Parse(Encoding.UTF8.GetString(content));
            return true;
        }
    }

    private static bool TryParseLine(ReadOnlySpan<char> line, out PublicKey? key, out AuthorizedKeyOptions options, out string reason)
    {
        key = null;
        options = AuthorizedKeyOptions.None;
        ReadOnlySpan<char> optionText = default;
        ReadOnlySpan<char> keyText = line;
        int blank = line.IndexOfAny(' ', '\t');
        if (blank < 0 || !IsKeyType(line[..blank]))
        {
            int end = AuthorizedKeyOptionsParser.FindEnd(line);
            if (end < 0)
            {
                reason = "a quote is not closed";
                return false;
            }
            optionText = line[..end];
            keyText = line[end..].TrimStart(" \t");
            if (keyText.IsEmpty)
            {
                reason = "no key: expected '[options] keytype base64 [comment]'";
                return false;
            }
        }
        // The key first: also of a line with bad options the log should be able to say whose it is.
        if (!PublicKey.TryParseOpenSsh(keyText.ToString(), out key, out reason))
        {
            return false;
        }
        if (!key.CanVerify)
        {
            reason = KeyPolicy.UnsupportedMessage(key.Algorithm);
            return false;
        }
        return optionText.IsEmpty || AuthorizedKeyOptionsParser.TryParse(optionText, out options, out reason);
    }

    /// <summary>Key types never hold '=', '"' or ','; no option name begins like one.</summary>
    private static bool IsKeyType(ReadOnlySpan<char> word) => !word.ContainsAny('=', '"', ',')
        && (word.StartsWith("ssh-") || word.StartsWith("ecdsa-") || word.StartsWith("sk-") || word.StartsWith("rsa-"));
}
