using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace PersonalVpn.Kernel.Lab.Suites;

/// <summary>Which server is believed: first use at a terminal, a changed key and its cure, a certificate of a CA; and SIGHUP at the server.</summary>
[Collection(KernelTun.Name)]
public sealed class TrustTests(KernelTunLab lab) : LabTests(lab)
{
    private string Home => $"{Lab.State}/home/alice";

    [Fact]
    public async Task First_use_at_a_terminal_takes_yes_or_the_fingerprint_and_what_was_said_by_the_server()
    {
        string fingerprint = (await Lab.RunAsync("gw", "pvpn-server", "fingerprint", "--config", $"{Lab.State}/gw/server.conf")).Succeeded().Output.Split(' ')[1];
        foreach ((string answer, bool accepted) in new[] { ("yes", true), (fingerprint, true), ("no", false), ("", false) })
        {
            string known = $"{Home}/first-{Guid.NewGuid():N}";
            CommandResult result = await Lab.RunAsync("alice", ["at_terminal.py", "(yes/no/[fingerprint])? ", answer, "--", .. Command(known, "ask")]);
            Assert.True(result.ExitCode == (accepted ? 0 : 255), result.Output);
            Assert.Contains(fingerprint, result.Output, StringComparison.Ordinal);
            Assert.Equal(accepted, File.Exists(known));
        }
    }

    [Fact]
    public async Task A_changed_key_names_the_line_and_the_command_that_mends_it()
    {
        string known = $"{Home}/changed";
        (await Lab.RunAsync("alice", Command(known, "accept-new"))).Succeeded();
        string good = await File.ReadAllTextAsync(known);
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        string wrong = UserAuth.PublicKey.FromSubjectPublicKeyInfo(other.ExportSubjectPublicKeyInfo()).ToOpenSsh(null);
        await File.WriteAllTextAsync(known, $"# mine\n{LabFixture.Gateway} {wrong}\n");
        foreach (string setting in new[] { "accept-new", "yes", "ask" })
        {
            CommandResult refused = await Lab.RunAsync("alice", Command(known, setting));
            Assert.Equal(255, refused.ExitCode);
            string line = Assert.Single(refused.ErrorLines);
            Assert.Contains($"{known}:2", line, StringComparison.Ordinal);
            Assert.Contains($"'pvpn -R {LabFixture.Gateway} -o UserKnownHostsFile={known}'", line, StringComparison.Ordinal);
        }
        CommandResult mended = (await Lab.RunAsync("alice", "pvpn", "-R", LabFixture.Gateway, "-o", $"UserKnownHostsFile={known}")).Succeeded();
        Assert.Contains("is forgotten (1 line)", Assert.Single(mended.ErrorLines), StringComparison.Ordinal);
        Assert.Equal("# mine\n", await File.ReadAllTextAsync(known));
        Assert.Contains(wrong, await File.ReadAllTextAsync(known + ".old"), StringComparison.Ordinal);
        (await Lab.RunAsync("alice", Command(known, "accept-new"))).Succeeded();
        Assert.Equal("# mine\n" + good, await File.ReadAllTextAsync(known));
        CommandResult nothing = await Lab.RunAsync("alice", "pvpn", "-R", "192.0.2.9:1", "-o", $"UserKnownHostsFile={known}");
        Assert.Equal(255, nothing.ExitCode);
        Assert.Contains("names exactly 192.0.2.9:1", Assert.Single(nothing.ErrorLines), StringComparison.Ordinal);
    }

