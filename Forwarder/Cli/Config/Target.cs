using System.Globalization;
using PersonalVpn.Tunnel.Protocol;

namespace PersonalVpn.Cli.Config;

/// <summary><c>[user@]gateway[:port]</c> as typed.</summary>
internal sealed record Target(string? User, string Host, int? Port)
{
    /// <summary>What it says, as configuration lines of the command line.</summary>
    public IEnumerable<string> Options
    {
        get
        {
            if (User is not null) yield return "User=" + Tunnel.Configuration.KeywordWords.Quote(User);
            if (Port is { } port) yield return string.Create(CultureInfo.InvariantCulture, $"Port={port}");
        }
    }

    /// <summary>Cuts the text apart; an IPv6 literal with a port is written in brackets.</summary>
    public static Target Parse(string text)
    {
        int at = text.LastIndexOf('@');
        string? user = at < 0 ? null : text[..at];
        string rest = text[(at + 1)..];
        if (user is { Length: 0 }) throw new UserError($"'{text}': the user name before @ is empty", ExitCodes.Usage);
        int? port = null;
        if (rest.StartsWith('['))
        {
            int close = rest.IndexOf(']', StringComparison.Ordinal);
            if (close < 0) throw new UserError($"'{text}': a '[' without ']'", ExitCodes.Usage);
            if (close + 1 < rest.Length) port = ParsePort(rest[(close + 1)..].StartsWith(':') ? rest[(close + 2)..] : "", text);
            rest = rest[1..close];
        }
        else if (rest.Count(c => c == ':') == 1)
        {
            int colon = rest.IndexOf(':', StringComparison.Ordinal);
            port = ParsePort(rest[(colon + 1)..], text);
            rest = rest[..colon];
        }
        if (rest.Length == 0 || rest.StartsWith('-') || rest.Any(c => char.IsWhiteSpace(c) || char.IsControl(c)))
            throw new UserError($"'{text}' is not [user@]gateway[:port]", ExitCodes.Usage);
        return new Target(user, rest, port);
    }

    /// <summary>How a gateway is called in messages, in status and by <c>pvpn down</c>: the port only where it is not the usual one.</summary>
    public static string Name(string host, int port) =>
        port == ProtocolConstants.DefaultPort ? host
        : host.Contains(':', StringComparison.Ordinal) ? string.Create(CultureInfo.InvariantCulture, $"[{host}]:{port}")
        : string.Create(CultureInfo.InvariantCulture, $"{host}:{port}");

    public static int ParsePort(string text, string where) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int port) && port is > 0 and < 65536
            ? port : throw new UserError($"'{where}': the port must be a number from 1 to 65535", ExitCodes.Usage);
}
