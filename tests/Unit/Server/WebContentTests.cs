using System.Text;
using PersonalVpn.Server.Web;
using PersonalVpn.Unit.UserAuthTests;
using Xunit;

namespace PersonalVpn.Unit.Server;

/// <summary>What a request may look like, and which file it gets.</summary>
public sealed class WebContentTests
{
    [Theory]
    [InlineData("GET / HTTP/1.1\r\nHost: a", 0, "/")]
    [InlineData("GET / HTTP/1.0", 0, "/")]
    [InlineData("HEAD /a%20b?c#d HTTP/1.1\nHost:a", 0, "/a b")]
    [InlineData("GET http://a.example/x HTTP/1.1\r\nHost: a", 0, "/x")]
    [InlineData("GET https://a.example HTTP/1.1\r\nHost: a", 0, "/")]
    [InlineData("GET /%c3%84 HTTP/1.1\r\nHost: a", 0, "/Ä")]
    [InlineData("GET / HTTP/1.1", 400, "/")] // no Host
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nHost: b", 400, "/")]
    [InlineData("GET / HTTP/1.1\r\nHost : a", 400, "/")]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\n folded", 400, "/")]
    [InlineData("GET / HTTP/1.1\r\nHost: a\u0001", 400, "/")]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nX: \rY: b", 400, "/")]
    [InlineData("GET /%00 HTTP/1.1\r\nHost: a", 400, "/")]
    [InlineData("GET /%0a HTTP/1.1\r\nHost: a", 400, "/")]
    [InlineData("GET /% HTTP/1.1\r\nHost: a", 400, "/")]
    [InlineData("GET /%f HTTP/1.1\r\nHost: a", 400, "/")]
    [InlineData("GET /%ff HTTP/1.1\r\nHost: a", 400, "/")]
    [InlineData("GET x HTTP/1.1\r\nHost: a", 400, "/")]
    [InlineData("GET  / HTTP/1.1\r\nHost: a", 400, "/")]
    [InlineData("GET /", 400, "/")]
    [InlineData("G\u0001T / HTTP/1.1\r\nHost: a", 400, "/")]
    [InlineData("GET / HTTP/2.0\r\nHost: a", 505, "/")]
    [InlineData("GET / HTTP/x", 400, "/")]
    [InlineData("POST / HTTP/1.1\r\nHost: a", 405, "/")]
    [InlineData("OPTIONS * HTTP/1.1\r\nHost: a", 405, "/")]
    [InlineData("CONNECT a:443 HTTP/1.1\r\nHost: a", 405, "/")]
    public void A_head_is_judged(string head, int status, string path)
    {
        HttpRequest request = HttpRequest.Parse(Encoding.Latin1.GetBytes(head));
        Assert.Equal((status, path), (request.Status, request.Path));
        Assert.Equal(head.StartsWith("HEAD", StringComparison.Ordinal) && status == 0, request.IsHead);
    }

    [Theory]
    [InlineData("GET / HTTP/1.1\r\nHost: a", true)]
    [InlineData("GET / HTTP/1.0", false)]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nConnection: Close", false)]
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5", false)] // a body would have to be read
    [InlineData("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked", false)]
    public void What_goes_on_after_the_answer(string head, bool keepAlive) => Assert.Equal(keepAlive, HttpRequest.Parse(Encoding.ASCII.GetBytes(head)).KeepAlive);

    [Fact]
    public void Any_bytes_have_an_answer()
    {
        var random = new Random(7570);
        byte[] start = "GET / HTTP/1.1\r\nHost: a\r\nX: y"u8.ToArray();
        for (int i = 0; i < 20_000; i++)
        {
            byte[] bytes = [.. start];
            for (int n = random.Next(8); n >= 0; n--) bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            HttpRequest request = HttpRequest.Parse(bytes.AsSpan(0, random.Next(bytes.Length + 1)));
            Assert.Contains(request.Status, new[] { 0, 400, 405, 505 });
            using WebAnswer answer = WebContent.Of(null, request.Path);
            Assert.Contains(answer.Status, new[] { 200, 404 });
        }
    }

    [Theory]
    [InlineData("/", 200)]
    [InlineData("/index.html", 200)]
    [InlineData("/x", 404)]
    [InlineData("/.", 404)]
    public void Without_a_root_there_is_one_page(string path, int status)
    {
        using WebAnswer answer = WebContent.Of(null, path);
        Assert.Equal(status, answer.Status);
    }

    [Theory]
    [InlineData("/a.txt", 200, "text/plain; charset=utf-8")]
    [InlineData("/d", 301, "text/html; charset=utf-8")]
    [InlineData("/d/", 404, "text/html; charset=utf-8")]
    [InlineData("/a.txt/", 404, "text/html; charset=utf-8")]
    [InlineData("/out", 404, "text/html; charset=utf-8")]
    [InlineData("/out/passwd", 404, "text/html; charset=utf-8")]
    [InlineData("/../a.txt", 404, "text/html; charset=utf-8")]
    [InlineData("/.hidden", 404, "text/html; charset=utf-8")]
    [InlineData("/private.txt", 404, "text/html; charset=utf-8")]
    [InlineData("/d/up/a.txt", 200, "text/plain; charset=utf-8")] // a link that stays inside
    public void A_root_is_not_left(string path, int status, string type)
    {
        using var directory = new TempDirectory();
        string root = Path.Combine(directory.Root, "root");
        Directory.CreateDirectory(Path.Combine(root, "d"));
        File.WriteAllText(Path.Combine(root, "a.txt"), "x");
        File.WriteAllText(Path.Combine(root, ".hidden"), "x");
        File.WriteAllText(Path.Combine(root, "private.txt"), "x");
        File.SetUnixFileMode(Path.Combine(root, "a.txt"), (UnixFileMode)0b110_100_100);
        File.SetUnixFileMode(Path.Combine(root, "d"), (UnixFileMode)0b111_101_101);
        File.SetUnixFileMode(Path.Combine(root, "private.txt"), (UnixFileMode)0b110_000_000);
        File.CreateSymbolicLink(Path.Combine(root, "out"), "/etc");
        File.CreateSymbolicLink(Path.Combine(root, "d", "up"), "..");
        using WebAnswer answer = WebContent.Of(root, path);
        Assert.Equal((status, type), (answer.Status, answer.ContentType));
        Assert.Equal(status == 200, answer.File is not null);
    }

    [Fact]
    public void A_root_that_is_gone_is_an_error_of_the_servers() =>
        Assert.Throws<PersonalVpn.Linux.LinuxException>(() => WebContent.Of("/nowhere/at/all", "/"));
}
