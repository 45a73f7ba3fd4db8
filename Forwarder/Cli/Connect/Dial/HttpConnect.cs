using System.Globalization;
using System.Text;
using PersonalVpn.Cli.Config.Proxies;

namespace PersonalVpn.Cli.Connect.Dial;

/// <summary>A connection through an HTTP proxy: CONNECT (RFC 9110 9.3.6), with Basic authentication (RFC 7617) where a user is given.</summary>
internal static class HttpConnect
{
    /// <summary>Asks for it. When it returns, the connection is the gateway's.</summary>
    /// <exception cref="UserError">The proxy refuses, or answers nonsense.</exception>
    public static void Run(ProxyTalk talk, ProxyServer proxy, string host, int port)
    {
        talk.Send(Request(proxy, host, port));
        var reply = new HttpReply();
        byte[] buffer = new byte[1024];
        while (reply.State == HttpReplyState.Reading)
        {
            int n = talk.Peek(buffer);
            talk.Take(buffer.AsSpan(0, reply.Feed(buffer.AsSpan(0, n))));
        }
        if (reply.State == HttpReplyState.Garbage) throw new UserError($"the {proxy.Name} does not answer as an HTTP proxy does; check kind, host and port of the proxy");
        if (reply.State == HttpReplyState.TooLong) throw new UserError($"the {proxy.Name} answers with a header of more than {HttpReply.MaxBytes} bytes; check host and port of the proxy");
        if (reply.Status / 100 != 2) throw new UserError(Explain(reply, proxy, host, port));
        talk.EndOfAnswer();
    }

    /// <summary>The request's bytes.</summary>
    public static byte[] Request(ProxyServer proxy, string host, int port)
    {
        if (!ProxyServer.IsHost(host)) throw new UserError($"'{host}' cannot be named to a proxy; use a plain host name or an address");
        string place = string.Create(CultureInfo.InvariantCulture, $"{(host.Contains(':', StringComparison.Ordinal) ? $"[{host}]" : host)}:{port}");
        string login = proxy.User is null ? "" : $"Proxy-Authorization: Basic {Convert.ToBase64String(Encoding.UTF8.GetBytes($"{proxy.User}:{proxy.Password}"))}\r\n";
        return Encoding.ASCII.GetBytes($"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n{login}\r\n");
    }

    private static string Explain(HttpReply reply, ProxyServer proxy, string host, int port)
    {
        string said = $"{reply.Status}{(reply.Reason.Length > 0 ? " " + reply.Reason : "")}";
        // Tinyproxy says 401 to a wrong password.
        return reply.Status switch
        {
            401 or 407 when reply.Schemes.Count > 0 && !reply.Schemes.Contains("Basic", StringComparer.OrdinalIgnoreCase) =>
                $"the {proxy.Name} wants a login by {string.Join(" or ", reply.Schemes)}, and pvpn knows Basic alone; a ProxyCommand may know more",
            401 or 407 when proxy.User is null => $"the {proxy.Name} wants a user and a password ({said}); name the user in Proxy, and the password in ProxyPasswordFile",
            401 or 407 => $"the {proxy.Name} does not accept user {proxy.User} with that password ({said}); check Proxy and ProxyPasswordFile, or https_proxy",
            403 or 405 => $"the {proxy.Name} forbids a connection to {host} port {port} ({said}); many allow port 443 alone, ask its administrator",
            502 or 503 or 504 => $"the {proxy.Name} cannot reach {host} port {port} ({said}); check name and port, or ask its administrator",
            _ => $"the {proxy.Name} refuses a connection to {host} port {port} ({said}); ask its administrator",
        };
    }
}
