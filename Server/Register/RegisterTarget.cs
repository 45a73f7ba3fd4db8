using System.Globalization;
using PersonalVpn.Tunnel.Configuration;
using PersonalVpn.Tunnel.Protocol;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Server.Register;

/// <summary>One <c>Register user@gateway[:port] name</c>: this server can be reached through that gateway under that name.</summary>
internal sealed record RegisterTarget(string User, string Host, int Port, string Name)
{
    /// <summary>The gateway, as in messages.</summary>
    public string Gateway => Port == ProtocolConstants.DefaultPort ? Host
        : Host.Contains(':', StringComparison.Ordinal) ? string.Create(CultureInfo.InvariantCulture, $"[{Host}]:{Port}") : string.Create(CultureInfo.InvariantCulture, $"{Host}:{Port}");

    /// <summary>Reads one.</summary>
    /// <exception cref="ConfigurationException">It is none.</exception>
    public static RegisterTarget Parse(KeywordLine line)
    {
        if (line.Words is not [string place, string text]) throw line.Error("needs 'user@gateway[:port] name'");
        int at = place.LastIndexOf('@');
        if (at <= 0 || !UserAuth.UserName.IsValid(place[..at], out _)) throw line.Error($"'{place}' is not user@gateway[:port]");
        string host = place[(at + 1)..];
        int port = ProtocolConstants.DefaultPort, end = host.StartsWith('[') ? host.IndexOf(']', StringComparison.Ordinal) : -1;
        int colon = end >= 0 ? (end + 1 < host.Length ? end + 1 : -1) : host.Count(c => c == ':') == 1 ? host.IndexOf(':', StringComparison.Ordinal) : -1;
        if (colon >= 0)
        {
            if (host[colon] != ':' || !int.TryParse(host.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out port) || port is < 1 or > 65535)
                throw line.Error($"'{place}': the port must be a number from 1 to 65535");
            host = host[..colon];
        }
        if (end >= 0) host = host[1..^1];
        if (Uri.CheckHostName(host) == UriHostNameType.Unknown) throw line.Error($"'{place}' is not user@gateway[:port]");
        return RegisteredName.TryParse(text, out string name, out string error) ? new RegisterTarget(place[..at], host, port, name) : throw line.Error(error);
    }
}
