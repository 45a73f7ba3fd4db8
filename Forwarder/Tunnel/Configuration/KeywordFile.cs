using System.Text;
using Microsoft.Win32.SafeHandles;
using PersonalVpn.Linux;

namespace PersonalVpn.Tunnel.Configuration;

/// <summary>Reads <c>Keyword value</c> files: one pair a line, <c>#</c> starts a comment, <c>Keyword=value</c> is accepted as in ssh_config.</summary>
public static class KeywordFile
{
    private const int MaxBytes = 1 << 20;

    /// <summary>Reads a file or throws <see cref="ConfigurationException"/> with one line that says why it cannot be read.</summary>
    /// <param name="path">The file.</param>
    /// <param name="owner">A user's own configuration: refused when anybody but this user and root could have written it.</param>
    public static List<KeywordLine> Read(string path, uint? owner = null)
    {
        try
        {
            if (Directory.Exists(path)) throw new ConfigurationException($"{path}: cannot be read: it is a directory; name the file in it");
            using SafeFileHandle file = File.OpenHandle(path);
            FileOwner whose = FileOwner.Of(file);
            if (owner is { } uid && !whose.IsSafeFor(uid))
                throw new ConfigurationException($"{path}: others could have written it; make it yours alone: chown {uid} and chmod go-w {path}");
            using var stream = new FileStream(file, FileAccess.Read, 1);
            byte[] bytes = new byte[MaxBytes + 1];
            int length = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            if (length > MaxBytes) throw new ConfigurationException($"{path}: larger than {MaxBytes} bytes; is it a configuration file?");
            bool shared = (whose.Mode & (UnixFileMode.GroupRead | UnixFileMode.OtherRead)) != 0;
            return [.. Parse(path, Encoding.UTF8.GetString(bytes.AsSpan(0, length))).Select(l => l with { ReadableByOthers = shared })];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationException($"{path}: cannot be read: {Reason(e)}", e);
        }
    }

    /// <summary>Parses the text of a file; <paramref name="path"/> is for messages only.</summary>
    public static List<KeywordLine> Parse(string path, string text)
    {
        var lines = new List<KeywordLine>();
        int number = 0;
        foreach (ReadOnlySpan<char> raw in text.AsSpan().EnumerateLines())
        {
            number++;
            if (Line(path, number, raw.Trim()) is { } line) lines.Add(line);
        }
        return lines;
    }

    /// <summary>An option's <c>Keyword=value</c>: one line, or null.</summary>
    public static KeywordLine? ParseOption(string name, string text) => text.AsSpan().ContainsAny('\n', '\r') ? null : Line(name, 0, text.AsSpan().Trim());

    private static KeywordLine? Line(string path, int number, ReadOnlySpan<char> line)
    {
        if (line.IsEmpty || line[0] == '#') return null;
        int end = line.IndexOfAny(" \t=");
        string keyword = (end < 0 ? line : line[..end]).ToString();
        ReadOnlySpan<char> value = end < 0 ? default : line[end..].TrimStart();
        if (!value.IsEmpty && value[0] == '=') value = value[1..].TrimStart();
        return new KeywordLine(path, number, keyword, value.ToString());
    }

    private static string Reason(Exception e) => e switch
    {
        FileNotFoundException or DirectoryNotFoundException => "no such file",
        UnauthorizedAccessException => "permission denied; check its mode and that of its directories",
        _ => e.Message,
    };
}
