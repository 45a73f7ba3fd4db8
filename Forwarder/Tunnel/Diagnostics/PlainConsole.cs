namespace PersonalVpn.Tunnel.Diagnostics;

/// <summary>Standard output and standard error with nothing in them but what the program writes.</summary>
public static class PlainConsole
{
    /// <summary>
    /// To be called before anything is written. At the first write, be it of nothing, the Console class would switch the keypad to its
    /// application mode, and leave it so; it does not where it knows nothing about the terminal.
    /// </summary>
    public static void Use()
    {
        string? terminal = Environment.GetEnvironmentVariable("TERM");
        Environment.SetEnvironmentVariable("TERM", null);
        using (Stream output = Console.OpenStandardOutput()) output.Write([]);
        Environment.SetEnvironmentVariable("TERM", terminal);
    }
}