    /// <summary>Step 2 of ServerTrust needs no pin; a certificate that does not verify counts for nothing, not even under accept-new's eyes.</summary>
    [Fact]
    public async Task A_certificate_of_a_known_CA_needs_no_pin_and_one_that_does_not_verify_counts_as_none()
    {
        string authority = $"{Home}/ca.pem", chain = $"{Lab.State}/gw/chain.pem", known = $"{Home}/never-{Guid.NewGuid():N}";
        WriteCertificates(authority, chain, LabFixture.Gateway);
        await Lab.StartServerAsync($"Certificate {chain}");
        string[] believing = ["env", $"SSL_CERT_FILE={authority}"];
        (await Lab.RunAsync("alice", [.. believing, .. Command(known, "yes")])).Succeeded();
        Assert.False(File.Exists(known));

        await RefusedAsync(Command(known, "yes")); // no such CA here
        WriteCertificates(authority, chain, "192.0.2.1"); // another name
        await Lab.StartServerAsync($"Certificate {chain}");
        await RefusedAsync([.. believing, .. Command(known, "yes")]);

        async Task RefusedAsync(string[] command)
        {
            CommandResult result = await Lab.RunAsync("alice", command);
            Assert.Equal(255, result.ExitCode);
            Assert.Contains("is not known", Assert.Single(result.ErrorLines), StringComparison.Ordinal);
            Assert.False(File.Exists(known));
        }
    }

    [Fact]
    public async Task SIGHUP_reads_the_configuration_for_new_sessions_and_a_bad_file_changes_nothing()
    {
        string file = $"{Lab.State}/gw/server.conf", text = await File.ReadAllTextAsync(file);
        await using LabTunnel before = await Lab.ConnectAsync("bob");
        await ReloadAsync(text + "Match User alice\n    Route 10.99.3.0/24\n", "configuration reloaded");
        string line = (await Lab.RunAsync("alice", Command($"{Home}/known_hosts", "accept-new"))).Succeeded().ErrorLines[^1];
        Assert.EndsWith("routes 10.99.3.0/24", line, StringComparison.Ordinal);
        Assert.StartsWith(before.Address4 + " ", await TalkAsync("bob", "tcp", LabFixture.Hidden4, "hello"), StringComparison.Ordinal);

        await ReloadAsync("Prot 443\n", $"configuration not reloaded, the old one stays in force: {file}:1: unknown keyword 'Prot'");
        line = (await Lab.RunAsync("alice", Command($"{Home}/known_hosts", "accept-new"))).Succeeded().ErrorLines[^1];
        Assert.EndsWith("routes 10.99.3.0/24", line, StringComparison.Ordinal);

        await ReloadAsync(text.Replace("Port 443", "Port 4443", StringComparison.Ordinal), "in force after a restart alone: Port");
        (await Lab.RunAsync("alice", Command($"{Home}/known_hosts", "accept-new"))).Succeeded();
        await before.DisposeAsync();
        await Lab.StopServerAsync();

        async Task ReloadAsync(string content, string said)
        {
            await File.WriteAllTextAsync(file, content);
            Lab.Server!.Signal("HUP");
            await Lab.Server.ErrorLineContainingAsync(said);
        }
    }

    private string[] Command(string known, string checking) =>
        ["pvpn", "-o", $"StrictHostKeyChecking={checking}", "-o", $"UserKnownHostsFile={known}", "-i", $"{Home}/.ssh/id_rsa",
            $"alice@{LabFixture.Gateway}", "--", "true"];

    private void WriteCertificates(string authority, string chain, string address)
    {
        DateTimeOffset from = DateTimeOffset.UtcNow.AddDays(-1), to = DateTimeOffset.UtcNow.AddDays(1);
        using var rootKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var root = new CertificateRequest("CN=lab root", rootKey, HashAlgorithmName.SHA256);
        root.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        root.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        using X509Certificate2 rootCertificate = root.CreateSelfSigned(from, to);
        using var hostKey = ECDsa.Create();
        hostKey.ImportFromPem(File.ReadAllText($"{Lab.State}/gw/host_key.pem"));
        var leaf = new CertificateRequest("CN=gateway", hostKey, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Parse(address));
        leaf.CertificateExtensions.Add(names.Build());
        using X509Certificate2 certificate = leaf.Create(rootCertificate, from, to, RandomNumberGenerator.GetBytes(8));
        File.WriteAllText(authority, rootCertificate.ExportCertificatePem() + "\n");
        File.WriteAllText(chain, certificate.ExportCertificatePem() + "\n");
    }
}
