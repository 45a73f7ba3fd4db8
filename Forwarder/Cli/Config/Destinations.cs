using PersonalVpn.Packets;
using PersonalVpn.Tunnel.Configuration;

namespace PersonalVpn.Cli.Config;

/// <summary>Destinations as typed: an address, a CIDR block, or <c>default</c> (both families whole).</summary>
internal static class Destinations
{
    /// <summary>The blocks; an empty list asks for what the server pushes.</summary>
    public static IReadOnlyList<IpPrefix> Parse(IEnumerable<string> texts) =>
        [.. texts.SelectMany(t => One(t) ?? throw new UserError(Problem("destination ", t) + "; a command goes behind --", ExitCodes.Usage)).Distinct()];

    /// <summary>Those of <c>Route</c> lines, which an error names.</summary>
    public static IReadOnlyList<IpPrefix> OfRoutes(IEnumerable<KeywordLine> lines) =>
        [.. lines.SelectMany(l => l.Words.Length > 0 ? l.Words.SelectMany(w => One(w) ?? throw l.Error(Problem("", w))) : throw l.Error("needs a value")).Distinct()];

    private static IpPrefix[]? One(string text) =>
        text == "default" ? [IpPrefix.AllV4, IpPrefix.AllV6] : IpPrefix.TryParse(text, out IpPrefix p) ? [p] : null;

    private static string Problem(string what, string text) =>
        $"{what}'{text}' is not an address, a CIDR block such as 10.1.0.0/16 (host bits zero), or 'default'";
}
