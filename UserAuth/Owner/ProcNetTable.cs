using System.Buffers;
using Microsoft.Win32.SafeHandles;

namespace PersonalVpn.UserAuth;

/// <summary>Reads a /proc/net table row by row from a pooled buffer; no string is made.</summary>
internal static class ProcNetTable
{
    private const int BufferBytes = 64 * 1024; // the kernel hands out whole rows, a page or more at a time

    /// <summary>Gives every row to <paramref name="search"/>.</summary>
    /// <param name="path">The table's file.</param>
    /// <param name="v6">Whether its addresses are IPv6.</param>
    /// <param name="search">Told of every row.</param>
    /// <returns>False when there is no such table (IPv6 or the protocol is not in this kernel).</returns>
    /// <exception cref="IOException">The table exists but cannot be read.</exception>
    public static bool Read(string path, bool v6, ref OwnerSearch search)
    {
        SafeFileHandle handle;
        try
        {
            handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return false;
        }
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            using (handle)
            {
                int kept = 0;
                long offset = 0;
                while (true)
                {
                    int n = RandomAccess.Read(handle, buffer.AsSpan(kept), offset);
                    if (n == 0)
                    {
                        Rows(buffer.AsSpan(0, kept), v6, ref search, last: true);
                        return true;
                    }
                    offset += n;
                    int used = Rows(buffer.AsSpan(0, kept + n), v6, ref search, last: false);
                    if (search.IsSettled)
                    {
                        return true; // the rest of the table costs milliseconds
                    }
                    kept = kept + n - used;
                    if (kept == buffer.Length)
                    {
                        kept = 0; // a line of 64 KiB is none of the kernel's: it is dropped
                    }
                    buffer.AsSpan(used, used == 0 ? 0 : kept).CopyTo(buffer);
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Parses whole lines; answers how many bytes were used.</summary>
    private static int Rows(ReadOnlySpan<byte> text, bool v6, ref OwnerSearch search, bool last)
    {
        int used = 0;
        while (used < text.Length)
        {
            ReadOnlySpan<byte> rest = text[used..];
            int end = rest.IndexOf((byte)'\n');
            if (end < 0 && !last)
            {
                break;
            }
            if (ProcNetRow.TryParse(end < 0 ? rest : rest[..end], v6, out ProcNetRow row))
            {
                search.Add(row, v6);
            }
            used += end < 0 ? rest.Length : end + 1;
        }
        return used;
    }
}
