using System.Text;

namespace PersonalVpn.Kernel.Lab.Suites;

/// <summary>Out through real proxies, where there is no other way to the gateway; and what each refusal says.</summary>
[Collection(KernelTun.Name)]
public sealed class ProxyTests(KernelTunLab lab) : LabTests(lab), IAsyncLifetime
{
    private string ConfigDirectory => Path.Combine(Lab.State, "home", "alice", ".config");

    async Task IAsyncLifetime.DisposeAsync()
    {
        (await Lab.RunAsync("alice", "rm", "-rf", ConfigDirectory, "proxy.env", "pw")).Succeeded();
        await base.DisposeAsync();
    }

    [Theory]
    [InlineData("squid", "http://vpn@10.97.1.1:3128", "http proxy 10.97.1.1:3128", 3128)]
    [InlineData("tinyproxy", "http://vpn@10.97.1.1:8888", "http proxy 10.97.1.1:8888", 8888)]
    [InlineData("dante", "socks5://vpn@10.97.1.1:1080", "socks5 proxy 10.97.1.1:1080", 1080)]
    public async Task Everything_goes_through_it_and_the_password_is_nowhere(string kind, string url, string name, int port)
    {
        using (ProxyNode node = Start(kind))
        {
            await WriteAsync("pw", ProxyNode.Password + "\n");
            await ConfigAsync($"Proxy {url}\nProxyPasswordFile ~/pw\n");
            Assert.NotEqual(0, (await Lab.RunAsync("alice", "ping", "-c", "1", "-W", "1", ProxyNode.Gateway)).ExitCode);

            const string Marker = "a marker that only the ends may read";
            await using WireTap tap = await WireTap.StartOnAsync(Lab, "host", ProxyNode.Device);
            await using LabProcess pvpn = LabProcess.Start(Lab, "proxied", "alice", "pvpn", "-vv", $"alice@{ProxyNode.GatewayName}");
            await pvpn.ErrorLineAsync("pvpn: connected", 30);
            Assert.Contains(Marker, await TalkAsync("alice", "tcp", LabFixture.Hidden4, Marker), StringComparison.Ordinal);
            Assert.Contains(Marker, await TalkAsync("alice", "udp", LabFixture.Hidden4, Marker), StringComparison.Ordinal);
            (await Lab.RunAsync("alice", "ping", "-c", "1", "-W", "5", LabFixture.Hidden4)).Succeeded();
            Assert.NotEqual(0, (await Lab.RunAsync("bob", "talk.py", "tcp", LabFixture.Hidden4, "not bob", "--timeout", "0.5")).ExitCode);
            TunnelStatus status = Assert.Single(await Lab.StatusAsync("alice"));
            Assert.Equal(("tls via " + name, ProxyNode.GatewayName), (status.Transport, status.Gateway));
            Assert.Contains($"  by       tls via {name}\n", (await Lab.RunAsync("alice", "pvpn", "status")).Output, StringComparison.Ordinal);

            string arguments = string.Concat(Directory.GetDirectories("/proc").Select(d => Path.Combine(d, "cmdline")).Where(File.Exists).Select(ReadOrNothing));
            Assert.Contains("-vv", arguments, StringComparison.Ordinal);
            foreach (string text in new[] { arguments, pvpn.Error, Lab.Forwarder!.Error, Lab.Server!.Error })
                Assert.DoesNotContain(ProxyNode.Password, text, StringComparison.Ordinal);
            pvpn.Signal("TERM");
            Assert.Equal(0, (await pvpn.ExitAsync()).ExitCode);

            IReadOnlyList<WirePacket> seen = await tap.StopAsync();
            Assert.NotEmpty(seen);
            Assert.False(TlsWitness.Contains(seen, Marker));
            Assert.Empty(TlsWitness.Complaints(seen.Where(p => p.Protocol == 6 || !p.Concerns("10.97.1.2")), ProxyNode.Address, port, b => kind == "dante" ? SocksLength(b) : HttpLength(b)));
        }
        Assert.Equal(await Lab.IdleStateAsync(), await Lab.KernelStateAsync("host"));
    }

