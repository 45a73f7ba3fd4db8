using System.Text;

namespace PersonalVpn.Server.Web;

/// <summary>
/// The head of one HTTP/1.x request (RFC 9112), judged. Whatever is not understood completely gets 400: there is nobody behind this
/// server to whom a request could mean something else.
/// </summary>
/// <param name="Status">0 = it can be answered; else the status that refuses it.</param>
/// <param name="Line">The request line, for the log.</param>
/// <param name="IsHead">HEAD: the answer has no body.</param>
/// <param name="Path">The decoded path, without query; begins with '/'.</param>
/// <param name="KeepAlive">Whether the connection may go on after the answer.</param>
internal sealed record HttpRequest(int Status, string Line, bool IsHead, string Path, bool KeepAlive)
{
    private static readonly UTF8Encoding StrictUtf8 = new(false, true);

    /// <summary>Judges a head: everything up to the empty line.</summary>
    public static HttpRequest Parse(ReadOnlySpan<byte> head)
    {
        string[] lines = Encoding.Latin1.GetString(head).TrimEnd('\n', '\r').Split('\n');
        for (int i = 0; i < lines.Length; i++)
            if (lines[i].EndsWith('\r')) lines[i] = lines[i][..^1];
        string line = lines[0];
        string[] words = line.Split(' ');
        if (words.Length != 3 || !IsToken(words[0]) || !words[2].StartsWith("HTTP/", StringComparison.Ordinal) || words[1].Any(c => c is <= ' ' or > '~')) return Refuse(400, line);
        if (words[2] is not ("HTTP/1.1" or "HTTP/1.0")) return Refuse(words[2].Length == 8 && char.IsAsciiDigit(words[2][5]) ? 505 : 400, line);

        int hosts = 0;
        bool close = words[2] == "HTTP/1.0", body = false;
        foreach (string field in lines.AsSpan(1))
        {
            int colon = field.IndexOf(':', StringComparison.Ordinal);
            // No folded lines, no blank before the colon, no control characters: where servers differ, requests are smuggled.
            if (colon <= 0 || !IsToken(field[..colon]) || field.AsSpan(colon).ContainsAnyInRange('\0', '\b') || field.AsSpan(colon).ContainsAnyInRange('\n', '\u001f')) return Refuse(400, line);
            string value = field[(colon + 1)..].Trim();
            switch (field[..colon].ToLowerInvariant())
            {
                case "host": hosts++; break;
                case "connection": close |= value.Contains("close", StringComparison.OrdinalIgnoreCase); break;
                case "content-length": body |= value != "0"; break;
                case "transfer-encoding": body = true; break;
            }
        }
        if (hosts > 1 || (hosts == 0 && words[2] == "HTTP/1.1")) return Refuse(400, line);
        if (words[0] is not ("GET" or "HEAD")) return Refuse(405, line);
        // A body is not read: the connection ends with the answer.
        return TryPath(words[1], out string path) ? new HttpRequest(0, line, words[0] == "HEAD", path, !close && !body) : Refuse(400, line);
    }

    /// <summary>A request that is refused without having been read.</summary>
    public static HttpRequest Refuse(int status, string line) => new(status, line, false, "/", false);

    private static bool TryPath(string target, out string path)
    {
        path = "";
        foreach (string scheme in new[] { "http://", "https://" })
        {
            if (!target.StartsWith(scheme, StringComparison.OrdinalIgnoreCase)) continue;
            int slash = target.IndexOf('/', scheme.Length);
            target = slash < 0 ? "/" : target[slash..];
        }
        if (!target.StartsWith('/')) return false;
        target = target.Split('?', '#')[0];
        byte[] bytes = new byte[target.Length];
        int n = 0;
        for (int i = 0; i < target.Length; i++)
        {
            int c = target[i];
            if (c == '%')
            {
                if (i + 2 >= target.Length || !char.IsAsciiHexDigit(target[i + 1]) || !char.IsAsciiHexDigit(target[i + 2])) return false;
                c = Convert.FromHexString(target.AsSpan(i + 1, 2))[0];
                i += 2;
            }
            if (c is < ' ' or 0x7f) return false;
            bytes[n++] = (byte)c;
        }
        try { path = StrictUtf8.GetString(bytes, 0, n); }
        catch (DecoderFallbackException) { return false; }
        return true;
    }

    private static bool IsToken(string text) => text.Length > 0 && text.All(c => char.IsAsciiLetterOrDigit(c) || "!#$%&'*+-.^_`|~".Contains(c, StringComparison.Ordinal));
}
