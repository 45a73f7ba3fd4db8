namespace PersonalVpn.Cli.Terminal;

/// <summary>What may be drawn: nothing that moves where nobody looks, or where the terminal cannot.</summary>
internal static class Screen
{
    /// <summary>True when lines may be rewritten.</summary>
    public static bool IsLive(bool redirected) => !redirected && Environment.GetEnvironmentVariable("TERM") is { Length: > 0 } and not "dumb";
}
