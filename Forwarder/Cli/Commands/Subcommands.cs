using System.Net;
using System.Net.Sockets;
using PersonalVpn.Cli.Config;
using PersonalVpn.Tunnel.Configuration;

namespace PersonalVpn.Cli.Commands;

/// <summary>A subcommand with a slip of the finger looks like a gateway.</summary>
internal static class Subcommands
{
    public static readonly string[] All = ["status", "down", "check"];

    /// <summary>
    /// Says so when the gateway is a plain word next to a subcommand's name that the configuration does not know and that does not
    /// resolve. One that does resolve is a gateway, whatever its name.
    /// </summary>
    public static void RefuseMistyped(Target target, ClientConfig config)
    {
        if (target.User is not null || target.Port is not null || config.HostName is not null || config.SaysWayOut) return;
        if (NearestWord.Find(target.Host, All, name => name.Length > 4 ? 2 : 1) is not { } near || Resolves(target.Host)) return;
        throw new UserError($"'{target.Host}' is no gateway (its name does not resolve) and no subcommand; did you mean 'pvpn {near}'?", ExitCodes.Usage);
    }

    private static bool Resolves(string host)
    {
        try { return Dns.GetHostAddresses(host).Length > 0; }
        catch (SocketException) { return false; }
    }
}
