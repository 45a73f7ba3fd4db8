using System.Globalization;

namespace PersonalVpn.Cli.Status;

/// <summary>Numbers for people.</summary>
internal static class Amount
{
    private static readonly string[] Units = ["B", "KiB", "MiB", "GiB", "TiB"];

    /// <summary>Bytes, as "8.7 KiB".</summary>
    public static string Bytes(double value)
    {
        int unit = 0;
        for (; value >= 1024 && unit < Units.Length - 1; unit++) value /= 1024;
        return value.ToString(unit == 0 ? "0" : "0.0", CultureInfo.InvariantCulture) + " " + Units[unit];
    }

    /// <summary>Bytes in a second.</summary>
    public static string Rate(double? perSecond) => perSecond is { } value ? Bytes(value) + "/s" : "-";

    /// <summary>How long ago a time of status was: "3m07s", "2h05m", "4d03h".</summary>
    public static string Age(string since, DateTimeOffset now)
    {
        if (!DateTimeOffset.TryParse(since, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset then)) return "-";
        TimeSpan age = now > then ? now - then : TimeSpan.Zero;
        return age.TotalMinutes < 1 ? $"{age.Seconds}s" : age.TotalHours < 1 ? $"{age.Minutes}m{age.Seconds:00}s"
            : age.TotalDays < 1 ? $"{age.Hours}h{age.Minutes:00}m" : $"{(int)age.TotalDays}d{age.Hours:00}h";
    }
}
