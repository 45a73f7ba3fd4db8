namespace PersonalVpn.Tunnel.Configuration;

/// <summary>One <c>Keyword value</c> line of a configuration file.</summary>
/// <param name="File">The file's path, or the option it was given with, for messages.</param>
/// <param name="Line">Line number, from 1; 0 where there are no lines (an option).</param>
/// <param name="Keyword">The keyword as written.</param>
/// <param name="Raw">The rest of the line as written, trimmed.</param>
public sealed record KeywordLine(string File, int Line, string Keyword, string Raw)
{
    /// <summary>The words of the value: cut at white space, quotes removed, a comment left out.</summary>
    /// <exception cref="ConfigurationException">A quote is not closed.</exception>
    public string[] Words => field ??= KeywordWords.Split(Raw) ?? throw Error("a quote is not closed");

    /// <summary>The value as one text: its words with one space between them.</summary>
    /// <exception cref="ConfigurationException">A quote is not closed.</exception>
    public string Value => string.Join(' ', Words);

    /// <summary>The file's mode let others than its owner read it: no place for a secret.</summary>
    public bool ReadableByOthers { get; init; }

    /// <summary>Where the line stands, as every error begins.</summary>
    public string Place => Line == 0 ? File : $"{File}:{Line}";

    /// <summary>True when this line has the given keyword (case does not count).</summary>
    public bool Is(string keyword) => string.Equals(Keyword, keyword, StringComparison.OrdinalIgnoreCase);

    /// <summary>An error that names file, line and keyword.</summary>
    public ConfigurationException Error(string problem) => new($"{Place}: {Keyword}: {problem}");
}
