using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace PersonalVpn.Kernel.Lab.Suites;

/// <summary>
/// What does not come up says so: exit status 255 and one line at the client, a line in the server's log, and bob's
/// session, open all the while, does not notice.
/// </summary>
[Collection(KernelTun.Name)]
public sealed class RefusalTests(KernelTunLab lab) : LabTests(lab)
{
    [Fact]
    public async Task A_wrong_key()
    {
        string key = await NewKeyAsync("alice");
        await RefusedAsync("alice", "alice", Arguments("alice", key), "key");
    }

    [Fact]
    public async Task An_unknown_user()
    {
        await RefusedAsync("alice", "mallory", Arguments("alice", $"{Lab.State}/home/alice/.ssh/id_rsa", "mallory"), "mallory");
    }

    /// <summary>Port 4 has no listener; nobody has the address, and no neighbour discovery ends within a second.</summary>
    [Theory]
    [InlineData(LabFixture.Gateway, "connection refused; is pvpn-server running there")]
    [InlineData("10.99.1.77", "no answer within 1 s")]
    public async Task A_gateway_that_does_not_answer(string gateway, string problem)
    {
        CommandResult result = await Lab.RunAsync("alice", "pvpn", "-p", "4", "-o", "ConnectTimeout=1",
            "-i", $"{Lab.State}/home/alice/.ssh/id_rsa", $"alice@{gateway}");
        Assert.Equal(255, result.ExitCode);
        Assert.Contains(problem, Assert.Single(result.ErrorLines), StringComparison.Ordinal);
    }

    /// <summary>Found out before anything is set up: the server is not even asked.</summary>
    [Fact]
    public async Task A_command_that_does_not_exist()
    {
        int before = Lab.Server!.Error.Length;
        CommandResult result = await Lab.RunAsync("alice", [.. Arguments("alice", $"{Lab.State}/home/alice/.ssh/id_rsa"), "--", "/nonexistent/x"]);
        Assert.Equal(255, result.ExitCode);
        Assert.Equal("pvpn: /nonexistent/x: no such command; check its path", Assert.Single(result.ErrorLines));
        Assert.Equal("", Lab.Server.Error[before..]);
    }

    [Fact]
    public async Task A_revoked_key()
    {
        string file = Path.Combine(Lab.State, "gw", "authorized_keys", "alice");
        string line = await File.ReadAllTextAsync(file);
        foreach (string revoked in new[] { "", "# " + line, "expiry-time=\"20200101\" " + line, "from=\"192.0.2.0/24\" " + line, "no-such-option " + line })
        {
            await File.WriteAllTextAsync(file, revoked);
            try
            {
                await RefusedAsync("alice", "alice", Arguments("alice", $"{Lab.State}/home/alice/.ssh/id_rsa"), "alice");
            }
            finally
            {
                await File.WriteAllTextAsync(file, line);
            }
        }
    }

    [Fact]
    public async Task A_changed_server_key_is_refused_whatever_the_setting_but_no()
    {
        await using (await Lab.ConnectAsync("alice"))
        {
        }
        await Lab.StopServerAsync();
        string hostKey = Path.Combine(Lab.State, "gw", "host_key.pem"), kept = hostKey + ".kept";
        File.Move(hostKey, kept);
        try
        {
            await Lab.StartServerAsync();
            foreach (string setting in new[] { "accept-new", "yes", "ask" })
            {
                string known = $"{Lab.State}/home/alice/known_hosts";
                CommandResult result = await Lab.RunAsync("alice", "pvpn", "-o", $"StrictHostKeyChecking={setting}",
                    "-o", $"UserKnownHostsFile={known}", "-i", $"{Lab.State}/home/alice/.ssh/id_rsa", $"alice@{LabFixture.Gateway}");
                Assert.Equal(255, result.ExitCode);
                Assert.Contains("key", Assert.Single(result.ErrorLines), StringComparison.OrdinalIgnoreCase);
            }
        }
        finally
        {
            await Lab.StopServerAsync();
            File.Move(kept, hostKey, overwrite: true);
            await Lab.StartServerAsync();
        }
        await using LabTunnel again = await Lab.ConnectAsync("alice");
    }

