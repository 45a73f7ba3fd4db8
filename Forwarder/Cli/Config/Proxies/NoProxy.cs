using System.Globalization;
using System.Net;

namespace PersonalVpn.Cli.Config.Proxies;

/// <summary>
/// The environment's <c>no_proxy</c>, as curl reads it: names that also stand for everything below them, addresses, CIDR blocks,
/// <c>*</c> for all, separated by commas or blanks. An entry with a port counts for that port alone.
/// </summary>
internal static class NoProxy
{
    /// <summary>True when the list says that this place is reached without a proxy.</summary>
    public static bool Covers(string? list, string host, int port)
    {
        string name = host.TrimEnd('.');
        IPAddress? address = IPAddress.TryParse(name, out IPAddress? a) ? a : null;
        foreach (string entry in (list ?? "").Split([',', ' ', '\t'], StringSplitOptions.RemoveEmptyEntries))
        {
            if (entry == "*") return true;
            (string wanted, int? wantedPort) = Cut(entry);
            if (wantedPort is { } p && p != port) continue;
            if (address is null ? IsName(name, wanted) : IsAddress(address, wanted)) return true;
        }
        return false;
    }

    private static bool IsName(string name, string wanted)
    {
        string suffix = wanted.TrimStart('.').TrimEnd('.');
        return suffix.Length > 0 && name.EndsWith(suffix, StringComparison.OrdinalIgnoreCase)
            && (name.Length == suffix.Length || name[^(suffix.Length + 1)] == '.');
    }

    private static bool IsAddress(IPAddress address, string wanted)
    {
        int slash = wanted.IndexOf('/', StringComparison.Ordinal);
        if (!IPAddress.TryParse(slash < 0 ? wanted : wanted[..slash], out IPAddress? network) || network.AddressFamily != address.AddressFamily) return false;
        byte[] left = network.GetAddressBytes(), right = address.GetAddressBytes();
        int bits = left.Length * 8;
        if (slash >= 0 && (!int.TryParse(wanted.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out bits) || bits > left.Length * 8)) return false;
        for (int bit = 0; bit < bits; bit++)
            if (((left[bit / 8] ^ right[bit / 8]) & (0x80 >> (bit % 8))) != 0) return false;
        return true;
    }

    // name, name:port, 192.0.2.1:port, [v6], [v6]:port; an IPv6 address without brackets has no port.
    private static (string Wanted, int? Port) Cut(string entry)
    {
        int close = entry.IndexOf(']', StringComparison.Ordinal);
        string rest = "";
        if (entry.StartsWith('[') && close > 0) (entry, rest) = (entry[1..close], entry[(close + 1)..]);
        else if (entry.Count(c => c == ':') == 1) (entry, rest) = (entry[..entry.IndexOf(':', StringComparison.Ordinal)], entry[entry.IndexOf(':', StringComparison.Ordinal)..]);
        if (rest.StartsWith('/')) return (entry + rest, null);
        if (rest.Length == 0) return (entry, null);
        // A port that is none names no port there is.
        return (entry, rest[0] == ':' && int.TryParse(rest.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out int port) ? port : 0);
    }
}
