using System.Text;
using PersonalVpn.Cli;
using PersonalVpn.Cli.Config.Proxies;
using PersonalVpn.Cli.Connect.Dial;
using PersonalVpn.Linux;
using PersonalVpn.Unit.Support;
using Xunit;

namespace PersonalVpn.Unit.CliTests.Dial;

/// <summary>What is said to a proxy and made of its answer, over a real socket. (Real proxies are among the kernel tests.)</summary>
public sealed class ProxyTalkTests : IDisposable
{
    private readonly LinuxSocket _ours, _theirs;

    public ProxyTalkTests() => (_ours, _theirs) = LinuxSocket.StreamPair();

    public void Dispose()
    {
        _ours.Dispose();
        _theirs.Dispose();
    }

    [Theory]
    [InlineData("http://p:3128", "gw.example.org", "CONNECT gw.example.org:443 HTTP/1.1\r\nHost: gw.example.org:443\r\n\r\n")]
    [InlineData("http://p:3128", "2001:db8::1", "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\r\n")]
    [InlineData("http://Aladdin:open%20sesame@p:3128", "gw", "CONNECT gw:443 HTTP/1.1\r\nHost: gw:443\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n")] // RFC 7617's own
    public void The_request(string url, string host, string expected) => Assert.Equal(expected, Encoding.ASCII.GetString(HttpConnect.Request(Proxy(url), host, 443)));