    [Fact]
    public async Task An_unknown_server_key_under_yes()
    {
        CommandResult result = await Lab.RunAsync("alice", "pvpn", "-o", "StrictHostKeyChecking=yes",
            "-o", $"UserKnownHostsFile={Lab.State}/home/alice/empty", "-i", $"{Lab.State}/home/alice/.ssh/id_rsa", $"alice@{LabFixture.Gateway}");
        Assert.Equal(255, result.ExitCode);
        Assert.Single(result.ErrorLines);
    }

    [Fact]
    public async Task An_address_pool_that_is_used_up()
    {
        // one address for users: network, server and broadcast of a /30 are not handed out
        await Lab.StartServerAsync("AddressPool 10.77.0.0/30", "-AddressPool6", "Route 10.99.2.0/24", "Route 10.99.3.0/24");
        await RefusedAsync("alice", "pool", Arguments("alice", $"{Lab.State}/home/alice/.ssh/id_rsa"), "address");
    }

    [Fact]
    public async Task No_server_there()
    {
        await Lab.StopServerAsync();
        CommandResult result = await Lab.RunAsync("alice", Lab.PvpnArguments("alice"));
        Assert.Equal(255, result.ExitCode);
        Assert.Contains(LabFixture.Gateway, Assert.Single(result.ErrorLines), StringComparison.Ordinal);
    }

