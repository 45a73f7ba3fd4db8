using System.Globalization;

namespace PersonalVpn.Kernel.Lab;

/// <summary>Searches the memory of a running process, byte by byte.</summary>
public static class ProcessMemory
{
    /// <summary>Numbers lie in memory in either byte order; 24 bytes of one are enough to know it.</summary>
    public static bool HoldsNumber(int pid, byte[] number) => Holds(pid, number[^24..]);

    /// <summary>Whether the bytes, or the same bytes backwards, are anywhere in a process's writable memory.</summary>
    public static bool Holds(int pid, byte[] forward)
    {
        byte[] backward = [.. forward.Reverse()];
        using var memory = new FileStream($"/proc/{pid}/mem", FileMode.Open, FileAccess.Read, FileShare.ReadWrite, 0);
        foreach (string line in File.ReadLines($"/proc/{pid}/maps"))
        {
            string[] fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (!fields[1].StartsWith("rw", StringComparison.Ordinal)) continue;
            long[] ends = [.. fields[0].Split('-').Select(e => long.Parse(e, NumberStyles.HexNumber, CultureInfo.InvariantCulture))];
            if (Search(memory, ends[0], ends[1], forward, backward)) return true;
        }
        return false;
    }

    private static bool Search(FileStream memory, long from, long to, byte[] forward, byte[] backward)
    {
        byte[] piece = new byte[1 << 20];
        for (long at = from; at < to; at += piece.Length - forward.Length)
        {
            int n;
            try
            {
                memory.Position = at;
                n = memory.Read(piece, 0, (int)Math.Min(piece.Length, to - at));
            }
            catch (IOException)
            {
                return false; // reserved, not there
            }
            ReadOnlySpan<byte> got = piece.AsSpan(0, n);
            if (got.IndexOf(forward) >= 0 || got.IndexOf(backward) >= 0) return true;
            if (n < piece.Length) return false;
        }
        return false;
    }
}
