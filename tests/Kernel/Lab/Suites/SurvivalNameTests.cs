namespace PersonalVpn.Kernel.Lab.Suites;

/// <summary>A gateway that is known by name, and a name server that is reached through the tunnel alone.</summary>
[Collection(KernelTun.Name)]
public sealed class SurvivalNameTests(KernelTunLab lab) : LabTests(lab)
{
    private const string Gateway = "gw.survival.test";

    [Fact]
    public async Task A_tunnel_that_carries_the_questions_about_its_own_gateway_comes_back()
    {
        // ip-netns(8): what lies here stands over /etc for whatever is started in the namespace.
        string etc = $"/etc/netns/{Lab.Prefix}host";
        Directory.CreateDirectory(etc);
        try
        {
            await File.WriteAllTextAsync($"{etc}/resolv.conf", $"nameserver {LabFixture.Gateway}\n");
            await using LabProcess names = LabProcess.Start(Lab, "names", "gw", "names.py", LabFixture.Gateway, Gateway, LabFixture.Gateway);
            await EventuallyAsync(() => Task.FromResult(names.Output.Contains("ready", StringComparison.Ordinal)), "the name server");
            string[] server = [.. Survivor.Alive, "Route 0.0.0.0/0", "Route ::/0"];
            await Lab.StartServerAsync(server);
            await using LabProcess pvpn = LabProcess.Start(Lab, "pvpn-name", "alice", ["pvpn", "-o", "StrictHostKeyChecking=accept-new", "-o", "UserKnownHostsFile=none",
                "-i", $"{Lab.State}/home/alice/.ssh/id_rsa", .. Survivor.Quick, $"alice@{Gateway}", "default"]);
            await pvpn.ErrorLineAsync("pvpn: connected to " + Gateway);
            Lab.Server!.Signal("KILL");
            await pvpn.ErrorLineContainingAsync("; reconnecting");
            Assert.NotEqual(0, (await Lab.RunAsync("alice", "timeout", "1", "getent", "ahostsv4", Gateway)).ExitCode);
            await Lab.StartServerAsync(server);
            await pvpn.ErrorLineAsync("pvpn: reconnected to " + Gateway, 20);
            Assert.StartsWith("10.77.", await TalkAsync("alice", "tcp", LabFixture.Hidden4, "again"), StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(etc, recursive: true);
        }
    }
}
