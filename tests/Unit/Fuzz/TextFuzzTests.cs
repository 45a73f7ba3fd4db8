using System.Net;
using System.Text;
using PersonalVpn.Cli;
using PersonalVpn.Cli.Config;
using PersonalVpn.Daemon;
using PersonalVpn.Packets;
using PersonalVpn.Server.Configuration;
using PersonalVpn.Tunnel.Configuration;
using PersonalVpn.Unit.Support;
using PersonalVpn.Unit.UserAuthTests;
using PersonalVpn.UserAuth;
using Xunit;

namespace PersonalVpn.Unit.Fuzz;

/// <summary>Files and texts that others write: a result or an error in words, never anything else.</summary>
public sealed class TextFuzzTests
{
    [Fact]
    public void Authorized_keys_lines()
    {
        string key = AuthorizedKeyLines.Key;
        var mutator = new Mutator(7, Bytes(key, $"{key} alice@host", $"from=\"10.0.0.0/8,fd00::/8\" {key}", $"permit=\"10.0.0.0/8:443,fd00::/8\",no-relay {key} c",
            $"expiry-time=\"20300101\",address=\"10.77.0.9\",address=\"fd77::9\" {key}", $"relay=\"gw2:443\",expiry-time=\"203001011200Z\" {key}", $"restrict {key}", "# comment"),
            "permit=\"", "from=\"", "address=\"", "\"", "\\\"", ",", " ", "\n", "0.0.0.0/0", "::/0", "expiry-time=\"99991231\"", "command=\"x\"", "ssh-rsa", "\0", "\u2028");
        int usable = 0;
        for (int i = 0, rounds = Mutator.Rounds(20_000); i < rounds; i++)
        {
            string text = mutator.NextText();
            AuthorizedKeysFile file = AuthorizedKeysFile.Parse(text);
            foreach (AuthorizedKey k in file.Keys)
            {
                usable++;
                // A changed line may allow something else, but no restriction that begins it was lost.
                string line = text.TrimStart('\uFEFF').Split('\n')[k.LineNumber - 1].TrimStart();
                Assert.True(k.Options.Permit is not null || !line.StartsWith("permit=", StringComparison.Ordinal), line);
                Assert.True(k.Options.From is not null || !line.StartsWith("from=", StringComparison.Ordinal), line);
                Assert.True(k.Options.NoRelay || !line.StartsWith("restrict", StringComparison.Ordinal), line);
                k.Options.AllowsPeer(IPAddress.Loopback);
            }
            Assert.All(file.UnusableLines, u => Assert.DoesNotContain(u.Reason, char.IsControl));
        }
        Assert.True(usable > 500, $"only {usable} lines were still usable: the mutations are too wild");
    }

    [Fact]
    public void Key_blobs()
    {
        byte[] rsa = Convert.FromBase64String(AuthorizedKeyLines.Key.Split(' ')[1]);
        byte[] ecdsa = [.. Name("ecdsa-sha2-nistp256"), .. Name("nistp256"), .. Hex.Counted32([4, .. new byte[64]])];
        byte[] ed25519 = [.. Name("ssh-ed25519"), .. Hex.Counted32(new byte[32])];
        var mutator = new Mutator(8, [rsa, ecdsa, ed25519], "ssh-rsa", "\0\0\0\a", "\0\0\0\u0001");
        int parsed = 0;
        for (int i = 0, rounds = Mutator.Rounds(10_000); i < rounds; i++)
        {
            byte[] blob = mutator.Next();
            if (!PublicKey.TryParseBlob(blob, out PublicKey? key, out string error))
            {
                Assert.NotEmpty(error);
                Assert.DoesNotContain(error, char.IsControl);
                continue;
            }
            parsed++;
            Assert.StartsWith("SHA256:", key.Fingerprint, StringComparison.Ordinal);
        }
        Assert.True(parsed > 10, $"only {parsed} blobs were still keys: the mutations are too wild");
    }