    [Fact]
    public async Task No_forwarder_there()
    {
        await Lab.StopForwarderAsync();
        CommandResult result = await Lab.RunAsync("alice", Lab.PvpnArguments("alice"));
        Assert.Equal(255, result.ExitCode);
        Assert.Contains("forwarder.sock", Assert.Single(result.ErrorLines), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("clear")]
    [InlineData("alien")]
    [InlineData("garbage")]
    [InlineData("truncated")]
    [InlineData("oversized")]
    [InlineData("silent")]
    public async Task A_server_that_speaks_nonsense(string kind)
    {
        string certificate = FakeServerCertificate();
        await using LabProcess fake = LabProcess.Start(Lab, "fake", "gw", "nonsense.py", "serve", kind, "4430", certificate);
        await EventuallyAsync(() => Task.FromResult(fake.Output.StartsWith("ready", StringComparison.Ordinal)), "the fake server listens");
        CommandResult result = await Lab.RunAsync(10, "alice", "pvpn", "-o", "StrictHostKeyChecking=accept-new", "-o", "ConnectTimeout=3",
            "-o", $"UserKnownHostsFile={Lab.State}/home/alice/known-{Guid.NewGuid():N}", "-i", $"{Lab.State}/home/alice/.ssh/id_rsa",
            "-p", "4430", $"alice@{LabFixture.Gateway}");
        Assert.Equal(255, result.ExitCode);
        string line = Assert.Single(result.ErrorLines, l => !l.Contains("is now known", StringComparison.Ordinal)); // that is accept-new's
        Assert.StartsWith("pvpn: ", line, StringComparison.Ordinal);
        Assert.Contains("10.99.1.1", line, StringComparison.Ordinal);
        Assert.Empty(await Lab.StatusAsync("host"));
    }

    [Theory]
    [InlineData("clear")]
    [InlineData("alien")]
    [InlineData("garbage")]
    [InlineData("truncated")]
    [InlineData("oversized")]
    public async Task A_client_that_speaks_nonsense_is_thrown_out_with_one_line_and_others_stay(string kind)
    {
        await using LabTunnel bob = await Lab.ConnectAsync("bob");
        int before = Lab.Server!.Error.Length;
        (await Lab.RunAsync("carol", "nonsense.py", "talk", kind, "443", LabFixture.Gateway)).Succeeded();
        await EventuallyAsync(() => Task.FromResult(Lab.Server.Error.Length > before), "the server says something about it");
        string line = Assert.Single(Lab.Server.Error[before..].Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains("10.99.1.2", line, StringComparison.Ordinal);
        await StillWorksAsync(bob);
    }

    [Fact]
    public async Task Root_unless_AllowUsers_names_it()
    {
        string[] arguments = Lab.PvpnArguments("alice");
        CommandResult refused = await Lab.RunAsync("host", arguments);
        Assert.Equal(255, refused.ExitCode);
        Assert.Contains("root", Assert.Single(refused.ErrorLines), StringComparison.Ordinal);

        await Lab.StartForwarderAsync("AllowUsers root");
        await using LabProcess allowed = LabProcess.Start(Lab, "pvpn-root", "host", arguments);
        await allowed.ErrorLineAsync("pvpn: connected");
        await allowed.DisposeAsync();
        CommandResult unnamed = await Lab.RunAsync("alice", arguments);
        Assert.Equal(255, unnamed.ExitCode);
        Assert.Contains("alice", Assert.Single(unnamed.ErrorLines), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_destination_that_the_server_does_not_permit()
    {
        CommandResult result = await Lab.RunAsync("alice", Lab.PvpnArguments("alice", "192.0.2.0/24"));
        Assert.Equal(255, result.ExitCode);
        Assert.Contains("192.0.2.0/24", Assert.Single(result.ErrorLines), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_destination_that_the_host_does_not_permit()
    {
        await Lab.StartForwarderAsync("PermitDestination 10.99.2.0/24");
        CommandResult result = await Lab.RunAsync("alice", Lab.PvpnArguments("alice", "10.99.3.0/24"));
        Assert.Equal(255, result.ExitCode);
        Assert.Contains("10.99.3.0/24", Assert.Single(result.ErrorLines), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_usage_error_ends_with_2()
    {
        Assert.Equal(2, (await Lab.RunAsync("alice", "pvpn")).ExitCode);
        Assert.Equal(2, (await Lab.RunAsync("alice", "pvpn", "--no-such-option")).ExitCode);
        Assert.Equal(2, (await Lab.RunAsync("alice", "pvpn", "alice@10.99.1.1", "not-an-address")).ExitCode);
    }

    private async Task RefusedAsync(string who, string inLog, string[] arguments, string inLine)
    {
        await using LabTunnel bob = await Lab.ConnectAsync("bob");
        int before = Lab.Server!.Error.Length;
        CommandResult result = await Lab.RunAsync(who, arguments);
        Assert.True(result.ExitCode == 255, $"{result}");
        string line = Assert.Single(result.ErrorLines);
        Assert.StartsWith("pvpn: ", line, StringComparison.Ordinal);
        Assert.Contains(inLine, line, StringComparison.OrdinalIgnoreCase);
        Assert.Empty(result.Output);
        await EventuallyAsync(() => Task.FromResult(Lab.Server.Error[before..].Contains(inLog, StringComparison.OrdinalIgnoreCase)),
            $"the server's log mentions {inLog}: {Lab.Server.Error[before..]}");
        await StillWorksAsync(bob);
        Assert.Equal(["bob"], (await Lab.StatusAsync("host")).Select(s => s.User));
    }

    private async Task StillWorksAsync(LabTunnel bob) =>
        Assert.StartsWith(bob.Address4 + " ", await TalkAsync("bob", "tcp", LabFixture.Hidden4, "hello"), StringComparison.Ordinal);

    // known_hosts that has the key already: the refusal is then the only line
    private string[] Arguments(string user, string key, string? remoteUser = null) =>
        ["pvpn", "-o", "StrictHostKeyChecking=accept-new", "-o", $"UserKnownHostsFile={Lab.State}/home/{user}/known_hosts",
            "-o", "IdentitiesOnly=yes", "-i", key, $"{remoteUser ?? user}@{LabFixture.Gateway}"];

    private async Task<string> NewKeyAsync(string user)
    {
        string file = $"{Lab.State}/home/{user}/other-{Guid.NewGuid():N}";
        (await Lab.RunAsync(user, "ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", file)).Succeeded();
        return file;
    }

    private string FakeServerCertificate()
    {
        using RSA key = RSA.Create(2048);
        var request = new CertificateRequest("CN=fake", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        using X509Certificate2 certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        string file = Path.Combine(Lab.State, "gw", "fake.pem");
        File.WriteAllText(file, certificate.ExportCertificatePem() + "\n" + key.ExportPkcs8PrivateKeyPem() + "\n");
        return file;
    }
}