    [Fact]
    public async Task A_chain_begins_behind_squid()
    {
        await Lab.StartServerAsync($"AllowRelay {GatewayChain.Address(2)}:{GatewayChain.Port}");
        using ProxyNode node = Start("squid");
        using var chain = new GatewayChain(Lab, 2);
        await WriteAsync("pw", ProxyNode.Password + "\n");
        await ConfigAsync($"Proxy http://vpn@{ProxyNode.Address}:3128\nProxyPasswordFile ~/pw\n");
        await using LabProcess pvpn = LabProcess.Start(Lab, "chain", "alice", "pvpn", "-J", $"alice@{ProxyNode.Gateway}", chain.Names("alice").Target);
        await pvpn.ErrorLineAsync("pvpn: connected", 30);
        await TalkAsync("alice", "tcp", chain.Far, "through squid and a hop");
        await TalkAsync("alice", "udp", chain.Far, "through squid and a hop");
        TunnelStatus status = Assert.Single(await Lab.StatusAsync("alice"));
        Assert.Equal((1, $"tls via http proxy {ProxyNode.Address}:3128"), (status.Chain.Length, status.Transport));
        pvpn.Signal("TERM");
        await pvpn.ExitAsync();
        // Squid writes its line at the connection's end.
        await EventuallyAsync(() => Task.FromResult(node.Log.Contains($"CONNECT {ProxyNode.Gateway}:443", StringComparison.Ordinal)), "squid's log");
        Assert.DoesNotContain(GatewayChain.Address(2), node.Log, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("https_proxy=http://vpn:s3cret-of-the-proxy@10.97.1.1:3128", true)]
    [InlineData("ALL_PROXY=http://vpn:s3cret-of-the-proxy@10.97.1.1:3128", true)]
    [InlineData("https_proxy=http://vpn:s3cret-of-the-proxy@10.97.1.1:3128 no_proxy=other,10.97.0.0/16", false)]
    [InlineData("http_proxy=http://vpn:s3cret-of-the-proxy@10.97.1.1:3128", false)]
    public async Task The_environment_names_the_proxy(string variables, bool used)
    {
        using ProxyNode node = Start("squid");
        await ConfigAsync("ConnectTimeout 3\n");
        await WriteAsync("proxy.env", string.Concat(variables.Split(' ').Select(v => $"export {v}\n")));
        await using LabProcess pvpn = LabProcess.Start(Lab, "env", "alice", "sh", "-c", $". ./proxy.env; exec pvpn alice@{ProxyNode.Gateway}");
        if (used)
        {
            await pvpn.ErrorLineAsync("pvpn: connected", 30);
            Assert.StartsWith("tls via http proxy", Assert.Single(await Lab.StatusAsync("alice")).Transport, StringComparison.Ordinal);
            pvpn.Signal("TERM");
            await pvpn.ExitAsync();
        }
        else Assert.Equal($"pvpn: {ProxyNode.Gateway} port 443: unreachable; check this host's routes", Assert.Single((await pvpn.ExitAsync(20)).ErrorLines));
    }

    [Theory]
    [InlineData("squid", "http://vpn:wrong@10.97.1.1:3128", "443", "the http proxy 10.97.1.1:3128 does not accept user vpn with that password (407 Proxy Authentication Required); check Proxy and ProxyPasswordFile, or https_proxy")]
    [InlineData("squid", "http://10.97.1.1:3128", "443", "the http proxy 10.97.1.1:3128 wants a user and a password (407 Proxy Authentication Required); name the user in Proxy, and the password in ProxyPasswordFile")]
    [InlineData("squid", "http://vpn:s3cret-of-the-proxy@10.97.1.1:3128", "8443", "the http proxy 10.97.1.1:3128 forbids a connection to 10.97.2.1 port 8443 (403 Forbidden); many allow port 443 alone, ask its administrator")]
    [InlineData("squid", "socks5://10.97.1.1:3128", "443", "the socks5 proxy 10.97.1.1:3128 did not answer within 3 s (ConnectTimeout); is it a proxy of that kind, and can it reach the gateway?")]
    [InlineData("tinyproxy", "http://vpn:wrong@10.97.1.1:8888", "443", "the http proxy 10.97.1.1:8888 does not accept user vpn with that password (401 Unauthorized); check Proxy and ProxyPasswordFile, or https_proxy")]
    [InlineData("tinyproxy", "http://vpn:s3cret-of-the-proxy@10.97.1.1:8888", "8443", "the http proxy 10.97.1.1:8888 forbids a connection to 10.97.2.1 port 8443 (403 Access violation); many allow port 443 alone, ask its administrator")]
    [InlineData("dante", "socks5://vpn:wrong@10.97.1.1:1080", "443", "the socks5 proxy 10.97.1.1:1080 does not accept user vpn with that password; check Proxy and ProxyPasswordFile, or all_proxy")]
    [InlineData("dante", "socks5://10.97.1.1:1080", "443", "the socks5 proxy 10.97.1.1:1080 wants a login; name the user in Proxy, and the password in ProxyPasswordFile")]
    [InlineData("dante", "socks5://vpn:s3cret-of-the-proxy@10.97.1.1:1080", "8443", "the socks5 proxy 10.97.1.1:1080 forbids a connection to 10.97.2.1 port 8443; ask its administrator")]
    [InlineData("dante", "http://10.97.1.1:1080", "443", "the http proxy 10.97.1.1:1080 closed the connection without a full answer; its log may say why")]
    public async Task Refusals_are_one_line(string kind, string url, string port, string expected)
    {
        using ProxyNode node = Start(kind);
        await ConfigAsync($"Proxy {url}\nConnectTimeout 3\n");
        CommandResult result = await Lab.RunAsync("alice", "pvpn", "-p", port, $"alice@{ProxyNode.Gateway}");
        Assert.Equal((255, "pvpn: " + expected), (result.ExitCode, Assert.Single(result.ErrorLines)));
        Assert.Equal("[]", (await Lab.RunAsync("host", "pvpn", "status", "--json")).Output.Trim());
    }

    [Fact]
    public async Task A_proxy_that_is_not_there()
    {
        using var node = new ProxyNode(Lab);
        await ConfigAsync($"Proxy http://{ProxyNode.Address}:3128\n");
        Assert.Equal($"pvpn: {ProxyNode.Address} port 3128: connection refused; is the proxy running there, on that port?",
            Assert.Single((await Lab.RunAsync("alice", "pvpn", $"alice@{ProxyNode.Gateway}")).ErrorLines));
    }

    // The socket to the proxy bears the mark: a tunnel whose routes cover the proxy does not swallow what carries it.
    [Fact]
    public async Task The_tunnels_routes_may_cover_the_proxy()
    {
        using ProxyNode node = Start("squid");
        await Lab.StartServerAsync("Permit 10.0.0.0/8");
        await ConfigAsync($"Proxy http://vpn:{ProxyNode.Password}@{ProxyNode.Address}:3128\n");
        await using LabProcess pvpn = LabProcess.Start(Lab, "covered", "alice", "pvpn", $"alice@{ProxyNode.Gateway}", "10.97.0.0/16", "10.99.3.0/24");
        await pvpn.ErrorLineAsync("pvpn: connected", 30);
        for (int i = 0; i < 3; i++) await TalkAsync("alice", "tcp", LabFixture.Hidden4, "still there");
        pvpn.Signal("TERM");
        await pvpn.ExitAsync();
    }

    private static string ReadOrNothing(string path)
    {
        try { return File.ReadAllText(path); }
        catch (IOException)
        {
            return ""; // it has ended meanwhile
        }
    }

    // What the proxy protocols say before TLS, in either direction.
    private static int HttpLength(byte[] stream)
    {
        int end = stream.AsSpan().IndexOf("\r\n\r\n"u8);
        string head = Encoding.Latin1.GetString(stream, 0, Math.Max(end, 0));
        Assert.True(head.StartsWith("CONNECT gateway.lab:443 HTTP/1.1\r\n", StringComparison.Ordinal) || head.StartsWith("HTTP/1.", StringComparison.Ordinal), head);
        return end + 4;
    }

    private static int SocksLength(byte[] stream)
    {
        // 05 n methods | 01 n user n password | 05 01 00 03 n name port      and 05 method | 01 00 | 05 00 00 01 address port
        if (stream[2] != 2 && stream[1] != 2) throw new InvalidOperationException(Convert.ToHexString(stream.AsSpan(0, 8)));
        bool request = stream[3] == 2;
        return request ? 4 + 2 + ProxyNode.User.Length + 1 + ProxyNode.Password.Length + 5 + ProxyNode.GatewayName.Length + 2 : 2 + 2 + 10;
    }

    private ProxyNode Start(string kind)
    {
        var node = new ProxyNode(Lab);
        try
        {
            if (kind == "squid") node.StartSquid();
            else if (kind == "tinyproxy") node.StartTinyproxy();
            else node.StartDante();
            return node;
        }
        catch
        {
            node.Dispose();
            throw;
        }
    }

    private async Task ConfigAsync(string text) =>
        await WriteAsync(".config/pvpn/config", $"StrictHostKeyChecking accept-new\nUserKnownHostsFile ~/.config/pvpn/proxy_hosts\n{text}");

    // Hers alone, and by no argument list.
    private async Task WriteAsync(string name, string text)
    {
        string path = Path.Combine(Lab.State, "home", "alice", name);
        (await Lab.RunAsync("alice", "sh", "-c", $"umask 077; mkdir -p $(dirname {name}); : >{name}")).Succeeded();
        await File.WriteAllTextAsync(path, text);
    }
}
