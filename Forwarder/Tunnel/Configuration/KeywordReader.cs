using System.Globalization;
using PersonalVpn.Packets;

namespace PersonalVpn.Tunnel.Configuration;

/// <summary>Typed values of a <see cref="KeywordLine"/>; each failure is one line that says what was expected.</summary>
public static class KeywordReader
{
    /// <summary>A whole number within bounds.</summary>
    public static int Number(this KeywordLine line, int min, int max) =>
        int.TryParse(line.Value, NumberStyles.None, CultureInfo.InvariantCulture, out int n) && n >= min && n <= max
            ? n : throw line.Error($"'{line.Value}' is not a number from {min} to {max}");

    /// <summary>yes or no.</summary>
    public static bool YesNo(this KeywordLine line) => line.Value.ToLowerInvariant() switch
    {
        "yes" => true,
        "no" => false,
        _ => throw line.Error($"'{line.Value}' is neither yes nor no"),
    };

    /// <summary>A CIDR block.</summary>
    public static IpPrefix Prefix(this KeywordLine line) =>
        IpPrefix.TryParse(line.Value, out IpPrefix p) ? p : throw line.Error($"'{line.Value}' is not a CIDR block such as 10.0.0.0/8 (host bits must be zero)");

    /// <summary>A text that must be there: one word, quoted where it holds white space.</summary>
    public static string Text(this KeywordLine line) => line.Words switch
    {
        [{ Length: > 0 } word] => word,
        [] or [""] => throw line.Error("needs a value"),
        _ => throw line.Error($"takes one value, and '{line.Value}' is several; a value with spaces is put in double quotes"),
    };

    /// <summary>The path of a file or socket, from the root.</summary>
    public static string AbsolutePath(this KeywordLine line) =>
        line.Text() is ['/', ..] path ? path : throw line.Error($"'{line.Value}' is not an absolute path (it must begin with /)");

    /// <summary>One of an enumeration's names (case does not count).</summary>
    public static T Choice<T>(this KeywordLine line) where T : struct, Enum =>
        // By name alone: Enum.TryParse takes numbers and comma-separated lists, too.
        Enum.GetNames<T>().Contains(line.Value, StringComparer.OrdinalIgnoreCase) && Enum.TryParse(line.Value, true, out T v)
            ? v : throw line.Error($"'{line.Value}' is not one of {string.Join(", ", Enum.GetNames<T>()).ToLowerInvariant()}");

    /// <summary>Seconds: a plain number, or with a suffix s, m, h, d as in sshd_config.</summary>
    public static TimeSpan Time(this KeywordLine line)
    {
        string v = line.Value;
        int unit = v.Length == 0 ? 0 : char.ToLowerInvariant(v[^1]) switch { 's' => 1, 'm' => 60, 'h' => 3600, 'd' => 86400, _ => 0 };
        string digits = unit == 0 ? v : v[..^1];
        return int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out int n) && n <= 1_000_000
            ? TimeSpan.FromSeconds((long)n * (unit == 0 ? 1 : unit)) : throw line.Error($"'{v}' is not a time such as 30, 2m or 1h");
    }

    /// <summary>The error for a keyword that does not exist, naming the nearest that does.</summary>
    /// <param name="line">The line.</param>
    /// <param name="valid">The keywords there are.</param>
    /// <param name="manual">The manual page that has them.</param>
    public static ConfigurationException Unknown(this KeywordLine line, IEnumerable<string> valid, string manual) =>
        new($"{line.Place}: unknown keyword '{line.Keyword}'" +
            (NearestWord.Find(line.Keyword, valid) is { } near ? $"; did you mean {near}?" : $"; 'man {manual}' has the valid ones"));
}
