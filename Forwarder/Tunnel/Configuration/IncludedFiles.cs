using System.IO.Enumeration;

namespace PersonalVpn.Tunnel.Configuration;

/// <summary>
/// The files that an <c>Include</c> line names, in the order in which they are read. As with ssh and sshd, <c>*</c> and <c>?</c> may
/// stand in any part of a path, match no leading dot, and a pattern that matches nothing includes nothing.
/// </summary>
public static class IncludedFiles
{
    /// <summary>Deeper than this it is a loop (sshd's limit).</summary>
    public const int MaxDepth = 16;

    /// <summary>The files.</summary>
    /// <param name="line">The line.</param>
    /// <param name="depth">How many files include the one that it stands in.</param>
    /// <param name="directory">Where relative names begin.</param>
    /// <param name="expand">What is done with a name first (~, tokens).</param>
    public static IEnumerable<string> Of(KeywordLine line, int depth, string directory, Func<string, string>? expand = null)
    {
        if (line.Words.Length == 0) throw line.Error("needs at least one file name");
        if (depth >= MaxDepth) throw line.Error($"goes deeper than {MaxDepth} files; is it a loop?");
        foreach (string word in line.Words)
        {
            string pattern = expand is null ? word : expand(word);
            foreach (string file in Match(Path.Combine(directory, pattern))) yield return file;
        }
    }

    private static IEnumerable<string> Match(string pattern)
    {
        IEnumerable<string> found = ["/"];
        string[] parts = pattern.Split('/', StringSplitOptions.RemoveEmptyEntries);
        for (int i = 0; i < parts.Length; i++)
        {
            string part = parts[i];
            bool last = i == parts.Length - 1;
            found = part.AsSpan().ContainsAny('*', '?')
                ? found.SelectMany(d => Entries(d, part, last))
                : found.Select(d => Path.Combine(d, part)).Where(p => last ? File.Exists(p) || Directory.Exists(p) : Directory.Exists(p));
        }
        return found;
    }

    private static IEnumerable<string> Entries(string directory, string pattern, bool files)
    {
        try
        {
            return [.. (files ? Directory.EnumerateFiles(directory) : Directory.EnumerateDirectories(directory))
                .Where(p => FileSystemName.MatchesSimpleExpression(pattern, Path.GetFileName(p), ignoreCase: false) && (pattern[0] == '.' || Path.GetFileName(p)[0] != '.'))
                .Order(StringComparer.Ordinal)];
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            throw new ConfigurationException($"{directory}: cannot be listed for Include: {e.Message}", e);
        }
    }
}
