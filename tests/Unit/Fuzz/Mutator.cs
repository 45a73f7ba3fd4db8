using System.Globalization;
using System.Text;

namespace PersonalVpn.Unit.Fuzz;

/// <summary>
/// Seeded changes to good input: the same numbers give the same inputs on every machine, so a failure repeats. Inputs stay below
/// <see cref="MaxLength"/> bytes.
/// </summary>
internal sealed class Mutator(int seed, IReadOnlyList<byte[]> corpus, params string[] dictionary)
{
    public const int MaxLength = 4096;

    private static readonly byte[] Interesting = [0, 1, 2, 4, 7, 8, 0x0f, 0x10, 0x1f, 0x20, 0x22, 0x2c, 0x3d, 0x40, 0x45, 0x60, 0x7f, 0x80, 0x81, 0xc0, 0xfe, 0xff];

    private readonly byte[][] _dictionary = [.. dictionary.Select(Encoding.UTF8.GetBytes)];

    /// <summary>How many inputs a test takes: the usual number, or FUZZ_FACTOR (environment) times that for a long search.</summary>
    public static int Rounds(int usual) =>
        int.TryParse(Environment.GetEnvironmentVariable("FUZZ_FACTOR"), NumberStyles.None, CultureInfo.InvariantCulture, out int factor) ? checked(usual * factor) : usual;

    public Random Random { get; } = new(seed);

    /// <summary>The next input: now and then noise, mostly one of the corpus with a few changes.</summary>
    public byte[] Next()
    {
        if (Random.Next(20) == 0)
        {
            byte[] noise = new byte[Random.Next(200)];
            Random.NextBytes(noise);
            return noise;
        }
        List<byte> bytes = [.. Pick(corpus)];
        for (int changes = Random.Next(1, 5); changes > 0; changes--) Change(bytes);
        if (bytes.Count > MaxLength) bytes.RemoveRange(MaxLength, bytes.Count - MaxLength);
        return [.. bytes];
    }

    /// <summary>The next input as text; bytes that are not UTF-8 become replacement characters.</summary>
    public string NextText() => Encoding.UTF8.GetString(Next());

    private void Change(List<byte> bytes)
    {
        int at = Random.Next(bytes.Count + 1);
        switch (Random.Next(9))
        {
            case 0 when at < bytes.Count:
                bytes[at] ^= (byte)(1 << Random.Next(8));
                break;
            case 1 when at < bytes.Count:
                bytes[at] = Interesting[Random.Next(Interesting.Length)];
                break;
            case 2 when at < bytes.Count:
                bytes[at] = (byte)Random.Next(256);
                break;
            case 3:
                bytes.Insert(at, Interesting[Random.Next(Interesting.Length)]);
                break;
            case 4 when at < bytes.Count:
                bytes.RemoveRange(at, Random.Next(1, Math.Min(16, bytes.Count - at) + 1));
                break;
            case 5 when Random.Next(4) == 0:
                bytes.RemoveRange(at, bytes.Count - at);
                break;
            case 6 when at < bytes.Count:
                bytes.InsertRange(at, bytes.GetRange(at, Random.Next(1, Math.Min(64, bytes.Count - at) + 1)));
                break;
            case 7 when _dictionary.Length > 0:
                bytes.InsertRange(at, Pick(_dictionary));
                break;
            case 8:
                // The head of one input, the tail of another.
                byte[] other = Pick(corpus);
                bytes.RemoveRange(at, bytes.Count - at);
                bytes.AddRange(other.AsSpan(Random.Next(other.Length + 1)).ToArray());
                break;
        }
    }

    private byte[] Pick(IReadOnlyList<byte[]> from) => from[Random.Next(from.Count)];
}
