using System.Text;
using PersonalVpn.Cli.Connect.Dial;
using Xunit;

namespace PersonalVpn.Unit.CliTests.Dial;

/// <summary>The head of a proxy's reply, in whatever pieces it comes; not one byte behind it is taken.</summary>
public sealed class HttpReplyTests
{
    private const string Tls = "\u0016\u0003\u0003\u0000\u0005hello\r\n\r\n";

    [Theory]
    [InlineData("HTTP/1.1 200 Connection established\r\n\r\n", 200, "Connection established")]
    [InlineData("HTTP/1.0 200 OK\r\nProxy-Agent: tinyproxy/1.11.1\r\n\r\n", 200, "OK")]
    [InlineData("HTTP/1.1 204\r\n\r\n", 204, "")]
    [InlineData("HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\n", 200, "")] // meaningless here (RFC 9110 9.3.6)
    [InlineData("HTTP/1.1 200 bare line feeds\n\n", 200, "bare line feeds")]
    [InlineData("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 then\r\n\r\n", 200, "then")]
    [InlineData("HTTP/1.1 403 For\u001b[31mbidden\u0007\r\n\r\n", 403, "For[31mbidden")]
    public void In_any_pieces_and_not_one_byte_more(string head, int status, string reason)
    {
        byte[] all = Encoding.Latin1.GetBytes(head + Tls);
        foreach (int piece in new[] { 1, 2, 3, 7, 64, all.Length })
        {
            var reply = new HttpReply();
            int taken = 0;
            for (int at = 0; at < all.Length && reply.State == HttpReplyState.Reading; at += piece)
                taken += reply.Feed(all.AsSpan(at, Math.Min(piece, all.Length - at)));
            Assert.Equal((HttpReplyState.Complete, status, reason), (reply.State, reply.Status, reply.Reason));
            Assert.Equal(head.Length, taken);
        }
    }

    [Theory]
    [InlineData("SSH-2.0-OpenSSH_9.2\r\n")]
    [InlineData("\u0015\u0003\u0003\u0000\u0002\u0002(")]
    [InlineData("\u0005\u0000")]
    [InlineData("HTTP/2 200 OK\r\n\r\n")]
    [InlineData("HTTP/1.1 OK\r\n\r\n")]
    [InlineData("HTTP/1.1 2000 OK\r\n\r\n")]
    [InlineData("HTTP/1.1\r\n\r\n")]
    [InlineData("\r\n\r\n")]
    public void Garbage(string text)
    {
        var reply = new HttpReply();
        reply.Feed(Encoding.Latin1.GetBytes(text));
        Assert.Equal(HttpReplyState.Garbage, reply.State);
    }

    [Fact]
    public void A_head_without_end_is_not_read_for_ever()
    {
        var reply = new HttpReply();
        byte[] field = Encoding.ASCII.GetBytes("X: y\r\n");
        int taken = reply.Feed("HTTP/1.1 200 OK\r\n"u8);
        for (int i = 0; i < 100_000 && reply.State == HttpReplyState.Reading; i++) taken += reply.Feed(field);
        Assert.Equal((HttpReplyState.TooLong, HttpReply.MaxBytes + 1), (reply.State, taken));
        // Interim replies count, too.
        reply = new HttpReply();
        for (int i = 0; i < 100_000 && reply.State == HttpReplyState.Reading; i++) reply.Feed("HTTP/1.1 100 Continue\r\n\r\n"u8);
        Assert.Equal(HttpReplyState.TooLong, reply.State);
    }

    [Fact]
    public void The_login_schemes_that_are_offered()
    {
        var reply = new HttpReply();
        reply.Feed("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Negotiate\r\nproxy-authenticate: NTLM TlRM\r\nProxy-Authenticate:Basic realm=\"x\"\r\n\r\n"u8);
        Assert.Equal(["Negotiate", "NTLM", "Basic"], reply.Schemes);
    }

    [Fact]
    public void Random_bytes_never_throw()
    {
        var random = new Random(8305);
        for (int i = 0; i < 20_000; i++)
        {
            byte[] bytes = new byte[random.Next(200)];
            random.NextBytes(bytes);
            for (int b = 0; b < bytes.Length; b++)
                if (random.Next(3) == 0) bytes[b] = (byte)"HTTP/1. 200\r\n:"[random.Next(14)];
            var reply = new HttpReply();
            if (random.Next(2) == 0) reply.Feed("HTTP/1.1 "u8);
            int taken = reply.Feed(bytes);
            Assert.InRange(taken, 0, bytes.Length);
        }
    }
}
