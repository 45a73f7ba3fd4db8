using System.Text;
using Microsoft.Win32.SafeHandles;
using PersonalVpn.Linux;

namespace PersonalVpn.Server.Web;

/// <summary>One answer. Whoever gets it disposes it.</summary>
/// <param name="Status">HTTP status.</param>
/// <param name="ContentType">Media type of the body.</param>
/// <param name="Body">A short body; empty where <paramref name="File"/> is the body.</param>
/// <param name="File">An open file, to be sent piece by piece; null = <paramref name="Body"/>.</param>
/// <param name="Field">One more line of the head, or null.</param>
internal sealed record WebAnswer(int Status, string ContentType, byte[] Body, SafeFileHandle? File = null, string? Field = null) : IDisposable
{
    public void Dispose() => File?.Dispose();
}

/// <summary>
/// What the web side of the port says: the files below WebRoot, or one short page that says nothing. Never a list of a directory, never
/// a name that begins with a dot, never what lies outside (<see cref="FileBeneath"/>). Everything that is not given is "not found":
/// that it is there would say something, too.
/// </summary>
internal static class WebContent
{
    private const string Html = "text/html; charset=utf-8", Text = "text/plain; charset=utf-8";
    private static readonly byte[] Page = "<!DOCTYPE html>\n<html>\n<head><title>Welcome</title></head>\n<body><h1>It works!</h1></body>\n</html>\n"u8.ToArray();

    private static readonly Dictionary<string, string> Types = new(StringComparer.OrdinalIgnoreCase)
    {
        [".html"] = Html,
        [".htm"] = Html,
        [".css"] = "text/css; charset=utf-8",
        [".js"] = "text/javascript; charset=utf-8",
        [".mjs"] = "text/javascript; charset=utf-8",
        [".txt"] = Text,
        [".md"] = Text,
        [".csv"] = "text/csv; charset=utf-8",
        [".json"] = "application/json",
        [".xml"] = "application/xml",
        [".pdf"] = "application/pdf",
        [".png"] = "image/png",
        [".jpg"] = "image/jpeg",
        [".jpeg"] = "image/jpeg",
        [".gif"] = "image/gif",
        [".webp"] = "image/webp",
        [".svg"] = "image/svg+xml",
        [".ico"] = "image/x-icon",
        [".woff"] = "font/woff",
        [".woff2"] = "font/woff2",
        [".wasm"] = "application/wasm",
        [".mp4"] = "video/mp4",
        [".webm"] = "video/webm",
        [".mp3"] = "audio/mpeg",
        [".gz"] = "application/gzip",
        [".zip"] = "application/zip",
    };

    /// <summary>The answer to GET of a path.</summary>
    /// <param name="root">WebRoot, or null.</param>
    /// <param name="path">Decoded, begins with '/'.</param>
    public static WebAnswer Of(string? root, string path)
    {
        string[] parts = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        if (Array.Exists(parts, p => p.StartsWith('.'))) return Error(404);
        bool directory = path.EndsWith('/');
        if (root is null) return parts.Length == 0 || (parts is ["index.html"] && !directory) ? new WebAnswer(200, Html, Page) : Error(404);
        string name = string.Join('/', directory ? [.. parts, "index.html"] : parts);
        return FileBeneath.Open(root, name, out SafeFileHandle? file) switch
        {
            FileBeneathKind.File => new WebAnswer(200, Types.GetValueOrDefault(Path.GetExtension(name), "application/octet-stream"), [], file),
            FileBeneathKind.Directory when !directory => Error(301, $"Location: /{string.Join('/', parts.Select(Uri.EscapeDataString))}/"),
            _ => Error(404),
        };
    }

    /// <summary>The answer that says no.</summary>
    /// <param name="status">HTTP status.</param>
    /// <param name="field">One more line of the head, or null.</param>
    /// <param name="text">What to say instead of the status's own phrase.</param>
    public static WebAnswer Error(int status, string? field = null, string? text = null)
    {
        string title = $"{status} {text ?? Phrase(status)}";
        return new WebAnswer(status, Html, Encoding.ASCII.GetBytes($"<!DOCTYPE html>\n<html>\n<head><title>{title}</title></head>\n<body><h1>{title}</h1></body>\n</html>\n"), null, field);
    }

    /// <summary>A status's phrase.</summary>
    public static string Phrase(int status) => status switch
    {
        200 => "OK",
        301 => "Moved Permanently",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        414 => "URI Too Long",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        _ => "HTTP Version Not Supported",
    };
}
