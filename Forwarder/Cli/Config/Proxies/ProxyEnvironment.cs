using PersonalVpn.Tunnel.Configuration;

namespace PersonalVpn.Cli.Config.Proxies;

/// <summary>The proxy that the environment names for everything that speaks TLS: what counts when the configuration says nothing.</summary>
internal static class ProxyEnvironment
{
    // As curl: the lower case first, and the one for this protocol before the one for all.
    private static readonly string[] Names = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

    /// <summary>The proxy for a gateway, or null.</summary>
    /// <param name="host">The gateway's name or address.</param>
    /// <param name="port">Its port.</param>
    /// <param name="variable">The environment; an empty variable counts as none.</param>
    /// <param name="source">The variable's name, for messages.</param>
    /// <exception cref="ConfigurationException">The variable holds no URL of a proxy that pvpn can use.</exception>
    public static ProxyServer? For(string host, int port, Func<string, string?> variable, out string source)
    {
        source = "";
        foreach (string name in Names)
        {
            if (variable(name) is not { Length: > 0 } url) continue;
            source = name;
            if (NoProxy.Covers(variable("no_proxy") is { Length: > 0 } list ? list : variable("NO_PROXY"), host, port)) return null;
            return ProxyServer.TryParse(url, out ProxyServer proxy, out string error) ? proxy
                : throw new ConfigurationException($"the environment's {name}: {error}; 'Proxy none' in the configuration goes without");
        }
        return null;
    }
}
