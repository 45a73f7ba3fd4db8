using PersonalVpn.Cli.Config.Proxies;
using PersonalVpn.Tunnel.Configuration;
using Xunit;

namespace PersonalVpn.Unit.CliTests.Dial;

/// <summary>URLs of proxies, and what the environment says of them.</summary>
public sealed class ProxyServerTests
{
    [Theory]
    [InlineData("http://proxy.example.org:3128", 0, "proxy.example.org", 3128, null, null)]
    [InlineData("HTTP://proxy:3128/", 0, "proxy", 3128, null, null)]
    [InlineData("proxy:8080", 0, "proxy", 8080, null, null)]
    [InlineData("alice:pw@proxy:8080", 0, "proxy", 8080, "alice", "pw")]
    [InlineData("socks5://192.0.2.1:1080", 1, "192.0.2.1", 1080, null, null)]
    [InlineData("socks5h://alice@[2001:db8::1]:1080", 1, "2001:db8::1", 1080, "alice", null)]
    [InlineData("http://ali%63e:p%40ss%3a%2Fw%25@proxy:1", 0, "proxy", 1, "alice", "p@ss:/w%")]
    [InlineData("http://alice:a:b@proxy:1", 0, "proxy", 1, "alice", "a:b")]
    [InlineData("http://alice:p@ss@proxy:1", 0, "proxy", 1, "alice", "p@ss")] // the last @, as curl
    [InlineData("http://alice:%E2%82%AC@proxy:1", 0, "proxy", 1, "alice", "€")]
    public void Good(string url, int kind, string host, int port, string? user, string? password)
    {
        Assert.True(ProxyServer.TryParse(url, out ProxyServer proxy, out string error), error);
        Assert.Equal(((ProxyKind)kind, host, port, user, password), (proxy.Kind, proxy.Host, proxy.Port, proxy.User, proxy.Password));
        if (password is not null) Assert.DoesNotContain($":{password}", proxy.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("https://proxy:443", "scheme")]
    [InlineData("socks4://proxy:1080", "scheme")]
    [InlineData("://proxy:1", "scheme")]
    [InlineData("http://proxy", "port")]
    [InlineData("http://proxy:", "port")]
    [InlineData("http://proxy:0", "port")]
    [InlineData("http://proxy:65536", "port")]
    [InlineData("http://2001:db8::1:3128", "port")]
    [InlineData("http://:3128", "port")]
    [InlineData("http://[::1]", "port")]
    [InlineData("http://[proxy]:1", "port")]
    [InlineData("http://pro xy:1", "host")]
    [InlineData("http://pro\r\nxy:1", "host")]
    [InlineData("http://-oX:1", "host")]
    [InlineData("http://proxy:1/path", "behind host:port")]
    [InlineData("http://u:sec/ret@proxy:1", "behind host:port")]
    [InlineData("http://:secret@proxy:1", "user or password")]
    [InlineData("http://u:@proxy:1", "user or password")]
    [InlineData("http://u:secret%2@proxy:1", "user or password")]
    [InlineData("http://u:secret%zz@proxy:1", "user or password")]
    [InlineData("http://u:secret%0a@proxy:1", "user or password")]
    [InlineData("http://u%3ax:secret@proxy:1", "colon")]
    [InlineData("", "port")]
    public void Bad(string url, string about)
    {
        Assert.False(ProxyServer.TryParse(url, out _, out string error));
        Assert.Contains(about, error, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_password_is_as_long_as_RFC_1929_lets_it()
    {
        Assert.True(ProxyServer.TryParse($"socks5://u:{new string('x', 255)}@p:1", out _, out _));
        Assert.False(ProxyServer.TryParse($"socks5://u:{new string('x', 256)}@p:1", out _, out _));
    }

    [Theory]
    [InlineData(null, "gw.example.org", 443, false)]
    [InlineData("", "gw.example.org", 443, false)]
    [InlineData("*", "gw.example.org", 443, true)]
    [InlineData("a,*", "192.0.2.1", 443, true)]
    [InlineData("*.org", "gw.example.org", 443, false)] // as curl: * stands alone
    [InlineData("example.org", "gw.example.org", 443, true)]
    [InlineData(".example.org", "gw.example.org", 443, true)]
    [InlineData("EXAMPLE.ORG.", "gw.Example.org", 443, true)]
    [InlineData("gw.example.org", "gw.example.org.", 443, true)]
    [InlineData("ample.org", "gw.example.org", 443, false)]
    [InlineData("other, gw.example.org", "gw.example.org", 443, true)]
    [InlineData("other gw.example.org", "gw.example.org", 443, true)]
    [InlineData("gw.example.org:443", "gw.example.org", 443, true)]
    [InlineData("gw.example.org:8443", "gw.example.org", 443, false)]
    [InlineData("gw.example.org:x", "gw.example.org", 443, false)]
    [InlineData("192.0.2.1", "192.0.2.1", 443, true)]
    [InlineData("2.1", "192.0.2.1", 443, false)] // no suffix of an address
    [InlineData("192.0.2.0/24", "192.0.2.200", 443, true)]
    [InlineData("192.0.2.77/24", "192.0.2.200", 443, true)] // curl does not mind host bits
    [InlineData("192.0.2.0/25", "192.0.2.200", 443, false)]
    [InlineData("192.0.2.0/33", "192.0.2.0", 443, false)]
    [InlineData("0.0.0.0/0", "192.0.2.0", 443, true)]
    [InlineData("0.0.0.0/0", "2001:db8::1", 443, false)]
    [InlineData("192.0.2.0/24", "gw.example.org", 443, false)]
    [InlineData("2001:db8::/32", "2001:db8::1", 443, true)]
    [InlineData("[2001:db8::]/32", "2001:db8::1", 443, true)]
    [InlineData("2001:db8::1", "2001:db8:0::1", 443, true)]
    [InlineData("[2001:db8::1]:443", "2001:db8::1", 443, true)]
    [InlineData("[2001:db8::1]:80", "2001:db8::1", 443, false)]
    [InlineData(",, ,", "gw", 443, false)]
    public void What_needs_no_proxy(string? list, string host, int port, bool covered) => Assert.Equal(covered, NoProxy.Covers(list, host, port));

    [Theory]
    [InlineData("", null)]
    [InlineData("https_proxy=http://a:1 HTTPS_PROXY=http://b:1 ALL_PROXY=http://c:1", "http://a:1")]
    [InlineData("https_proxy= HTTPS_PROXY=http://b:1 all_proxy=http://c:1", "http://b:1")]
    [InlineData("ALL_PROXY=socks5h://c:1", "socks5://c:1")]
    [InlineData("http_proxy=http://a:1 HTTP_PROXY=http://b:1", null)] // not for TLS
    [InlineData("https_proxy=http://a:1 no_proxy=gw", null)]
    [InlineData("https_proxy=http://a:1 NO_PROXY=gw", null)]
    [InlineData("https_proxy=http://a:1 no_proxy=other NO_PROXY=gw", "http://a:1")]
    [InlineData("https_proxy=https://a:1 no_proxy=gw", null)]
    public void The_environment(string text, string? expected)
    {
        Dictionary<string, string> variables = Variables(text);
        Assert.Equal(expected, ProxyEnvironment.For("gw", 443, n => variables.GetValueOrDefault(n), out _)?.ToString());
    }

    [Fact]
    public void A_variable_that_cannot_be_used_is_named_and_not_shown()
    {
        Dictionary<string, string> variables = Variables("ALL_PROXY=socks4://u:secret@p:1");
        string said = Assert.Throws<ConfigurationException>(() => ProxyEnvironment.For("gw", 443, n => variables.GetValueOrDefault(n), out _)).Message;
        Assert.Equal("the environment's ALL_PROXY: the URL's scheme is not http:// or socks5://; another kind of proxy needs a ProxyCommand; 'Proxy none' in the configuration goes without", said);
    }

    private static Dictionary<string, string> Variables(string text) =>
        text.Split(' ', StringSplitOptions.RemoveEmptyEntries).ToDictionary(v => v[..v.IndexOf('=', StringComparison.Ordinal)], v => v[(v.IndexOf('=', StringComparison.Ordinal) + 1)..]);
}
