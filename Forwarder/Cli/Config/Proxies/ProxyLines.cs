using PersonalVpn.Tunnel.Configuration;

namespace PersonalVpn.Cli.Config.Proxies;

/// <summary>
/// Proxy and ProxyPasswordFile as the configuration has them. A password is taken only from where other users cannot read it, and is
/// in no message.
/// </summary>
internal static class ProxyLines
{
    /// <summary>The proxy that a Proxy line names; null for "none".</summary>
    /// <param name="line">The line.</param>
    /// <param name="passwordLine">The line of ProxyPasswordFile, if there is one.</param>
    /// <param name="path">Where that file is.</param>
    /// <exception cref="ConfigurationException">It cannot be used.</exception>
    public static ProxyServer? Read(KeywordLine line, KeywordLine? passwordLine, Func<KeywordLine, string> path)
    {
        // Not the usual reader, whose message shows the value.
        if (line.Words is not [{ Length: > 0 } url]) throw line.Error("takes one URL, or none");
        if (url == "none") return null;
        if (!ProxyServer.TryParse(url, out ProxyServer proxy, out string error)) throw line.Error(error);
        if (proxy.Password is not null && line.Line == 0)
            throw line.Error("a password on the command line can be read by every user of this host; keep it in a ProxyPasswordFile, the configuration or https_proxy");
        if (proxy.Password is not null && line.ReadableByOthers)
            throw line.Error($"others may read the password in this file: chmod 600 {line.File}, or keep it in a ProxyPasswordFile");
        return WithPassword(proxy, passwordLine, path, line.Error);
    }

    /// <summary>The proxy with the password that its URL may lack.</summary>
    public static ProxyServer WithPassword(ProxyServer proxy, KeywordLine? passwordLine, Func<KeywordLine, string> path, Func<string, Exception> error)
    {
        if (proxy.User is null || proxy.Password is not null) return proxy;
        return passwordLine is null ? throw error("the URL names a user and no password; name a file with it: ProxyPasswordFile")
            : proxy with { Password = ProxyPasswordFile.Read(passwordLine, path(passwordLine)) };
    }
}
