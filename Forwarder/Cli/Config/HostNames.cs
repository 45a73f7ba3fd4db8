using PersonalVpn.Tunnel.Configuration;

namespace PersonalVpn.Cli.Config;

/// <summary>The places that a <c>HostName</c> line names for one gateway, in the order in which they are tried: <c>name[:port] ...</c>.</summary>
internal static class HostNames
{
    /// <summary>The places, none with a user.</summary>
    /// <param name="line">The line.</param>
    /// <param name="gateway">The gateway as typed: %h.</param>
    /// <exception cref="ConfigurationException">A word is no name, address or either with a port, or there are too many or none.</exception>
    public static IReadOnlyList<Target> Of(KeywordLine line, string gateway)
    {
        if (line.Words.Length == 0) throw line.Error("needs a value");
        if (line.Words.Length > Hop.MaxChains) throw line.Error($"names more than {Hop.MaxChains} places");
        return [.. line.Words.Select(word => Parse(line, Tokens.InHostName(line, word, gateway))).Distinct()];
    }

    private static Target Parse(KeywordLine line, string word)
    {
        try
        {
            Target place = Target.Parse(word);
            return place.User is null ? place : throw line.Error($"'{word}' has a user name in it; that is said by User");
        }
        catch (UserError e)
        {
            throw line.Error(e.Message);
        }
    }
}
