using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using PersonalVpn.Cli.Config;
using PersonalVpn.Cli.Local;
using PersonalVpn.Packets;
using PersonalVpn.Tunnel.Local;

namespace PersonalVpn.Cli.Commands;

/// <summary><c>pvpn check</c>: would this user's packets to an address be protected? A host is as protected as its least protected address.</summary>
internal static class CheckCommand
{
    public static int Run(string socket, string text, bool json)
    {
        Target target = Target.Parse(text);
        using ForwarderClient forwarder = ForwarderClient.Connect(socket);
        CheckVerdict verdict = CheckVerdict.Protected;
        string? gateway = null;
        foreach (IPAddress address in Resolve(target.Host))
        {
            ForwarderReply reply = forwarder.Ask(new ForwarderRequest { Operation = ForwarderOperation.Check, Destination = IpAddr.From(address).Unmap().ToString() });
            CheckVerdict one = reply.Verdict ?? CheckVerdict.Direct;
            if (Severity(one) > Severity(verdict)) verdict = one;
            gateway ??= reply.Gateway;
        }
        if (json)
        {
            using var writer = new Utf8JsonWriter(Console.OpenStandardOutput());
            writer.WriteStartObject();
            writer.WriteString("destination", text);
            writer.WriteString("verdict", Name(verdict));
            writer.WriteString("gateway", verdict == CheckVerdict.Direct ? null : gateway);
            writer.WriteEndObject();
            writer.Flush();
            Console.Out.WriteLine();
        }
        else Console.Out.WriteLine(verdict == CheckVerdict.Protected ? $"protected via {gateway}" : Name(verdict));
        return verdict switch { CheckVerdict.Protected => ExitCodes.Success, CheckVerdict.Blocked => ExitCodes.Blocked, _ => ExitCodes.Direct };
    }

    private static string Name(CheckVerdict verdict) => verdict.ToString().ToLowerInvariant();

    private static int Severity(CheckVerdict verdict) => verdict switch { CheckVerdict.Direct => 2, CheckVerdict.Blocked => 1, _ => 0 };

    private static IPAddress[] Resolve(string host)
    {
        if (IPAddress.TryParse(host, out IPAddress? literal)) return [literal];
        try { return Dns.GetHostAddresses(host); }
        catch (SocketException)
        {
            throw new UserError($"cannot resolve '{host}': check the name, or the host's DNS");
        }
    }
}
