using System.Net;
using PersonalVpn.Cli.Config;
using PersonalVpn.Cli.Config.Proxies;
using PersonalVpn.Cli.Local;
using PersonalVpn.Cli.Session;
using PersonalVpn.Linux;
using PersonalVpn.Tunnel.Local;

namespace PersonalVpn.Cli.Connect.Dial;

/// <summary>
/// The way to the first gateway of a chain: by the ProxyCommand, by the proxy that the configuration or the environment names, or
/// straight there. ConnectTimeout bounds all of it.
/// </summary>
internal static class Dialler
{
    /// <summary>Connects. The sockets are made here, as the user, and marked by pvpnd before they are connected: they alone bypass the tunnels, not an address.</summary>
    /// <param name="hop">The gateway.</param>
    /// <param name="forwarder">Marks sockets.</param>
    /// <param name="verbose">For -v; no password gets there.</param>
    /// <exception cref="UserError">There is no way.</exception>
    public static Way Open(Hop hop, ForwarderClient forwarder, Action<string> verbose)
    {
        var deadline = new Deadline(hop.Config.ConnectTimeout);
        // The text is made of the hop's own names, wherever the line stands.
        if ((hop.WayOut.SaysWayOut ? hop.WayOut.ProxyCommand : null) is { } text)
        {
            verbose($"running the ProxyCommand for {hop.Host} port {hop.Port}: {text}");
            var command = ProxyCommand.Start(text, outlivesStandardError: Background.IsChild);
            return new Way(command.Socket, Way.Direct + " via ProxyCommand", command);
        }
        ProxyServer? proxy = hop.WayOut.SaysWayOut ? hop.WayOut.Proxy : hop.Config.EnvironmentProxy;
        if (proxy is null)
            return new Way(Connect(hop.Host, hop.Port, "pvpn-server", deadline, forwarder, verbose), Way.Direct);
        verbose($"by the {proxy.Name}");
        LinuxSocket socket = Connect(proxy.Host, proxy.Port, "the proxy", deadline, forwarder, verbose);
        try
        {
            socket.SetNoDelay();
            var talk = new ProxyTalk(socket, proxy, deadline);
            if (proxy.Kind == ProxyKind.Http) HttpConnect.Run(talk, proxy, hop.Host, hop.Port);
            else Socks5.Run(talk, proxy, hop.Host, hop.Port);
            return new Way(socket, $"{Way.Direct} via {proxy.Name}");
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static LinuxSocket Connect(string host, int port, string what, Deadline deadline, ForwarderClient forwarder, Action<string> verbose) =>
        StaggeredConnect.Run(host, [.. GatewayNames.Resolve(host, verbose).Select(a => new IPEndPoint(a, port))], what, deadline,
            socket => forwarder.Ask(new ForwarderRequest { Operation = ForwarderOperation.Mark }, socket.Fd), verbose);
}
