namespace PersonalVpn.Load;

/// <summary>Figures as text.</summary>
internal static class Report
{
    public static string Quantiles(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        if (sorted.Length == 0) return "none";
        return $"p50 {sorted[sorted.Length / 2]:0.000} p99 {sorted[(int)(sorted.Length * 0.99)]:0.000} max {sorted[^1]:0.000}";
    }
}