    [Fact]
    public void Known_hosts_files()
    {
        using var directory = new TempDirectory();
        string text = AuthorizedKeyLines.Key;
        Assert.True(PublicKey.TryParseOpenSsh(text, out PublicKey? key, out string _));
        var mutator = new Mutator(9, Bytes($"gw {text}", $"[gw]:8443,192.0.2.1 {text} comment", $"*.example.org,!secret.example.org {text}", $"@revoked gw {text}",
            $"|1|AAAAAAAAAAAAAAAAAAAAAAAAAAA=|AAAAAAAAAAAAAAAAAAAAAAAAAAA= {text}", "# comment", "x"),
            "|1|", "@revoked ", "@cert-authority ", ",", "*", "!", "[", "]:", "\n", " ", "\0", "=");
        for (int i = 0, rounds = Mutator.Rounds(100); i < rounds; i++)
        {
            string path = directory.Write("known_hosts", string.Join('\n', Enumerable.Range(0, 50).Select(_ => mutator.NextText())));
            foreach (int port in new[] { 443, 8443 }) Assert.True(Enum.IsDefined(new KnownHosts(path).Check("gw", port, key).Verdict));
        }
    }

    [Fact]
    public void Keyword_files()
    {
        using var home = new TempDirectory();
        var mutator = new Mutator(10, Bytes(
            "Port 443\nListenAddress 192.0.2.1\nAddressPool 10.77.0.0/16\nAddressPool6 fd77::/64\nRoute 10.0.0.0/8\nPermit 10.0.0.0/8:80-443\nLoginGraceTime 2m\nMatch User alice Group vpn\nRoute 10.1.0.0/16\n",
            "AllowUsers alice b*\nDenyGroups guests\nPermitDestination 10.0.0.0/8\nMaxTunnelsPerUser 4\nQueueNumber 7570\nOwnerLookup procfs\nLogLevel debug\n",
            "Host gw *.example.org !x\n  HostName 192.0.2.1\n  Port=8443\n  User \"alice\" # c\n  StrictHostKeyChecking accept-new\nHost *\n  ConnectTimeout 5\n"),
            "Match ", "Host ", "User", "Include x\n", "=", "\"", "#", "\n", "-1", "99999999999", "0.0.0.0/0", "::/0", ":", "-", "/", ",", "none", "all");
        int good = 0;
        for (int i = 0, rounds = Mutator.Rounds(10_000); i < rounds; i++)
        {
            string text = mutator.NextText();
            List<KeywordLine> lines = KeywordFile.Parse("f.conf", text);
            Assert.All(lines, l => Assert.InRange(l.Line, 1, text.Length + 1));
            good += Reads(() => new ServerConfigReader().Build(lines)) + Reads(() => ForwarderConfig.Build(lines));
            if (i % 10 != 0) continue;
            string path = home.Write("config", text);
            good += Reads(() =>
            {
                ClientConfig c = ClientConfig.Load(home.Root, "gw", [], path);
                _ = (c.Port, c.User, c.HostName, c.ConnectTimeout, c.StrictHostKeyChecking, c.KnownHostsFiles, c.ProxyJump, c.IdentitiesOnly, c.ForwarderSocket);
            });
        }
        Assert.True(good > 100, $"only {good} files were still configurations: the mutations are too wild");
    }

    [Fact]
    public void Addresses_and_targets()
    {
        var mutator = new Mutator(11, Bytes("alice@gw:443", "[2001:db8::1]:8443", "10.0.0.0/8", "fd00::/8", "192.0.2.1", "gw.example.org", "default"),
            ":", "::", "[", "]", "@", "/", "%eth0", ".", "-", "0x", "\0");
        for (int i = 0, rounds = Mutator.Rounds(20_000); i < rounds; i++)
        {
            string text = mutator.NextText();
            if (IpPrefix.TryParse(text, out IpPrefix prefix)) Assert.Equal(prefix, IpPrefix.Parse(prefix.ToString()));
            if (IpAddr.TryParse(text, out IpAddr address)) Assert.Equal(address, IpAddr.Parse(address.ToString()));
            Reads(() => Target.Parse(text));
            Reads(() => Destinations.Parse([text]));
        }
    }

    // One when it was read, none when it was refused in one of the ways that programs show; anything else fails.
    private static int Reads(Action read)
    {
        try
        {
            read();
            return 1;
        }
        catch (Exception e) when (e is ConfigurationException or UserError)
        {
            Assert.NotEmpty(e.Message);
            return 0;
        }
    }

    private static byte[][] Bytes(params string[] texts) => [.. texts.Select(Encoding.UTF8.GetBytes)];

    private static byte[] Name(string text) => Hex.Counted32(Encoding.UTF8.GetBytes(text));
}
