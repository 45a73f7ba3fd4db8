using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace PersonalVpn.UserAuth;

/// <summary>
/// Reads the options of an authorized_keys line: <c>name</c> or <c>name="value"</c>, separated by commas, no white space
/// outside quotes, <c>\"</c> for a quote inside. Whatever is not understood completely is an error: an option that is
/// half understood would allow more than its author meant.
/// </summary>
internal static class AuthorizedKeyOptionsParser
{
    /// <summary>Where the options at the start of a line end (the first white space outside quotes), or -1: a quote is open.</summary>
    public static int FindEnd(ReadOnlySpan<char> line)
    {
        bool quoted = false;
        for (int i = 0; i < line.Length; i++)
        {
            if (line[i] == '\\' && i + 1 < line.Length && line[i + 1] == '"')
            {
                i++;
            }
            else if (line[i] == '"')
            {
                quoted = !quoted;
            }
            else if (!quoted && line[i] is ' ' or '\t')
            {
                return i;
            }
        }
        return quoted ? -1 : line.Length;
    }

    /// <summary>Parses the whole option list.</summary>
    /// <param name="text">Options without the white space behind them.</param>
    /// <param name="options">The options.</param>
    /// <param name="error">One line that says what is wrong.</param>
    public static bool TryParse(ReadOnlySpan<char> text, out AuthorizedKeyOptions options, out string error)
    {
        options = AuthorizedKeyOptions.None;
        var seen = new HashSet<string>(StringComparer.Ordinal);
        while (true)
        {
            if (!TryReadOne(ref text, out string name, out string? value, out error) || !TryApply(name, value, ref options, out error))
            {
                return false;
            }
            // address= may stand once for each family; TryApply sees to that.
            if (name != "address" && !seen.Add(name))
            {
                error = $"option '{name}' stands twice";
                return false;
            }
            if (text.IsEmpty)
            {
                return true;
            }
            text = text[1..]; // the comma
        }
    }

    private static bool TryReadOne(ref ReadOnlySpan<char> text, out string name, out string? value, out string error)
    {
        value = null;
        int end = text.IndexOfAny(',', '=');
        name = text[..(end < 0 ? text.Length : end)].ToString().ToLowerInvariant();
        if (name.Length == 0)
        {
            error = "empty option";
            return false;
        }
        text = text[(end < 0 ? text.Length : end)..];
        error = "";
        if (text.IsEmpty || text[0] == ',')
        {
            return true;
        }
        error = $"option '{KeyPolicy.Printable(name)}': its value must stand in double quotes";
        if (text.Length < 2 || text[1] != '"')
        {
            return false;
        }
        var builder = new StringBuilder();
        int i = 2;
        for (; i < text.Length && text[i] != '"'; i++)
        {
            if (text[i] == '\\' && i + 1 < text.Length && text[i + 1] == '"')
            {
                i++;
            }
            builder.Append(text[i]);
        }
        if (i == text.Length || (i + 1 < text.Length && text[i + 1] != ','))
        {
            return false;
        }
        text = text[(i + 1)..];
        value = builder.ToString();
        error = "";
        return true;
    }

    private static bool TryApply(string name, string? value, ref AuthorizedKeyOptions options, out string error)
    {
        if (name is "no-relay" or "restrict")
        {
            options = options with { NoRelay = true };
            error = value is null ? "" : $"option '{name}' takes no value";
            return value is null;
        }
        if (name is not ("from" or "expiry-time" or "permit" or "relay" or "register" or "address"))
        {
            error = $"unknown option '{KeyPolicy.Printable(name)}'";
            return false;
        }
        if (string.IsNullOrWhiteSpace(value))
        {
            error = $"option '{name}' needs a value: {name}=\"...\"";
            return false;
        }
        return name switch
        {
            "from" => TryList<IPNetwork>(name, value, NetworkText.TryParseNetwork, out var from, out error)
                && Set(options with { From = from }, out options),
            "permit" => TryList<PermittedNetwork>(name, value, NetworkText.TryParsePermit, out var permit, out error)
                && Set(options with { Permit = permit }, out options),
            "relay" => TryList<RelayTarget>(name, value, NetworkText.TryParseRelay, out var relay, out error)
                && Set(options with { Relay = relay }, out options),
            "register" => TryList<string>(name, value, RegisteredName.TryParse, out var names, out error)
                && Set(options with { Register = names }, out options),
            "address" => TryAddress(value, ref options, out error),
            _ => TryExpiry(value, out DateTimeOffset expires, out error) && Set(options with { Expires = expires }, out options),
        };
    }

    private delegate bool ItemParser<T>(string text, out T item, out string error);

    private static bool TryList<T>(string name, string value, ItemParser<T> parse, out IReadOnlyList<T> list, out string error)
    {
        var items = new List<T>();
        list = items;
        foreach (string part in value.Split(',', StringSplitOptions.TrimEntries))
        {
            if (!parse(part, out T item, out string reason))
            {
                error = $"option '{name}': {reason}";
                return false;
            }
            items.Add(item);
        }
        error = "";
        return true;
    }

    private static bool TryAddress(string value, ref AuthorizedKeyOptions options, out string error)
    {
        if (!NetworkText.TryParseAddress(value, out IPAddress address))
        {
            error = $"option 'address': '{KeyPolicy.Printable(value)}' is not an IP address";
            return false;
        }
        bool v4 = address.AddressFamily == AddressFamily.InterNetwork;
        if ((v4 ? options.Address4 : options.Address6) is not null)
        {
            error = "option 'address' stands twice for one address family";
            return false;
        }
        options = v4 ? options with { Address4 = address } : options with { Address6 = address };
        error = "";
        return true;
    }

    /// <summary>YYYYMMDD[HHMM[SS]], local time, or UTC with a Z behind it, as sshd reads it.</summary>
    private static bool TryExpiry(string value, out DateTimeOffset expires, out string error)
    {
        bool utc = value.EndsWith('Z') || value.EndsWith('z');
        string digits = utc ? value[..^1] : value;
        string? format = digits.Length switch { 8 => "yyyyMMdd", 12 => "yyyyMMddHHmm", 14 => "yyyyMMddHHmmss", _ => null };
        error = $"option 'expiry-time': '{KeyPolicy.Printable(value)}' is not YYYYMMDD[HHMM[SS]][Z]";
        expires = default;
        if (format is null || !DateTime.TryParseExact(digits, format, CultureInfo.InvariantCulture, DateTimeStyles.None, out DateTime time))
        {
            return false;
        }
        TimeZoneInfo zone = utc ? TimeZoneInfo.Utc : TimeZoneInfo.Local;
        if (zone.IsInvalidTime(time))
        {
            error = $"option 'expiry-time': '{value}' does not exist in the local time zone (clock change)";
            return false;
        }
        // An hour that comes twice ends the key at its first coming.
        TimeSpan offset = zone.IsAmbiguousTime(time) ? zone.GetAmbiguousTimeOffsets(time).Max() : zone.GetUtcOffset(time);
        long ticks = time.Ticks - offset.Ticks;
        if (ticks < DateTime.MinValue.Ticks || ticks > DateTime.MaxValue.Ticks)
        {
            return false;
        }
        expires = new DateTimeOffset(ticks, TimeSpan.Zero);
        error = "";
        return true;
    }

    private static bool Set(AuthorizedKeyOptions value, out AuthorizedKeyOptions target)
    {
        target = value;
        return true;
    }
}
