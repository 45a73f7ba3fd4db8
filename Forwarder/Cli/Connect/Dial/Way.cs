using PersonalVpn.Cli.Local;
using PersonalVpn.Linux;
using PersonalVpn.Packets;

namespace PersonalVpn.Cli.Connect.Dial;

/// <summary>
/// A connected way to a gateway: what is sent on <see cref="Socket"/> reaches it as it is. Owns the socket and, with a ProxyCommand,
/// the program at its other end.
/// </summary>
/// <param name="socket">TCP, or with a ProxyCommand one end of a pair of Unix sockets.</param>
/// <param name="transport">What status shows: "tls", or "tls via ...".</param>
/// <param name="command">The ProxyCommand, or null.</param>
internal sealed class Way(LinuxSocket socket, string transport, ProxyCommand? command = null) : IDisposable
{
    /// <summary>The transport without a proxy.</summary>
    public const string Direct = "tls";

    public LinuxSocket Socket => socket;

    public string Transport => transport;

    /// <summary>TCP at this end, or the pipe to a program.</summary>
    public bool IsTcp => command is null;

    /// <summary>What ended the connection, when it is known better than by the connection itself; waits a moment for it.</summary>
    public string? Trouble => command?.Trouble;

    /// <summary>
    /// The tunnel is about to be opened: makes sure that it will not swallow the connection that carries it.
    /// </summary>
    /// <param name="forwarder">Marks sockets.</param>
    /// <param name="routes">What the tunnel will carry.</param>
    /// <param name="say">For a warning.</param>
    /// <exception cref="UserError">It would.</exception>
    public void BeforeOpening(ForwarderClient forwarder, IReadOnlyList<IpPrefix> routes, Action<string> say) => command?.Protect(forwarder, routes, say);

    /// <summary>Closes the socket and ends the program.</summary>
    public void Dispose()
    {
        socket.Dispose();
        command?.Dispose();
    }
}
