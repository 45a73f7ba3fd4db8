using System.Text;

namespace PersonalVpn.Tunnel.Configuration;

/// <summary>
/// Cuts a value into words as ssh does: at white space, which double or single quotes protect; a backslash before a quote, a
/// backslash or (outside quotes) a space takes it literally; <c>#</c> at the beginning of a word begins a comment.
/// </summary>
public static class KeywordWords
{
    /// <summary>The words, or null when a quote is not closed.</summary>
    public static string[]? Split(string text)
    {
        var words = new List<string>();
        for (int at = 0; at < text.Length;)
        {
            if (char.IsWhiteSpace(text[at])) at++;
            else if (text[at] == '#') break;
            else if (Word(text, ref at) is { } word) words.Add(word);
            else return null;
        }
        return [.. words];
    }

    /// <summary>The text as one word, whatever is in it.</summary>
    public static string Quote(string text) =>
        $"\"{text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"";

    private static string? Word(string text, ref int at)
    {
        var word = new StringBuilder();
        char quote = '\0';
        for (; at < text.Length; at++)
        {
            char c = text[at];
            if (c == '\\' && at + 1 < text.Length && (text[at + 1] is '"' or '\'' or '\\' || (text[at + 1] == ' ' && quote == '\0'))) word.Append(text[++at]);
            else if (quote == '\0' && char.IsWhiteSpace(c)) return word.ToString();
            else if (quote == '\0' && (c is '"' or '\'')) quote = c;
            else if (quote != '\0' && c == quote) quote = '\0';
            else word.Append(c);
        }
        return quote == '\0' ? word.ToString() : null;
    }
}
