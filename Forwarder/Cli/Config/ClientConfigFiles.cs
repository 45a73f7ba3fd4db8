using PersonalVpn.Linux;
using PersonalVpn.Tunnel.Configuration;

namespace PersonalVpn.Cli.Config;

/// <summary>
/// Reads configuration files line by line and hands over those that count for a gateway, in their order. As in ssh_config(5): an
/// Include reads its files where it stands, inside a Host block only when that matches; a Host block ends with its file. Lines
/// that do not count are looked at all the same: a misspelt keyword in another block is told today.
/// </summary>
internal sealed class ClientConfigFiles(string home, string gateway, IReadOnlyList<string> keywords, Action<KeywordLine> take)
{
    /// <summary>Reads one file and what it includes.</summary>
    /// <param name="path">The file.</param>
    /// <param name="directory">Where relative names of its Include lines begin.</param>
    /// <param name="owner">The user who alone may have written it; null = not asked (-F, and the system's file).</param>
    public void Read(string path, string directory, uint? owner) => Read(path, directory, owner, 0, counts: true);

    private void Read(string path, string directory, uint? owner, int depth, bool counts)
    {
        bool applies = counts;
        foreach (KeywordLine line in KeywordFile.Read(path, owner))
        {
            if (line.Is("Host")) applies = HostPatterns.Match(line, gateway) && counts;
            else if (line.Is("Include"))
            {
                foreach (string file in IncludedFiles.Of(line, depth, directory, w => w.StartsWith('~') ? Tokens.AbsolutePath(w, home, line) : w))
                    Read(file, directory, FileOwner.CurrentUid, depth + 1, applies);
            }
            else if (!keywords.Contains(line.Keyword, StringComparer.OrdinalIgnoreCase)) throw line.Unknown(keywords, ClientConfig.Manual);
            else if (applies) take(line);
        }
    }
}
