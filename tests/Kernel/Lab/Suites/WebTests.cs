using System.Security.Cryptography;
using System.Text.RegularExpressions;

namespace PersonalVpn.Kernel.Lab.Suites;

/// <summary>Browsers and probes on the tunnels' port see an ordinary web server; real ones ask.</summary>
[Collection(KernelTun.Name)]
public sealed class WebTests(KernelTunLab lab) : LabTests(lab)
{
    private const string Url = "https://" + LabFixture.Gateway;

    private string Root => Path.Combine(Lab.State, "gw", "www");

    [Theory]
    [InlineData]
    [InlineData("--http2")]
    [InlineData("--no-alpn")]
    [InlineData("--http1.0")]
    [InlineData("--tlsv1.3")]
    [InlineData("--tls-max", "1.2")]
    public async Task Curl_gets_a_page_that_says_nothing_of_a_VPN(params string[] how)
    {
        int before = Lab.Server!.Error.Length;
        CommandResult page = (await Lab.RunAsync("carol", ["curl", "-skvi", .. how, Url + "/"])).Succeeded();
        Assert.StartsWith("HTTP/1.1 200 OK\nDate: ", page.Output, StringComparison.Ordinal);
        Assert.Contains("Content-Type: text/html; charset=utf-8\n", page.Output, StringComparison.Ordinal);
        Assert.Contains("<h1>It works!</h1>", page.Output, StringComparison.Ordinal);
        Assert.DoesNotMatch("(?i)vpn|^Server:", page.Output);
        Assert.DoesNotContain("SSL routines", page.Error, StringComparison.Ordinal);
        await EventuallyAsync(() => Task.FromResult(LinesAfter(before).Length > 0), "a line in the log");
        Assert.Contains("\"GET / HTTP/1.", Assert.Single(LinesAfter(before)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_not_there_or_not_meant_is_refused_in_the_words_of_HTTP()
    {
        Assert.StartsWith("404", await StatusAsync("/wp-login.php"), StringComparison.Ordinal);
        Assert.StartsWith("405", await StatusAsync("/", "-d", "user=alice"), StringComparison.Ordinal);
        Assert.StartsWith("405", await StatusAsync("/", "-X", "PROPFIND"), StringComparison.Ordinal);
        Assert.StartsWith("200", await StatusAsync("/", "-I"), StringComparison.Ordinal);
        Assert.StartsWith("431", await StatusAsync("/", "-H", "X: " + new string('x', 9000)), StringComparison.Ordinal);
        Assert.StartsWith("414", await StatusAsync("/" + new string('x', 9000)), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 400", await SayAsync("\\x00\\x01\\x02\\x03 nonsense\\r\\n\\r\\n"), StringComparison.Ordinal);
        Assert.StartsWith("HTTP/1.1 400", await SayAsync("GET / HTTP/1.1\\r\\n\\r\\n"), StringComparison.Ordinal); // no Host
        Assert.StartsWith("HTTP/1.1 505", await SayAsync("PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n"), StringComparison.Ordinal);
        string two = await SayAsync("GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\nHEAD / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n");
        Assert.Equal(2, Regex.Count(two, "HTTP/1.1 200 OK"));
        Assert.Equal(1, Regex.Count(two, "It works"));
        // What a stranger sends cannot forge a line of the log.
        await SayAsync("GET /\\x0apvpn-server:\\x20ready HTTP/1.1\\r\\n\\r\\n");
        Assert.Single(Lab.Server!.Error.Split('\n'), l => l.StartsWith("pvpn-server: ready", StringComparison.Ordinal));
    }

    [Fact]
    public async Task In_the_clear_it_says_that_this_is_the_port_of_HTTPS()
    {
        CommandResult page = (await Lab.RunAsync("carol", "curl", "-si", $"http://{LabFixture.Gateway}:443/")).Succeeded();
        Assert.StartsWith("HTTP/1.1 400 Bad Request\n", page.Output, StringComparison.Ordinal);
        Assert.Contains("<h1>400 The plain HTTP request was sent to HTTPS port</h1>", page.Output, StringComparison.Ordinal);
        await Lab.Server!.ErrorLineContainingAsync("\"GET / HTTP/1.1\" 400");
    }

    [Theory]
    [InlineData("-tls1_3", "New, TLSv1.3")]
    [InlineData("-tls1_2", "New, TLSv1.2")]
    [InlineData("-tls1_1", "alert protocol version")]
    [InlineData("-alpn h2,http/1.1", "ALPN protocol: http/1.1")]
    [InlineData("-alpn h2", "alert no application protocol")] // as nginx and RFC 7301 have it
    public async Task Openssl_s_client_sees(string options, string expected)
    {
        CommandResult result = await Lab.RunAsync("carol", "sh", "-c", $"openssl s_client -connect {LabFixture.Gateway}:443 -cipher ALL@SECLEVEL=0 {options} </dev/null 2>&1");
        Assert.Contains(expected, result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task By_the_older_TLS_there_is_no_tunnel()
    {
        CommandResult result = await Lab.RunAsync("carol", "sh", "-c", $"printf 'GET / HTTP/1.0\r\n\r\n' | openssl s_client -connect {LabFixture.Gateway}:443 -tls1_2 -alpn pvpn/1 -ign_eof 2>&1");
        Assert.Contains("ALPN protocol: pvpn/1", result.Output, StringComparison.Ordinal);
        Assert.Contains("It works!", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nmap_sees_a_web_server_with_good_ciphers()
    {
        CommandResult scan = (await Lab.RunAsync(180, "host", "nmap", "-Pn", "-n", "-sV", "--version-light", "-p", "443", "--script", "ssl-enum-ciphers,http-title", LabFixture.Gateway)).Succeeded();
        Assert.Contains("443/tcp open  ssl/", scan.Output, StringComparison.Ordinal);
        Assert.Contains("TLSv1.2:", scan.Output, StringComparison.Ordinal);
        Assert.DoesNotMatch(@"TLSv1\.[01]:|SSLv3:|_CBC_|_RSA_WITH_(AES|3DES|RC4|NULL)(?<!ECDHE_RSA_WITH_(AES))", scan.Output);
        Assert.Contains("least strength: A", scan.Output, StringComparison.Ordinal);
        Assert.Contains("http-title: Welcome", scan.Output, StringComparison.Ordinal);
        Assert.DoesNotMatch("(?i)pvpn/1", scan.Output);
        await using LabTunnel alice = await Lab.ConnectAsync("alice");
        await TalkAsync("alice", "tcp", LabFixture.Hidden4, "after the scan");
    }

    [Fact]
    public async Task WebRoot_gives_its_files_and_nothing_else()
    {
        byte[] big = RandomNumberGenerator.GetBytes(50_000_000);
        Directory.CreateDirectory(Path.Combine(Root, "sub"));
        Directory.CreateDirectory(Path.Combine(Root, "empty"));
        Directory.CreateDirectory(Path.Combine(Root, ".git"));
        Write("index.html", "<p>the front page</p>");
        Write("style.css", "p { }");
        Write("sub/index.html", "<p>the sub page</p>");
        Write("name with blank & Ä.txt", "odd");
        Write(".git/config", "a secret of dots");
        Write("key.pem", "a secret of modes", UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await File.WriteAllBytesAsync(Path.Combine(Root, "big.bin"), big);
        File.SetUnixFileMode(Path.Combine(Root, "big.bin"), (UnixFileMode)0b110_100_100);
        File.CreateSymbolicLink(Path.Combine(Root, "inside"), "style.css");
        File.CreateSymbolicLink(Path.Combine(Root, "passwd"), "/etc/passwd");
        File.CreateSymbolicLink(Path.Combine(Root, "up"), "..");
        (await Lab.RunAsync("gw", "mkfifo", "-m", "644", Path.Combine(Root, "pipe"))).Succeeded();
        try
        {
            await Lab.StartServerAsync($"WebRoot {Root}");
            Assert.Equal("200 text/html; charset=utf-8 <p>the front page</p>", await StatusAsync("/"));
            Assert.Equal("200 text/html; charset=utf-8 <p>the front page</p>", await StatusAsync("/index.html?v=1"));
            Assert.Equal("200 text/css; charset=utf-8 p { }", await StatusAsync("/style.css"));
            Assert.Equal("200 text/css; charset=utf-8 p { }", await StatusAsync("/%73tyle.css"));
            Assert.Equal("200 application/octet-stream p { }", await StatusAsync("/inside"));
            Assert.Equal("200 text/plain; charset=utf-8 odd", await StatusAsync("/name%20with%20blank%20&%20%C3%84.txt"));
            Assert.Equal("200 text/html; charset=utf-8 <p>the sub page</p>", await StatusAsync("/sub/"));
            Assert.Equal("200 text/html; charset=utf-8 <p>the sub page</p>", await StatusAsync("//sub", "-L"));
            Assert.Contains("Location: /sub/\n", (await Lab.RunAsync("carol", "curl", "-skI", Url + "/sub")).Output, StringComparison.Ordinal);
            foreach (string no in new[]
            {
                "/passwd", "/up/server.conf", "/../server.conf", "/%2e%2e/server.conf", "/..%2fserver.conf", "/sub/../../server.conf", "/sub/%2e%2e/%2e%2e/host_key.pem", "/.git/config",
                "/%2egit/config", "/sub/../.git/config", "/key.pem", "/empty/", "/nothing", "/style.css/", "/pipe", "/index.html%00.txt", "/%", "/%zz", "/%ff", "//etc/passwd", "/big.bin/../style.css",
            })
            {
                string answer = await StatusAsync(no, "--path-as-is");
                Assert.Matches("^40[04] text/html", answer);
                Assert.DoesNotMatch("root:|HostKey|PRIVATE|secret", answer);
            }
            CommandResult sum = (await Lab.RunAsync(60, "carol", "sh", "-c", $"curl -sk {Url}/big.bin | sha256sum")).Succeeded();
            Assert.StartsWith(Convert.ToHexStringLower(SHA256.HashData(big)), sum.Output, StringComparison.Ordinal);
            string head = (await Lab.RunAsync("carol", "curl", "-skI", Url + "/big.bin")).Succeeded().Output;
            Assert.Contains("Content-Length: 50000000\n", head, StringComparison.Ordinal);
            // Two on one connection, and it is one connection.
            CommandResult both = (await Lab.RunAsync("carol", "curl", "-skv", Url + "/style.css", Url + "/sub/")).Succeeded();
            Assert.Contains("Re-using existing", both.Error, StringComparison.OrdinalIgnoreCase);
        }
        finally
        {
            Directory.Delete(Root, recursive: true);
        }
    }

    [Fact]
    public async Task A_file_that_is_read_slowly_costs_no_memory()
    {
        Directory.CreateDirectory(Root);
        await File.WriteAllBytesAsync(Path.Combine(Root, "big.bin"), new byte[200_000_000]);
        File.SetUnixFileMode(Path.Combine(Root, "big.bin"), (UnixFileMode)0b110_100_100);
        try
        {
            await Lab.StartServerAsync($"WebRoot {Root}");
            long before = Resident();
            var slow = new List<LabProcess>();
            for (int i = 0; i < 20; i++) slow.Add(LabProcess.Start(Lab, "slow", "carol", "curl", "-sk", "--limit-rate", "20k", "-o", "/dev/null", Url + "/big.bin"));
            await Task.Delay(4000);
            Assert.All(slow, s => Assert.False(s.HasExited));
            Assert.True(Resident() - before < 100_000_000, $"{before} before, {Resident()} with 20 slow readers");
            foreach (LabProcess s in slow) await s.DisposeAsync();
        }
        finally
        {
            Directory.Delete(Root, recursive: true);
        }
    }

    [Fact]
    public async Task Who_drips_requests_locks_nobody_out()
    {
        await Lab.StartServerAsync("MaxStartups 20");
        await using LabProcess slow = LabProcess.Start(Lab, "slow", "carol", "web.py", "slow", LabFixture.Gateway, "60", "30");
        await EventuallyAsync(() => Task.FromResult(slow.Output.Contains("holding", StringComparison.Ordinal)), "the crowd", 20);
        await Task.Delay(2500); // longer than any ordinary login
        for (int i = 0; i < 3; i++)
        {
            await using LabTunnel alice = await Lab.ConnectAsync("alice");
            await TalkAsync("alice", "tcp", LabFixture.Hidden4, "through the crowd");
        }
        Assert.False(slow.HasExited);
    }

    private long Resident() => long.Parse(File.ReadLines($"/proc/{Lab.Server!.Id}/status").First(l => l.StartsWith("VmRSS:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1],
        System.Globalization.CultureInfo.InvariantCulture) * 1024;

    private string[] LinesAfter(int before) => Lab.Server!.Error[before..].Split('\n', StringSplitOptions.RemoveEmptyEntries);

    // "status type body"
    private async Task<string> StatusAsync(string path, params string[] more)
    {
        string body = Path.Combine(Lab.State, "home", "carol", "body");
        CommandResult result = (await Lab.RunAsync("carol", ["curl", "-sk", "-o", body, "-w", "%{http_code} %{content_type}", .. more, Url + path])).Succeeded();
        return $"{result.Output.TrimEnd()} {(File.Exists(body) && !more.Contains("-I") ? await File.ReadAllTextAsync(body) : "")}".TrimEnd();
    }

    private async Task<string> SayAsync(string text) => (await Lab.RunAsync("carol", "web.py", "say", LabFixture.Gateway, text)).Output;

    private void Write(string name, string text, UnixFileMode mode = (UnixFileMode)0b110_100_100)
    {
        File.WriteAllText(Path.Combine(Root, name), text);
        File.SetUnixFileMode(Path.Combine(Root, name), mode);
    }
}
