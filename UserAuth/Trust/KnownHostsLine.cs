using System.Buffers;
using System.Security.Cryptography;
using System.Text;

namespace PersonalVpn.UserAuth;

/// <summary>
/// One line of a known_hosts file: <c>[@marker] names keytype base64 [comment]</c>. Names are a list of patterns with
/// '*', '?' and '!', or one hashed name <c>|1|base64 salt|base64 HMAC-SHA1(salt, name)</c>.
/// </summary>
/// <param name="Marker">Empty, <c>@revoked</c> or <c>@cert-authority</c>.</param>
/// <param name="Names">The names as they stand there.</param>
/// <param name="KeyText">Key type, base64 and comment.</param>
internal sealed record KnownHostsLine(string Marker, string Names, string KeyText)
{
    private static readonly SearchValues<char> NotInHostNames = SearchValues.Create(" \t\r\n,*?!|#@");

    /// <summary>The name a server goes by: the plain host for port 443, <c>[host]:port</c> for others.</summary>
    public static string NameOf(string host, int port)
    {
        ArgumentException.ThrowIfNullOrEmpty(host);
        ArgumentOutOfRangeException.ThrowIfLessThan(port, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(port, ushort.MaxValue);
        if (host.AsSpan().ContainsAny(NotInHostNames) || host.Any(char.IsControl))
        {
            throw new ArgumentException("host name holds characters that known_hosts gives a meaning to", nameof(host));
        }
        host = host.Trim('[', ']').ToLowerInvariant();
        return port == 443 ? host : $"[{host}]:{port}";
    }

    /// <summary>Splits a line; comments, blank lines and lines without three fields answer null.</summary>
    public static KnownHostsLine? Parse(string line)
    {
        line = line.Trim(' ', '\t', '\r');
        if (line.Length == 0 || line[0] == '#')
        {
            return null;
        }
        string marker = "";
        if (line[0] == '@')
        {
            string[] marked = line.Split([' ', '\t'], 2, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            if (marked.Length < 2)
            {
                return null;
            }
            (marker, line) = (marked[0], marked[1]);
        }
        string[] parts = line.Split([' ', '\t'], 2, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return parts.Length < 2 ? null : new KnownHostsLine(marker, parts[0], parts[1]);
    }

    /// <summary>Whether the line speaks of a server.</summary>
    /// <param name="name">As <see cref="NameOf"/> makes it.</param>
    public bool Matches(string name)
    {
        if (Names.StartsWith('|'))
        {
            return MatchesHash(name);
        }
        bool found = false;
        foreach (string entry in Names.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            bool negated = entry[0] == '!';
            if (MatchesPattern(negated ? entry.AsSpan(1) : entry, name))
            {
                if (negated)
                {
                    return false;
                }
                found = true;
            }
        }
        return found;
    }

    /// <summary>Whether the line names exactly this server and nothing else, so that removing the server removes the line.</summary>
    /// <param name="name">As <see cref="NameOf"/> makes it.</param>
    public bool IsFor(string name) => Names.StartsWith('|') ? MatchesHash(name) : Names.Equals(name, StringComparison.OrdinalIgnoreCase);

    private bool MatchesHash(string name)
    {
        string[] parts = Names.Split('|');
        Span<byte> salt = stackalloc byte[64];
        Span<byte> expected = stackalloc byte[64];
        if (parts.Length != 4 || parts[1] != "1" || !Convert.TryFromBase64String(parts[2], salt, out int saltLength)
            || !Convert.TryFromBase64String(parts[3], expected, out int length))
        {
            return false;
        }
        Span<byte> actual = stackalloc byte[HMACSHA1.HashSizeInBytes];
#pragma warning disable CA5350 // The file format is OpenSSH's; the hash hides names, it proves nothing.
        HMACSHA1.HashData(salt[..saltLength], Encoding.UTF8.GetBytes(name), actual);
#pragma warning restore CA5350
        return CryptographicOperations.FixedTimeEquals(actual, expected[..length]);
    }

    /// <summary>'*' any run, '?' any one character; letters without case. Linear in name times pattern, no recursion.</summary>
    private static bool MatchesPattern(ReadOnlySpan<char> pattern, ReadOnlySpan<char> name)
    {
        int p = 0, n = 0, star = -1, retry = 0;
        while (n < name.Length)
        {
            if (p < pattern.Length && pattern[p] == '*')
            {
                star = p++;
                retry = n;
            }
            else if (p < pattern.Length && (pattern[p] == '?' || char.ToLowerInvariant(pattern[p]) == name[n]))
            {
                p++;
                n++;
            }
            else if (star >= 0)
            {
                p = star + 1;
                n = ++retry;
            }
            else
            {
                return false;
            }
        }
        while (p < pattern.Length && pattern[p] == '*')
        {
            p++;
        }
        return p == pattern.Length;
    }
}
