namespace PersonalVpn.Kernel.Lab.Suites;

/// <summary>Keys of every kind, made by stock ssh-keygen, against a real server; agents, passphrases and terminals are real.</summary>
[Collection(KernelTun.Name)]
public sealed class KeyTests(KernelTunLab lab) : LabTests(lab)
{
    private const string Passphrase = "correct horse battery";

    private string Home => $"{Lab.State}/home/alice";

    private string Authorized => $"{Lab.State}/gw/authorized_keys/alice";

    [Theory]
    [InlineData("ecdsa", "256")]
    [InlineData("ecdsa", "521")]
    [InlineData("ed25519", "256")]
    [InlineData("rsa", "4096")]
    public async Task A_key_in_a_file(string type, string bits)
    {
        string key = await KeyAsync(type, bits, "");
        await using (await AuthorizeAsync("", key))
            (await LoginAsync(key)).Succeeded();
    }

    [Theory]
    [InlineData("rsa", "2048")]
    [InlineData("ed25519", "256")]
    public async Task A_key_that_is_in_an_agent_alone(string type, string bits)
    {
        string socket = $"{Home}/agent-{Guid.NewGuid():N}", key = await KeyAsync(type, bits, "");
        await using LabProcess agent = LabProcess.Start(Lab, "agent", "alice", "ssh-agent", "-D", "-a", socket);
        await EventuallyAsync(() => Task.FromResult(File.Exists(socket)), "the agent listens");
        (await Lab.RunAsync("alice", "env", $"SSH_AUTH_SOCK={socket}", "ssh-add", "-q", key)).Succeeded();
        await using IAsyncDisposable line = await AuthorizeAsync("", key);
        File.Delete(key);
        // -i names what is in the agent by its public half alone.
        foreach (string[] more in new string[][] { [], ["-o", "IdentitiesOnly=yes", "-i", key + ".pub"] })
            (await Lab.RunAsync("alice", ["env", $"SSH_AUTH_SOCK={socket}", .. Command(more)])).Succeeded();
        CommandResult without = await Lab.RunAsync("alice", Command(["-o", "IdentityAgent=none", "-i", key]));
        Assert.Equal(255, without.ExitCode);
        Assert.Contains(key, Assert.Single(without.ErrorLines), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_key_with_a_passphrase_in_OpenSSHs_own_format_and_the_passphrase_is_in_no_program_of_ours()
    {
        string key = await KeyAsync("rsa", "2048", Passphrase), socket = $"{Home}/socket-seen";
        string askpass = await AskpassAsync($"echo \"$SSH_AUTH_SOCK\" >{socket}; echo '{Passphrase}'");
        await using IAsyncDisposable line = await AuthorizeAsync("", key);
        await using LabProcess pvpn = LabProcess.Start(Lab, "pvpn-passphrase", "alice",
            ["env", $"SSH_ASKPASS={askpass}", "SSH_ASKPASS_REQUIRE=force", .. Command(["-i", key])[..^2]]);
        await pvpn.ErrorLineAsync("pvpn: connected");
        Assert.Contains("ssh-add asks for it", pvpn.Error, StringComparison.Ordinal);
        Assert.False(File.Exists((await File.ReadAllTextAsync(socket)).Trim()), "the agent is still there after the login");
        byte[] secret = System.Text.Encoding.UTF8.GetBytes(Passphrase);
        Assert.True(ProcessMemory.Holds(pvpn.Id, System.Text.Encoding.UTF8.GetBytes(key)), "the search does not even find the key's path");
        foreach (LabProcess process in new[] { pvpn, Lab.Forwarder!, Lab.Server! })
            Assert.False(ProcessMemory.Holds(process.Id, secret), $"{process.Name} holds the passphrase");
    }

    [Fact]
    public async Task Killed_at_the_passphrase_pvpn_leaves_no_agent()
    {
        string key = await KeyAsync("ed25519", "256", Passphrase), socket = $"{Home}/socket-killed";
        string askpass = await AskpassAsync($"echo \"$SSH_AUTH_SOCK\" >{socket}.new; mv {socket}.new {socket}; sleep 3");
        await using LabProcess pvpn = LabProcess.Start(Lab, "pvpn-killed", "alice",
            ["env", $"SSH_ASKPASS={askpass}", "SSH_ASKPASS_REQUIRE=force", .. Command(["-i", key])]);
        await EventuallyAsync(() => Task.FromResult(File.Exists(socket)), "ssh-add asks", 15);
        string agent = (await File.ReadAllTextAsync(socket)).Trim();
        Assert.True(File.Exists(agent));
        pvpn.Signal("KILL");
        await EventuallyAsync(() => Task.FromResult(!File.Exists(agent) && !Directory.Exists(Path.GetDirectoryName(agent))), "the agent is gone", 2);
    }

    [Fact]
    public async Task A_passphrase_is_asked_on_the_terminal_without_echo_by_ssh_add_and_by_pvpn_itself()
    {
        string openSsh = await KeyAsync("ecdsa", "384", Passphrase), pkcs8 = await KeyAsync("rsa", "2048", Passphrase, "-m", "PKCS8");
        foreach (string key in new[] { openSsh, pkcs8 })
        {
            await using IAsyncDisposable line = await AuthorizeAsync("", key);
            CommandResult result = await Lab.RunAsync("alice", ["at_terminal.py", "Enter passphrase for", Passphrase, "--", .. Command(["-i", key])]);
            Assert.True(result.ExitCode == 0, result.Output);
            Assert.Contains("pvpn: connected", result.Output, StringComparison.Ordinal);
            Assert.DoesNotContain(Passphrase, result.Output, StringComparison.Ordinal);
            Assert.EndsWith("echo on\n", result.Output, StringComparison.Ordinal);

            CommandResult interrupted = await Lab.RunAsync("alice", ["at_terminal.py", "Enter passphrase for", "^C", "--", .. Command(["-i", key])]);
            Assert.Equal(130, interrupted.ExitCode);
            Assert.EndsWith("echo on\n", interrupted.Output, StringComparison.Ordinal);
        }
        Assert.Empty(await Lab.StatusAsync("host"));
    }

    [Fact]
    public async Task Nobody_to_ask_and_no_OpenSSH_are_one_line_each()
    {
        string key = await KeyAsync("rsa", "2048", Passphrase);
        CommandResult nobody = await Lab.RunAsync("alice", ["setsid", "-w", .. Command(["-q", "-i", key])]);
        Assert.Equal(255, nobody.ExitCode);
        Assert.Contains("set SSH_ASKPASS", Assert.Single(nobody.ErrorLines), StringComparison.Ordinal);
        string bare = $"{Lab.State}/tools";
        CommandResult none = await Lab.RunAsync("alice", ["sh", "-c", $"p=$(command -v pvpn); PATH={bare}; exec \"$p\" \"$@\"", "sh", .. Command(["-q", "-i", key])[1..^1], "/bin/true"]);
        Assert.Equal(255, none.ExitCode);
        Assert.Contains("apt install openssh-client", Assert.Single(none.ErrorLines), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Programs_of_the_working_directory_are_not_run()
    {
        string key = await KeyAsync("ed25519", "256", Passphrase), trap = $"{Home}/trap-{Guid.NewGuid():N}";
        string askpass = await AskpassAsync($"echo '{Passphrase}'");
        Directory.CreateDirectory(trap);
        foreach (string name in new[] { "ssh-agent", "ssh-add", Path.GetFileName(askpass) })
        {
            await File.WriteAllTextAsync($"{trap}/{name}", "#!/bin/sh\nexit 99\n");
            File.SetUnixFileMode($"{trap}/{name}", (UnixFileMode)0b111_101_101);
        }
        await using IAsyncDisposable line = await AuthorizeAsync("", key);
        string[] there = ["sh", "-c", $"cd {trap}; PATH={Home}:$PATH SSH_ASKPASS={Path.GetFileName(askpass)} SSH_ASKPASS_REQUIRE=force exec \"$@\"", "sh"];
        (await Lab.RunAsync("alice", [.. there, .. Command(["-i", key])])).Succeeded();
    }

    [Theory]
    [InlineData("expiry-time=\"20200101\" ", "Expired", "permission denied")]
    [InlineData("from=\"192.0.2.0/24\" ", "FromMismatch", "permission denied")]
    [InlineData("restrict,no-such-option ", "UnusableLine", "permission denied")]
    [InlineData("restrict,permit=\"10.99.3.0/24\" ", "", "10.99.2.0/24 is not permitted")]
    [InlineData("address=\"10.1.2.3\" ", "", "10.1.2.3")]
    public async Task What_an_option_forbids(string options, string inLog, string inLine)
    {
        string key = await KeyAsync("ed25519", "256", "");
        await using IAsyncDisposable line = await AuthorizeAsync(options, key);
        int before = Lab.Server!.Error.Length;
        CommandResult result = await Lab.RunAsync("alice", Command(["-i", key], "10.99.2.0/24"));
        Assert.Equal(255, result.ExitCode);
        Assert.Contains(inLine, Assert.Single(result.ErrorLines), StringComparison.Ordinal);
        await EventuallyAsync(() => Task.FromResult(Lab.Server.Error[before..].Contains(inLog, StringComparison.Ordinal)), $"the log says {inLog}");
    }

    [Fact]
    public async Task Files_that_others_may_write_or_read()
    {
        string key = await KeyAsync("ed25519", "256", "");
        await using IAsyncDisposable line = await AuthorizeAsync("", key);
        UnixFileMode mode = File.GetUnixFileMode(Authorized);
        File.SetUnixFileMode(Authorized, mode | UnixFileMode.GroupWrite);
        try
        {
            Assert.Equal(255, (await LoginAsync(key)).ExitCode);
            await Lab.Server!.ErrorLineContainingAsync($"chmod go-w '{Authorized}'");
            await Lab.StartServerAsync("StrictModes no");
            (await LoginAsync(key)).Succeeded();
        }
        finally
        {
            File.SetUnixFileMode(Authorized, mode);
        }
        File.SetUnixFileMode(key, UnixFileMode.UserRead | UnixFileMode.OtherRead);
        CommandResult open = await LoginAsync(key);
        Assert.Equal(255, open.ExitCode);
        Assert.Contains("UNPROTECTED PRIVATE KEY FILE", Assert.Single(open.ErrorLines), StringComparison.Ordinal);
    }

    private Task<CommandResult> LoginAsync(string key) => Lab.RunAsync("alice", Command(["-o", "IdentitiesOnly=yes", "-i", key]));

    private string[] Command(string[] options, params string[] destinations) =>
        ["pvpn", "-o", "StrictHostKeyChecking=accept-new", "-o", $"UserKnownHostsFile={Home}/known_hosts", .. options,
            $"alice@{LabFixture.Gateway}", .. destinations, "--", "true"];

    private async Task<string> KeyAsync(string type, string bits, string passphrase, params string[] more)
    {
        string file = $"{Home}/key-{Guid.NewGuid():N}";
        (await Lab.RunAsync("alice", ["ssh-keygen", "-q", "-t", type, "-b", bits, "-N", passphrase, "-f", file, .. more])).Succeeded();
        return file;
    }

    private async Task<string> AskpassAsync(string body)
    {
        string file = $"{Home}/askpass-{Guid.NewGuid():N}";
        await File.WriteAllTextAsync(file, $"#!/bin/sh\n{body}\n");
        File.SetUnixFileMode(file, (UnixFileMode)0b111_101_101);
        return file;
    }

    private async Task<IAsyncDisposable> AuthorizeAsync(string options, string key)
    {
        string before = await File.ReadAllTextAsync(Authorized);
        await File.WriteAllTextAsync(Authorized, options + await File.ReadAllTextAsync(key + ".pub"));
        return new Restored(Authorized, before);
    }

    private sealed class Restored(string file, string text) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync() => await File.WriteAllTextAsync(file, text);
    }
}