    [Theory]
    [InlineData("a\r\nX-Injected: 1")]
    [InlineData("a b")]
    [InlineData("")]
    [InlineData("-x")]
    [InlineData("a:b")]
    public void A_name_that_is_none_is_not_sent(string host)
    {
        Assert.Contains("cannot be named to a proxy", Assert.Throws<UserError>(() => HttpConnect.Request(Proxy("http://p:1"), host, 443)).Message, StringComparison.Ordinal);
        Assert.Contains("cannot be named to a proxy", Assert.Throws<UserError>(() => Socks5.Run(Talk("socks5://p:1"), Proxy("socks5://p:1"), host, 443)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_follows_later_is_left_in_the_socket()
    {
        _theirs.Send("HTTP/1.1 200 OK\r\n\r\n"u8);
        HttpConnect.Run(Talk("http://p:1"), Proxy("http://p:1"), "gw", 443);
        _theirs.Send("from the gateway"u8);
        byte[] rest = new byte[64];
        Assert.Equal("from the gateway", Encoding.ASCII.GetString(rest, 0, _ours.Receive(rest)));
    }

    [Theory]
    [InlineData("http://p:1", "HTTP/1.1 407 Required\r\nProxy-Authenticate: Basic realm=x\r\n\r\n", "the http proxy p:1 wants a user and a password (407 Required); name the user in Proxy, and the password in ProxyPasswordFile")]
    [InlineData("http://u:secret@p:1", "HTTP/1.1 407 Required\r\nProxy-Authenticate: Basic realm=x\r\n\r\n", "the http proxy p:1 does not accept user u with that password (407 Required); check Proxy and ProxyPasswordFile, or https_proxy")]
    [InlineData("http://u:secret@p:1", "HTTP/1.1 407 Required\r\nProxy-Authenticate: NTLM\r\n\r\n", "the http proxy p:1 wants a login by NTLM, and pvpn knows Basic alone; a ProxyCommand may know more")]
    [InlineData("http://p:1", "HTTP/1.1 403 Forbidden\r\n\r\n", "the http proxy p:1 forbids a connection to gw port 443 (403 Forbidden); many allow port 443 alone, ask its administrator")]
    [InlineData("http://p:1", "HTTP/1.1 502 Bad Gateway\r\n\r\n", "the http proxy p:1 cannot reach gw port 443 (502 Bad Gateway); check name and port, or ask its administrator")]
    [InlineData("http://p:1", "HTTP/1.1 302\r\n\r\n", "the http proxy p:1 refuses a connection to gw port 443 (302); ask its administrator")]
    [InlineData("http://p:1", "SSH-2.0-OpenSSH\r\n", "the http proxy p:1 does not answer as an HTTP proxy does; check kind, host and port of the proxy")]
    [InlineData("http://p:1", "HTTP/1.1 200 OK\r\n\r\nmore", "the http proxy p:1 sends bytes of its own behind its answer; it carries no TLS, use another one")]
    [InlineData("socks5://p:1", "05 ff", "the socks5 proxy p:1 wants a login; name the user in Proxy, and the password in ProxyPasswordFile")]
    [InlineData("socks5://u:secret@p:1", "05 ff", "the socks5 proxy p:1 wants another kind of login than user and password; a ProxyCommand may know it")]
    [InlineData("socks5://u:secret@p:1", "05 02 01 01", "the socks5 proxy p:1 does not accept user u with that password; check Proxy and ProxyPasswordFile, or all_proxy")]
    [InlineData("socks5://u:secret@p:1", "05 02 05 00", "the socks5 proxy p:1 does not answer as a SOCKS proxy does; check kind, host and port of the proxy")]
    [InlineData("socks5://p:1", "04 5a", "the socks5 proxy p:1 does not answer as a SOCKS proxy does; check kind, host and port of the proxy")]
    [InlineData("socks5://p:1", "05 00 05 02", "the socks5 proxy p:1 forbids a connection to gw port 443; ask its administrator")]
    [InlineData("socks5://p:1", "05 00 05 04", "the socks5 proxy p:1 cannot reach gw port 443 (host unreachable, or no such name); check name and port, or ask its administrator")]
    [InlineData("socks5://p:1", "05 00 05 05", "the socks5 proxy p:1 reached gw, but port 443 refused the connection; is pvpn-server running there, on that port?")]
    [InlineData("socks5://p:1", "05 00 05 01", "the socks5 proxy p:1 could not connect to gw port 443 (reply 1); its log may say why")]
    [InlineData("socks5://p:1", "05 00 05 00 00 02", "the socks5 proxy p:1 does not answer as a SOCKS proxy does; check kind, host and port of the proxy")]
    [InlineData("socks5://p:1", "05 00 05 00 00 01 00 00 00 00 00 00 16", "the socks5 proxy p:1 sends bytes of its own behind its answer; it carries no TLS, use another one")]
    public void Every_refusal_is_one_line_without_the_password(string url, string answer, string expected)
    {
        _theirs.Send(url[0] == 's' ? Hex.Bytes(answer) : Encoding.Latin1.GetBytes(answer));
        string said = Assert.Throws<UserError>(() => Run(url)).Message;
        Assert.Equal(expected, said);
        Assert.DoesNotContain("secret", said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("http://p:1")]
    [InlineData("socks5://p:1")]
    public void Silence_an_early_end_and_a_reset(string url)
    {
        Assert.Equal($"the {Proxy(url).Name} did not answer within 0 s (ConnectTimeout); is it a proxy of that kind, and can it reach the gateway?", Assert.Throws<UserError>(() => Run(url, 0.1)).Message);
        _theirs.Send(url[0] == 's' ? [5] : "HTTP/1.1 2"u8);
        _theirs.ShutdownSend();
        Assert.Equal($"the {Proxy(url).Name} closed the connection without a full answer; its log may say why", Assert.Throws<UserError>(() => Run(url)).Message);
        _theirs.Dispose();
        Assert.StartsWith($"the connection to the {Proxy(url).Name} was lost: ", Assert.Throws<UserError>(() => Run(url)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("gw", "03 02 6777")]
    [InlineData("192.0.2.1", "01 c0000201")]
    [InlineData("2001:db8::1", "04 20010db8000000000000000000000001")]
    public void What_socks_is_told(string host, string address)
    {
        foreach (string bound in new[] { "01 00000000", "04 00000000000000000000000000000000", "03 05 68656c6c6f" })
        {
            _theirs.Send(Hex.Bytes($"05 02 01 00 05 00 00 {bound} 0000"));
            Socks5.Run(Talk("socks5://u:pw@p:1"), Proxy("socks5://u:pw@p:1"), host, 443);
            byte[] all = new byte[256];
            Assert.Equal(Hex.Bytes($"05 02 00 02 | 01 01 75 02 7077 | 05 01 00 {address} 01bb"), all[.._theirs.Receive(all)]);
        }
    }

    private void Run(string url, double seconds = 5)
    {
        if (Proxy(url).Kind == ProxyKind.Http) HttpConnect.Run(Talk(url, seconds), Proxy(url), "gw", 443);
        else Socks5.Run(Talk(url, seconds), Proxy(url), "gw", 443);
    }

    private ProxyTalk Talk(string url, double seconds = 5) => new(_ours, Proxy(url), new Deadline(TimeSpan.FromSeconds(seconds)));

    private static ProxyServer Proxy(string url)
    {
        Assert.True(ProxyServer.TryParse(url, out ProxyServer proxy, out string error), error);
        return proxy;
    }
}
