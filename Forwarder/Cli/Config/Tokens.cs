using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using PersonalVpn.Linux;
using PersonalVpn.Tunnel.Configuration;

namespace PersonalVpn.Cli.Config;

/// <summary>What may stand for something else in a value: ssh_config(5)'s TOKENS, its ${VARIABLES}, and ~.</summary>
/// <param name="Home">%d and ~.</param>
/// <param name="Gateway">%n: the gateway as typed.</param>
/// <param name="Host">%h: where the connection goes.</param>
/// <param name="Port">%p.</param>
/// <param name="User">%r: the user name on the gateway.</param>
internal sealed record Tokens(string Home, string Gateway, string Host, int Port, string User)
{
    /// <summary>%j: the ProxyJump line, as it is written; null when there is none.</summary>
    public KeywordLine? Jumps { get; init; }

    /// <summary>%h in HostName itself, where it is the gateway as typed, and nothing else.</summary>
    public static string InHostName(KeywordLine line, string name, string gateway) => Percent(line, name, c => c == 'h' ? gateway : null, "%% and %h");

    /// <summary>
    /// ProxyCommand's tokens, in a text that a shell will read: a name with anything in it that could mean something to the shell is
    /// refused, because whoever makes somebody type it (a link, a submodule) would run a command.
    /// </summary>
    public string InCommand(KeywordLine line, string text) => Percent(line, text, c => c switch
    {
        'h' => ForShell(line, Host),
        'n' => ForShell(line, Gateway),
        'p' => Value(c),
        'r' => ForShell(line, User),
        _ => null,
    }, "%% %h %n %p %r");

    /// <summary>A file's or socket's path: tokens, variables and ~ replaced, made absolute.</summary>
    public string Path(KeywordLine line, string text) => AbsolutePath(Expand(line, Variables(line, text)), Home, line);

    /// <summary>Tokens alone.</summary>
    public string Expand(KeywordLine line, string text) => Percent(line, text, Value, "%% %C %d %h %i %j %k %L %l %n %p %r %u");

    /// <summary>~ and ~user replaced, made absolute; nothing else is special.</summary>
    public static string AbsolutePath(string path, string home, KeywordLine line)
    {
        if (!path.StartsWith('~')) return System.IO.Path.GetFullPath(path);
        int slash = path.IndexOf('/', StringComparison.Ordinal);
        string user = path[1..(slash < 0 ? path.Length : slash)], rest = slash < 0 ? "" : path[(slash + 1)..];
        return System.IO.Path.Combine(user.Length == 0 ? home : HomeOf(user, line), rest);
    }

    private static string ForShell(KeywordLine line, string name) =>
        name.Length > 0 && name[0] != '-' && name.All(c => char.IsLetterOrDigit(c) || ".-_:%@+,=/".Contains(c, StringComparison.Ordinal))
            ? name : throw line.Error($"'{name}' has characters that a command must not be given; use another name for it, or no %h, %n or %r");

    private string? Value(char token) => token switch
    {
        // A short name for all that makes a connection another one; nobody reads it back.
        'C' => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{Value('l')}{Host}{Value('p')}{User}{Value('j')}")))[..40],
        'd' => Home,
        'h' => Host,
        'i' => FileOwner.CurrentUid.ToString(CultureInfo.InvariantCulture),
        'j' => Jumps is { } l && l.Value != "none" ? l.Value : "",
        'k' or 'n' => Gateway,
        'l' => Environment.MachineName,
        'L' => Environment.MachineName.Split('.')[0],
        'p' => Port.ToString(CultureInfo.InvariantCulture),
        'r' => User,
        'u' => Environment.UserName,
        _ => null,
    };

    private static string Percent(KeywordLine line, string text, Func<char, string?> value, string valid)
    {
        var result = new StringBuilder();
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] != '%') result.Append(text[i]);
            else if (++i == text.Length) throw line.Error($"'{text}' ends with a %; a literal one is written %%");
            else if (text[i] == '%') result.Append('%');
            else result.Append(value(text[i]) ?? throw line.Error($"'%{text[i]}' stands for nothing here; there are {valid}"));
        }
        return result.ToString();
    }

    private static string Variables(KeywordLine line, string text)
    {
        int at = 0;
        var result = new StringBuilder();
        while (text.IndexOf("${", at, StringComparison.Ordinal) is >= 0 and var open)
        {
            int close = text.IndexOf('}', open);
            if (close < 0) throw line.Error($"'{text}': a '${{' without '}}'");
            string name = text[(open + 2)..close];
            result.Append(text, at, open - at).Append(Environment.GetEnvironmentVariable(name) ?? throw line.Error($"the environment has no {name}"));
            at = close + 1;
        }
        return result.Append(text, at, text.Length - at).ToString();
    }

    private static string HomeOf(string user, KeywordLine line)
    {
        try { return new Mono.Unix.UnixUserInfo(user).HomeDirectory; }
        catch (ArgumentException) { throw line.Error($"'~{user}': there is no user {user} on this host"); }
    }
}
