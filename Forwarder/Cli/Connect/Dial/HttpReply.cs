using System.Text;

namespace PersonalVpn.Cli.Connect.Dial;

/// <summary>How far the reading of a reply's head has come.</summary>
internal enum HttpReplyState
{
    /// <summary>More bytes are needed.</summary>
    Reading,

    /// <summary>The empty line has come.</summary>
    Complete,

    /// <summary>It is no HTTP/1.x reply.</summary>
    Garbage,

    /// <summary>It is longer than <see cref="HttpReply.MaxBytes"/>.</summary>
    TooLong,
}

/// <summary>
/// The head of the reply to CONNECT (RFC 9112): status line and header fields up to the empty line, in whatever pieces it comes. It
/// says how many bytes of each piece are the head's; what follows is left alone. Interim replies (1xx) are passed over.
/// </summary>
internal sealed class HttpReply
{
    /// <summary>Most bytes that a head may have, interim replies together.</summary>
    public const int MaxBytes = 16 * 1024;

    private const int MaxReason = 80;

    private static readonly byte[] Beginning = "HTTP/1."u8.ToArray();

    private readonly List<byte> _head = [];
    private int _total;

    /// <summary>How far the reading has come.</summary>
    public HttpReplyState State { get; private set; }

    /// <summary>The status code.</summary>
    public int Status { get; private set; }

    /// <summary>The reason phrase, printable and cut.</summary>
    public string Reason { get; private set; } = "";

    /// <summary>The authentication schemes that the proxy offers (Proxy-Authenticate), as it writes them.</summary>
    public IReadOnlyList<string> Schemes { get; private set; } = [];

    /// <summary>Reads on. Returns how many of the bytes belong to the head; fewer than all only when it is complete or cannot be one.</summary>
    public int Feed(ReadOnlySpan<byte> bytes)
    {
        int taken = 0;
        while (taken < bytes.Length && State == HttpReplyState.Reading)
        {
            byte b = bytes[taken++];
            _head.Add(b);
            if (++_total > MaxBytes) State = HttpReplyState.TooLong;
            else if (_head.Count <= Beginning.Length && b != Beginning[_head.Count - 1]) State = HttpReplyState.Garbage;
            else if (b == '\n' && EndsWithEmptyLine()) Parse();
        }
        return taken;
    }

    // A bare LF ends a line, too (RFC 9112 2.2).
    private bool EndsWithEmptyLine()
    {
        int n = _head.Count;
        return (n >= 2 && _head[n - 2] == '\n') || (n >= 3 && _head[n - 2] == '\r' && _head[n - 3] == '\n');
    }

    private void Parse()
    {
        string[] lines = [.. Encoding.Latin1.GetString([.. _head]).Split('\n').Select(l => l.TrimEnd('\r'))];
        // HTTP/1.1 SP 200 SP reason
        string[] words = lines[0].Split(' ', 3);
        if (words.Length < 2 || words[0].Length != Beginning.Length + 1 || !char.IsAsciiDigit(words[0][^1]) || words[1].Length != 3 || !words[1].All(char.IsAsciiDigit))
        {
            State = HttpReplyState.Garbage;
            return;
        }
        Status = (words[1][0] - '0') * 100 + (words[1][1] - '0') * 10 + words[1][2] - '0';
        if (Status / 100 == 1)
        {
            _head.Clear();
            return;
        }
        string reason = new([.. (words.Length > 2 ? words[2] : "").Where(c => c is >= ' ' and <= '~').Take(MaxReason)]);
        Reason = reason.Trim();
        const string Field = "Proxy-Authenticate:";
        Schemes = [.. lines.Skip(1).Where(l => l.StartsWith(Field, StringComparison.OrdinalIgnoreCase))
            .Select(l => new string([.. l[Field.Length..].TrimStart().TakeWhile(char.IsAsciiLetterOrDigit)])).Where(s => s.Length is > 0 and < 32).Take(8)];
        State = HttpReplyState.Complete;
    }
}
