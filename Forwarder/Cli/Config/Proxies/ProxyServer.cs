using System.Globalization;
using System.Net;

namespace PersonalVpn.Cli.Config.Proxies;

/// <summary>What a proxy speaks.</summary>
internal enum ProxyKind
{
    /// <summary>HTTP with CONNECT (RFC 9110 9.3.6).</summary>
    Http,

    /// <summary>SOCKS version 5 (RFC 1928); names are resolved by the proxy.</summary>
    Socks5,
}

/// <summary>A proxy: <c>http://[user[:password]@]host:port</c> or <c>socks5://...</c>. Its text never holds the password.</summary>
/// <param name="Kind">What it speaks.</param>
/// <param name="Host">Name or address, without brackets.</param>
/// <param name="Port">Port.</param>
/// <param name="User">User name there, or null.</param>
/// <param name="Password">Password, or null when none was given.</param>
internal sealed record ProxyServer(ProxyKind Kind, string Host, int Port, string? User, string? Password)
{
    // RFC 1929 counts both in one byte.
    private const int MaxCredential = 255;

    private static readonly Dictionary<string, ProxyKind> Schemes = new(StringComparer.OrdinalIgnoreCase)
    {
        ["http"] = ProxyKind.Http,
        ["socks5"] = ProxyKind.Socks5,
        ["socks5h"] = ProxyKind.Socks5, // curl's word for what is always done here
    };

    /// <summary>How it is called in messages and in status: <c>http proxy host:port</c>.</summary>
    public string Name => string.Create(CultureInfo.InvariantCulture, $"{(Kind == ProxyKind.Http ? "http" : "socks5")} proxy {Place}");

    /// <summary>As a configuration line would have it, without the password.</summary>
    public override string ToString() =>
        $"{(Kind == ProxyKind.Http ? "http" : "socks5")}://{(User is null ? "" : Uri.EscapeDataString(User) + "@")}{Place}";

    private string Place => string.Create(CultureInfo.InvariantCulture, $"{(Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]" : Host)}:{Port}");

    /// <summary>Reads a URL. What has no scheme is an HTTP proxy, as with curl.</summary>
    /// <param name="text">The URL.</param>
    /// <param name="proxy">The proxy.</param>
    /// <param name="error">What is wrong, without a word of the text: a password may be in it.</param>
    public static bool TryParse(string text, out ProxyServer proxy, out string error)
    {
        proxy = null!;
        int colons = text.IndexOf("://", StringComparison.Ordinal);
        string scheme = colons < 0 ? "http" : text[..colons], rest = colons < 0 ? text : text[(colons + 3)..];
        error = "the URL's scheme is not http:// or socks5://; another kind of proxy needs a ProxyCommand";
        if (!Schemes.TryGetValue(scheme, out ProxyKind kind)) return false;
        int slash = rest.IndexOfAny(['/', '?', '#']);
        // A slash in a password is written %2F.
        error = "the URL has something behind host:port; it is http://[user[:password]@]host:port or socks5://..., in user and password %XX for what is special";
        if (slash >= 0 && rest[slash..] != "/") return false;
        if (slash >= 0) rest = rest[..slash];

        int at = rest.LastIndexOf('@');
        string? user = null, password = null;
        if (at >= 0)
        {
            int colon = rest.IndexOf(':', StringComparison.Ordinal);
            bool hasPassword = colon >= 0 && colon < at;
            error = "the URL's user or password is empty, longer than 255 bytes, or has a % without two hexadecimal digits";
            if (!TryDecode(rest[..(hasPassword ? colon : at)], out user) || user.Length == 0) return false;
            if (hasPassword && !TryDecode(rest[(colon + 1)..at], out password)) return false;
            error = "the URL's user has a colon in it, which an HTTP proxy cannot be told";
            if (kind == ProxyKind.Http && user.Contains(':', StringComparison.Ordinal)) return false;
        }
        error = "the URL has no port, or one that is not a number from 1 to 65535; it ends with host:port, an IPv6 address in brackets";
        if (!TryPlace(rest[(at + 1)..], out string host, out int port)) return false;
        error = "the URL's host is no host name or address";
        if (!IsHost(host)) return false;
        proxy = new ProxyServer(kind, host, port, user, password);
        error = "";
        return true;
    }

    /// <summary>True for what can be a host name or address and nothing else: no white space, nothing that means something to a shell or a protocol.</summary>
    public static bool IsHost(string host) =>
        host.Length is > 0 and <= 255 && host[0] != '-' && host.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' or ':' or '%')
        && (!host.AsSpan().ContainsAny(':', '%') || IPAddress.TryParse(host, out _));

    /// <summary>A user name or password that both protocols can carry.</summary>
    public static bool IsCredential(string text) => System.Text.Encoding.UTF8.GetByteCount(text) is > 0 and <= MaxCredential && !text.Any(char.IsControl);

    private static bool TryPlace(string text, out string host, out int port)
    {
        int colon = text.LastIndexOf(':');
        host = colon < 0 ? text : text[..colon];
        if (host is ['[', .. var inner, ']'])
        {
            host = inner;
            if (!host.Contains(':', StringComparison.Ordinal)) host = "";
        }
        else if (host.Contains(':', StringComparison.Ordinal)) host = "";
        port = 0;
        return colon >= 0 && host.Length > 0
            && int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out port) && port is > 0 and < 65536;
    }

    private static bool TryDecode(string text, out string decoded)
    {
        decoded = "";
        for (int i = text.IndexOf('%', StringComparison.Ordinal); i >= 0; i = text.IndexOf('%', i + 1))
            if (i + 2 >= text.Length || !char.IsAsciiHexDigit(text[i + 1]) || !char.IsAsciiHexDigit(text[i + 2])) return false;
        decoded = Uri.UnescapeDataString(text);
        return IsCredential(decoded);
    }
}
