using PersonalVpn.Tunnel.Local;

namespace PersonalVpn.Daemon.Control;

/// <summary>A request that is refused; becomes the reply. The message is one line for the user: what is wrong, what to do.</summary>
internal sealed class RequestException(ForwarderError code, string message) : Exception(message)
{
    public ForwarderError Code { get; } = code;
}
