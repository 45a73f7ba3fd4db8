using System.Globalization;
using System.Net;

namespace PersonalVpn.Load;

/// <summary>What the command line asks for: <c>--name value</c> pairs.</summary>
internal sealed class Settings
{
    private readonly Dictionary<string, string> _values = new(StringComparer.Ordinal);

    public Settings(IReadOnlyList<string> arguments)
    {
        for (int i = 0; i + 1 < arguments.Count; i += 2) _values[arguments[i].TrimStart('-')] = arguments[i + 1];
    }

    public IPEndPoint Server => IPEndPoint.Parse(Text("server", "10.99.1.1:443"));
    public string User => Text("user", "alice");
    public string Key => Text("key", "id_rsa");
    public int Sessions => Number("sessions", 1000);

    /// <summary>Logins under way at a time.</summary>
    public int Parallel => Number("parallel", 32);

    /// <summary>Sessions that send.</summary>
    public int Active => Number("active", 0);

    /// <summary>udp: datagrams of 1,200 bytes; tcp: superpackets of 64 KB.</summary>
    public string Kind => Text("kind", "tcp");
    public string To => Text("to", "10.99.2.2");
    public int Seconds => Number("seconds", 5);

    /// <summary>The server's process, for its memory and processor time; 0: not measured.</summary>
    public int Pid => Number("pid", 0);

    /// <summary>Round trips by sessions that do not send, and logins, while the others do.</summary>
    public int Probes => Number("probes", 0);

    /// <summary>Seconds to stay after the work, with the addresses on standard output.</summary>
    public int Linger => Number("linger", 0);

    /// <summary>Datagrams a second for <c>blast</c>, 0: as many as go.</summary>
    public int Rate => Number("rate", 0);

    private string Text(string name, string otherwise) => _values.GetValueOrDefault(name, otherwise);

    private int Number(string name, int otherwise) => _values.TryGetValue(name, out string? v) ? int.Parse(v, CultureInfo.InvariantCulture) : otherwise;
}
