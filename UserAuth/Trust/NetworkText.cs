using System.Buffers;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace PersonalVpn.UserAuth;

/// <summary>
/// Addresses and networks as administrators write them, strictly: no octal or short IPv4 forms, no zones, no host bits
/// behind the prefix. What two programs could read differently is refused.
/// </summary>
internal static class NetworkText
{
    private static readonly SearchValues<char> V6Characters = SearchValues.Create("0123456789abcdefABCDEF:.");

    /// <summary>An address in its plain form, without brackets, port or zone.</summary>
    public static bool TryParseAddress(ReadOnlySpan<char> text, out IPAddress address)
    {
        address = IPAddress.None;
        if (text.ContainsAnyExcept(V6Characters) || !IPAddress.TryParse(text, out IPAddress? parsed))
        {
            return false;
        }
        // "10.1" and "010.0.0.1" parse, too; only the text that the address prints as is unmistakable.
        if (parsed.AddressFamily == AddressFamily.InterNetwork && !text.SequenceEqual(parsed.ToString()))
        {
            return false;
        }
        address = parsed;
        return true;
    }

    /// <summary>CIDR, or one address.</summary>
    public static bool TryParseNetwork(string text, out IPNetwork network, out string error)
    {
        network = default;
        error = $"'{KeyPolicy.Printable(text)}' is not an address or CIDR";
        int slash = text.IndexOf('/', StringComparison.Ordinal);
        if (!TryParseAddress(slash < 0 ? text : text.AsSpan(0, slash), out IPAddress address) || address.IsIPv4MappedToIPv6)
        {
            return false;
        }
        int bits = address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128;
        int prefix = bits;
        if (slash >= 0 && !TryParseNumber(text.AsSpan(slash + 1), bits, out prefix))
        {
            return false;
        }
        if (!IsBoundary(address, prefix))
        {
            error = $"'{text}' has bits set behind its prefix";
            return false;
        }
        network = new IPNetwork(address, prefix);
        error = "";
        return true;
    }

    /// <summary>CIDR[:port[-port]]; an IPv6 address without prefix stands in brackets, so that no port hides in it.</summary>
    public static bool TryParsePermit(string text, out PermittedNetwork item, out string error)
    {
        item = null!;
        string network;
        string? ports = null;
        error = $"'{KeyPolicy.Printable(text)}' is not CIDR[:port[-port]]";
        int close = text.IndexOf(']', StringComparison.Ordinal);
        int slash = text.IndexOf('/', StringComparison.Ordinal);
        if (text.StartsWith('['))
        {
            // [fd00::1]  [fd00::/64]:443
            if (close < 0 || (close + 1 < text.Length && text[close + 1] != ':'))
            {
                return false;
            }
            network = text[1..close];
            ports = close + 1 < text.Length ? text[(close + 2)..] : null;
            if (!network.Contains(':', StringComparison.Ordinal))
            {
                return false;
            }
        }
        else
        {
            bool v6 = text.IndexOf(':', StringComparison.Ordinal) != text.LastIndexOf(':');
            if (v6 && slash < 0)
            {
                error = $"'{KeyPolicy.Printable(text)}': write an IPv6 address as [address] or address/128";
                return false;
            }
            int colon = text.IndexOf(':', slash < 0 ? 0 : slash);
            network = colon < 0 ? text : text[..colon];
            ports = colon < 0 ? null : text[(colon + 1)..];
        }
        if (!TryParseNetwork(network, out IPNetwork parsed, out string networkError))
        {
            error = networkError;
            return false;
        }
        int first = 0;
        int last = ushort.MaxValue;
        if (ports is not null)
        {
            int dash = ports.IndexOf('-', StringComparison.Ordinal);
            if (!TryParseNumber(dash < 0 ? ports : ports.AsSpan(0, dash), ushort.MaxValue, out first) || first == 0)
            {
                return false;
            }
            last = first;
            if (dash >= 0 && (!TryParseNumber(ports.AsSpan(dash + 1), ushort.MaxValue, out last) || last < first))
            {
                return false;
            }
        }
        item = new PermittedNetwork(parsed, (ushort)first, (ushort)last);
        error = "";
        return true;
    }

    /// <summary>host:port or [IPv6]:port.</summary>
    public static bool TryParseRelay(string text, out RelayTarget item, out string error)
    {
        item = null!;
        error = $"'{KeyPolicy.Printable(text)}' is not host:port";
        int colon = text.LastIndexOf(':');
        if (colon <= 0 || !TryParseNumber(text.AsSpan(colon + 1), ushort.MaxValue, out int port) || port == 0)
        {
            return false;
        }
        string host = text[..colon];
        if (host.StartsWith('[') && host.EndsWith(']'))
        {
            if (!TryParseAddress(host.AsSpan(1, host.Length - 2), out IPAddress address)
                || address.AddressFamily != AddressFamily.InterNetworkV6)
            {
                return false;
            }
            host = address.ToString();
        }
        else if (!IsHostName(host))
        {
            return false;
        }
        item = new RelayTarget(host.ToLowerInvariant(), (ushort)port);
        error = "";
        return true;
    }

    private static bool IsHostName(string host)
    {
        if (host.Length > 253 || host.StartsWith('-') || host.StartsWith('.') || host.Contains("..", StringComparison.Ordinal))
        {
            return false;
        }
        bool numeric = true;
        foreach (char c in host)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('-' or '.' or '_'))
            {
                return false;
            }
            numeric &= char.IsAsciiDigit(c) || c == '.';
        }
        return !numeric || TryParseAddress(host, out _);
    }

    /// <summary>Decimal digits only, no sign or space, 0 to <paramref name="maximum"/>.</summary>
    private static bool TryParseNumber(ReadOnlySpan<char> text, int maximum, out int number) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number <= maximum;

    private static bool IsBoundary(IPAddress address, int prefix)
    {
        byte[] bytes = address.GetAddressBytes();
        for (int bit = prefix; bit < bytes.Length * 8; bit++)
        {
            if ((bytes[bit / 8] & (0x80 >> (bit % 8))) != 0)
            {
                return false;
            }
        }
        return true;
    }
}
