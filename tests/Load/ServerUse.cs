using System.Globalization;

namespace PersonalVpn.Load;

/// <summary>A process's memory and processor time, from /proc.</summary>
internal sealed record ServerUse(long PssKb, long AnonKb, double CpuSeconds)
{
    public static ServerUse Of(int pid)
    {
        if (pid == 0) return new ServerUse(0, 0, 0);
        string[] lines = File.ReadAllLines($"/proc/{pid}/smaps_rollup");
        string stat = File.ReadAllText($"/proc/{pid}/stat");
        string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        double ticks = double.Parse(fields[11], CultureInfo.InvariantCulture) + double.Parse(fields[12], CultureInfo.InvariantCulture);
        return new ServerUse(Kb(lines, "Pss:"), Kb(lines, "Pss_Anon:"), ticks / 100);
    }

    private static long Kb(string[] lines, string name) =>
        long.Parse(lines.First(l => l.StartsWith(name, StringComparison.Ordinal))[name.Length..].Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture);
}
