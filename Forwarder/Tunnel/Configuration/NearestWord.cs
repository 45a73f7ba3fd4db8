namespace PersonalVpn.Tunnel.Configuration;

/// <summary>"Did you mean": the valid word nearest to a misspelt one.</summary>
public static class NearestWord
{
    /// <summary>The nearest, or null when none is near: a third of its letters may be wrong, and two in any case.</summary>
    public static string? Find(string word, IEnumerable<string> valid) => Find(word, valid, v => Math.Max(2, v.Length / 3));

    /// <summary>The nearest within the distance that <paramref name="limit"/> allows for each.</summary>
    public static string? Find(string word, IEnumerable<string> valid, Func<string, int> limit) => valid
        .Select(v => (v, d: Distance(word.ToLowerInvariant(), v.ToLowerInvariant())))
        .Where(p => p.d <= limit(p.v)).OrderBy(p => p.d).Select(p => p.v).FirstOrDefault();

    /// <summary>Letters to insert, remove, replace, or swap with their neighbour (Damerau's distance, optimal string alignment).</summary>
    public static int Distance(string a, string b)
    {
        int[] twoBefore = [], before = [.. Enumerable.Range(0, b.Length + 1)];
        for (int i = 1; i <= a.Length; i++)
        {
            int[] now = new int[b.Length + 1];
            now[0] = i;
            for (int j = 1; j <= b.Length; j++)
            {
                now[j] = Math.Min(Math.Min(before[j], now[j - 1]) + 1, before[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) now[j] = Math.Min(now[j], twoBefore[j - 2] + 1);
            }
            (twoBefore, before) = (before, now);
        }
        return before[b.Length];
    }
}
