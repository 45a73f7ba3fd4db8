using PersonalVpn.Packets;

namespace PersonalVpn.Cli.Config;

/// <summary>Destinations as typed: an address, a CIDR block, or <c>default</c> (both families whole).</summary>
internal static class Destinations
{
    /// <summary>The blocks; an empty list asks for what the server pushes.</summary>
    public static IReadOnlyList<IpPrefix> Parse(IEnumerable<string> texts)
    {
        var prefixes = new List<IpPrefix>();
        foreach (string text in texts)
        {
            if (text == "default") prefixes.AddRange([IpPrefix.AllV4, IpPrefix.AllV6]);
            else if (IpPrefix.TryParse(text, out IpPrefix p)) prefixes.Add(p);
            else throw new UserError($"destination '{text}' is not an address, a CIDR block such as 10.1.0.0/16 (host bits zero), or 'default'", ExitCodes.Usage);
        }
        return [.. prefixes.Distinct()];
    }
}
