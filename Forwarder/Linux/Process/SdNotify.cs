using System.Text;
using PersonalVpn.Linux.Abi;

namespace PersonalVpn.Linux;

/// <summary>Tells the service manager how we are (sd_notify(3)): one datagram to the Unix socket named by NOTIFY_SOCKET.</summary>
public static class SdNotify
{
    /// <summary>Sends a state, for example "READY=1". Does nothing when nobody asked to be told.</summary>
    /// <returns>True when the manager got it; false when there is none or it does not listen (the service works without).</returns>
    public static bool Notify(string state) => Notify(state, Environment.GetEnvironmentVariable("NOTIFY_SOCKET"));

    /// <summary>Sends a state to a socket: a path, or "@name" in the abstract namespace.</summary>
    /// <returns>True when it was taken.</returns>
    public static bool Notify(string state, string? socketPath)
    {
        ArgumentException.ThrowIfNullOrEmpty(state);
        if (string.IsNullOrEmpty(socketPath) || socketPath[0] is not ('/' or '@')) return false;
        using LinuxSocket socket = LinuxSocket.Create(SocketH.AF_UNIX, SocketH.SOCK_DGRAM, 0, "AF_UNIX datagram");
        return socket.BeginConnectUnix(socketPath) == 0 && socket.Send(Encoding.UTF8.GetBytes(state)) > 0;
    }
}
