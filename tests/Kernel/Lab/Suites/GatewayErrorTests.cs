using System.Text;
using System.Text.RegularExpressions;
using PersonalVpn.Unit.Support;

namespace PersonalVpn.Kernel.Lab.Suites;

/// <summary>
/// What can be wrong once a forwarder or a gateway is asked, and what pvpn says: one line with the cure. The golden file holds
/// every word. (What pvpn finds out by itself is among the unit tests.)
/// </summary>
[Collection(KernelTun.Name)]
public sealed partial class GatewayErrorTests(KernelTunLab lab) : LabTests(lab)
{
    private readonly StringBuilder _text = new();

    private string Home => $"{Lab.State}/home/alice";

    [Fact]
    public async Task Each_is_one_line_that_says_what_to_do()
    {
        string[] usual = ["-o", "StrictHostKeyChecking=accept-new", "-o", $"UserKnownHostsFile={Home}/known_hosts", "-o", "ConnectTimeout=1", "-i", $"{Home}/.ssh/id_rsa"];
        string gateway = "alice@" + LabFixture.Gateway;

        await SaysAsync("refused connection", [.. usual, "-p", "4", gateway]);
        await SaysAsync("time-out", [.. usual, "alice@10.99.1.77"]);
        await SaysAsync("no route", [.. usual, "alice@203.0.113.1"]);
        await SaysAsync("a name that does not resolve", [.. usual, "alice@nowhere.invalid"]);
        foreach (string kind in new[] { "clear", "alien" })
        {
            await using LabProcess other = LabProcess.Start(Lab, "other", "gw", "nonsense.py", "serve", kind, "4431", Certificate());
            await EventuallyAsync(() => Task.FromResult(other.Output.StartsWith("ready", StringComparison.Ordinal)), "the other server listens");
            await SaysAsync(kind == "clear" ? "not TLS" : "TLS, but no pvpn-server", [.. usual, "-p", "4431", gateway]);
        }
        await SaysAsync("user not in authorized_keys", [.. usual, "mallory@" + LabFixture.Gateway]);
        (await Lab.RunAsync("alice", "sh", "-c", "ssh-keygen -q -t ecdsa -N '' -f other; cp .ssh/id_rsa wide; chmod 644 wide; mkdir -p unreadable; echo 'Port 1' >unreadable/config; chmod 000 unreadable/config; echo nonsense >nokey; chmod 600 nokey")).Succeeded();
        string[] withoutKey = usual[..^2];
        await SaysAsync("a key that is not listed", [.. withoutKey, "-i", $"{Home}/other", gateway]);
        await SaysAsync("a key that others may read", [.. withoutKey, "-i", $"{Home}/wide", gateway]);
        await SaysAsync("a key file without a key", [.. withoutKey, "-i", $"{Home}/nokey", gateway]);
        await SaysAsync("an unreadable configuration", ["-F", $"{Home}/unreadable/config", gateway]);
        await SaysAsync("an unknown host key, StrictHostKeyChecking yes", ["-o", "StrictHostKeyChecking=yes", "-o", $"UserKnownHostsFile={Home}/none", gateway]);
        await SaysAsync("an unknown host key and no terminal", ["-o", $"UserKnownHostsFile={Home}/none", gateway]);
        string known = await File.ReadAllTextAsync($"{Home}/known_hosts");
        await File.WriteAllTextAsync($"{Home}/changed", ChangedKey(known));
        await SaysAsync("a changed host key", ["-o", $"UserKnownHostsFile={Home}/changed", "-o", "StrictHostKeyChecking=accept-new", gateway]);
        await SaysAsync("a destination wider than permitted", [.. usual, gateway, "10.0.0.0/8"]);
        await SaysAsync("down without a tunnel", ["down"]);
        await SaysAsync("down, but not that one", ["down", "gateway.example.org"]);
        await SaysAsync("check of a name that does not resolve", ["check", "nowhere.invalid"]);
        await using (await Lab.ConnectAsync("alice", "10.99.3.0/24"))
        {
            await SaysAsync("a second tunnel to the same gateway", [.. usual, gateway]);
        }
        await Lab.StartForwarderAsync("MaxTunnelsPerUser 0");
        await SaysAsync("too many tunnels", [.. usual, gateway]);
        await Lab.StartForwarderAsync("PermitDestination 192.0.2.0/24");
        await SaysAsync("a destination that forwarder.conf does not permit", [.. usual, gateway]);
        await Lab.StartForwarderAsync("AllowUsers bob");
        await SaysAsync("denied by AllowUsers", [.. usual, gateway]);
        await Lab.StopForwarderAsync();
        await SaysAsync("the forwarder is not running", [.. usual, gateway]);
        await SaysAsync("the control socket is missing", ["status"]);
        Golden.Check("gateway-error.golden.txt", _text.ToString());
    }

    private async Task SaysAsync(string what, string[] arguments)
    {
        CommandResult result = await Lab.RunAsync("alice", ["pvpn", .. arguments]);
        Assert.True(result.ExitCode == 255 && result.Output.Length == 0 && result.ErrorLines.Length == 1 && result.Error.StartsWith("pvpn: ", StringComparison.Ordinal), $"{what}: {result}");
        string line = Fingerprint().Replace(result.ErrorLines[0].Replace(Lab.State, "STATE", StringComparison.Ordinal), "SHA256:...");
        _text.Append($"# {what}\n{line}\n");
        if (Lab.Forwarder is not null) Assert.DoesNotContain(await Lab.StatusAsync("host"), t => t.State == "down");
    }

    // The same name with another key: that of the user, which is a public key like any other.
    private string ChangedKey(string known)
    {
        string name = known.Split(' ')[0];
        string[] key = File.ReadAllText($"{Home}/.ssh/id_rsa.pub").Split(' ');
        return $"{name} {key[0]} {key[1]}\n";
    }

    private string Certificate()
    {
        using var key = System.Security.Cryptography.ECDsa.Create(System.Security.Cryptography.ECCurve.NamedCurves.nistP256);
        var request = new System.Security.Cryptography.X509Certificates.CertificateRequest("CN=other", key, System.Security.Cryptography.HashAlgorithmName.SHA256);
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        string file = Path.Combine(Lab.State, "gw", "other.pem");
        File.WriteAllText(file, certificate.ExportCertificatePem() + "\n" + key.ExportPkcs8PrivateKeyPem() + "\n");
        return file;
    }

    [GeneratedRegex("SHA256:[A-Za-z0-9+/]+")]
    private static partial Regex Fingerprint();
}
