namespace PersonalVpn.Tunnel.Configuration;

/// <summary>One <c>Keyword value</c> line of a configuration file.</summary>
/// <param name="File">The file's path, for messages.</param>
/// <param name="Line">Line number, from 1.</param>
/// <param name="Keyword">The keyword as written.</param>
/// <param name="Value">The rest of the line, trimmed, outer double quotes removed, comments removed.</param>
public sealed record KeywordLine(string File, int Line, string Keyword, string Value)
{
    /// <summary>The value cut at white space.</summary>
    public string[] Words => Value.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);

    /// <summary>True when this line has the given keyword (case does not count).</summary>
    public bool Is(string keyword) => string.Equals(Keyword, keyword, StringComparison.OrdinalIgnoreCase);

    /// <summary>An error that names file, line and keyword.</summary>
    public ConfigurationException Error(string problem) => new($"{File}:{Line}: {Keyword}: {problem}");
}

/// <summary>A configuration that cannot be used; the message is one line: file:line: keyword: what to mend.</summary>
public sealed class ConfigurationException : Exception
{
    /// <summary>Creates the error with its line.</summary>
    public ConfigurationException(string message) : base(message) { }

    /// <summary>Creates the error with its line and cause.</summary>
    public ConfigurationException(string message, Exception inner) : base(message, inner) { }

    /// <summary>Creates the error without a text; prefer one.</summary>
    public ConfigurationException() { }
}

/// <summary>Reads <c>Keyword value</c> files: one pair a line, <c>#</c> starts a comment, <c>Keyword=value</c> is accepted as in ssh_config.</summary>
public static class KeywordFile
{
    private const int MaxBytes = 1 << 20;

    /// <summary>Reads a file or throws <see cref="ConfigurationException"/> with one line that says why it cannot be read.</summary>
    public static List<KeywordLine> Read(string path)
    {
        try
        {
            var info = new FileInfo(path);
            if (info.Exists && info.Length > MaxBytes) throw new ConfigurationException($"{path}: larger than {MaxBytes} bytes; is it a configuration file?");
            return Parse(path, File.ReadAllText(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationException($"{path}: cannot be read: {Reason(e)}", e);
        }
    }

    /// <summary>Parses the text of a file; <paramref name="path"/> is for messages only.</summary>
    public static List<KeywordLine> Parse(string path, string text)
    {
        var lines = new List<KeywordLine>();
        int number = 0;
        foreach (ReadOnlySpan<char> raw in text.AsSpan().EnumerateLines())
        {
            number++;
            ReadOnlySpan<char> line = StripComment(raw).Trim();
            if (line.IsEmpty) continue;
            int end = line.IndexOfAny(" \t=");
            string keyword = (end < 0 ? line : line[..end]).ToString();
            ReadOnlySpan<char> value = end < 0 ? default : line[end..].TrimStart();
            if (!value.IsEmpty && value[0] == '=') value = value[1..].TrimStart();
            if (value is ['"', .. var inner, '"']) value = inner;
            lines.Add(new KeywordLine(path, number, keyword, value.ToString()));
        }
        return lines;
    }

    /// <summary>The keyword nearest to a misspelt one, or null when none is near.</summary>
    public static string? Nearest(string keyword, IEnumerable<string> valid) => valid
        .Select(v => (v, d: Distance(keyword.ToLowerInvariant(), v.ToLowerInvariant())))
        .Where(p => p.d <= Math.Max(2, p.v.Length / 3)).OrderBy(p => p.d).Select(p => p.v).FirstOrDefault();

    private static string Reason(Exception e) => e switch
    {
        FileNotFoundException or DirectoryNotFoundException => "no such file",
        UnauthorizedAccessException => "permission denied",
        _ => e.Message,
    };

    private static ReadOnlySpan<char> StripComment(ReadOnlySpan<char> line)
    {
        bool quoted = false;
        for (int i = 0; i < line.Length; i++)
        {
            if (line[i] == '"') quoted = !quoted;
            else if (line[i] == '#' && !quoted && (i == 0 || char.IsWhiteSpace(line[i - 1]))) return line[..i];
        }
        return line;
    }

    // Levenshtein distance with two rows.
    private static int Distance(string a, string b)
    {
        int[] before = [.. Enumerable.Range(0, b.Length + 1)], now = new int[b.Length + 1];
        for (int i = 1; i <= a.Length; i++)
        {
            now[0] = i;
            for (int j = 1; j <= b.Length; j++)
                now[j] = Math.Min(Math.Min(before[j], now[j - 1]) + 1, before[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
            (before, now) = (now, before);
        }
        return before[b.Length];
    }
}
