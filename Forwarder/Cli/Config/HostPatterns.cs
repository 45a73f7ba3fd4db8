using System.IO.Enumeration;
using PersonalVpn.Tunnel.Configuration;

namespace PersonalVpn.Cli.Config;

/// <summary>The patterns of a <c>Host</c> line: <c>*</c> and <c>?</c>; one that begins with <c>!</c> and matches undoes all others.</summary>
internal static class HostPatterns
{
    public static bool Match(KeywordLine line, string gateway)
    {
        if (line.Words.Length == 0) throw line.Error("needs at least one pattern");
        bool any = false;
        foreach (string pattern in line.Words)
        {
            bool negated = pattern.StartsWith('!');
            if (!FileSystemName.MatchesSimpleExpression(negated ? pattern[1..] : pattern, gateway)) continue;
            if (negated) return false;
            any = true;
        }
        return any;
    }
}
