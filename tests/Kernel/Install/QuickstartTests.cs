using System.Text.Json;
using System.Text.RegularExpressions;

namespace PersonalVpn.Kernel.Install;

/// <summary>
/// Runs Scripts/quickstart.py once: the commands of docs/quickstart.md on two clean Debian machines with a real systemd, packages
/// installed by apt, daemons started by their units; and what was seen while the tunnel was up.
/// </summary>
public sealed class QuickstartRun
{
    /// <summary>Types the document; fails when a command of it fails.</summary>
    public QuickstartRun() => Facts = Machines.Run("Scripts/quickstart.py", "--facts");

    /// <summary>What the script wrote.</summary>
    public JsonElement Facts { get; }
}

/// <summary>The packages as docs/quickstart.md says to use them.</summary>
[Collection(Machines.Collection)]
public sealed partial class QuickstartTests(QuickstartRun run) : IClassFixture<QuickstartRun>
{
    private const int ProbedAtLeast = 3; // main thread, the runtime's own, the control thread

    [Fact]
    public void Every_command_of_the_document_does_what_it_says()
    {
        // The script fails at the first that does not; this holds that it found them.
        string[] typed = [.. run.Facts.GetProperty("said").EnumerateArray().Select(s => s[2].GetString()!)];
        string[] written = [.. Command().Matches(File.ReadAllText(Machines.PathOf("docs/quickstart.md"))).Select(m => m.Groups[1].Value)];
        Assert.Equal(written, typed);
        Assert.True(written.Length >= 12, $"only {written.Length} commands were found in the document");
        Assert.Contains("pvpn: connected to gateway.example.org as alice", run.Facts.GetProperty("said").ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_tunnel_carries_alices_TCP_and_UDP_and_nobody_elses()
    {
        Assert.Equal("hello 10.1.0.1", run.Facts.GetProperty("tcp").GetString());
        Assert.Equal("over UDP\n", run.Facts.GetProperty("udp").GetString());
        Assert.Equal("ping: connect: Network is unreachable\n[]\n", run.Facts.GetProperty("bob").GetString());
    }

    [Theory]
    [InlineData("pvpnd")]
    [InlineData("pvpn-server")]
    public void A_daemon_has_the_capabilities_of_its_unit_and_no_other_and_can_gain_none(string unit)
    {
        JsonElement daemon = run.Facts.GetProperty(unit);
        Assert.Equal("pvpn", daemon.GetProperty("user").GetString());
        ulong expected = Bits(unit);
        JsonElement[] threads = [.. daemon.GetProperty("threads").EnumerateArray()];
        Assert.True(threads.Length >= ProbedAtLeast, $"{threads.Length} threads");
        foreach (JsonElement thread in threads)
        {
            foreach (string set in new[] { "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb" })
                Assert.Equal(expected, Convert.ToUInt64(thread.GetProperty(set).GetString(), 16));
            Assert.Equal("1", thread.GetProperty("NoNewPrivs").GetString());
            Assert.Equal("2", thread.GetProperty("Seccomp").GetString()); // SystemCallFilter= is in force
            Assert.DoesNotContain("0", thread.GetProperty("Uid").GetString()!.Split('\t'));
        }
    }

    [Fact]
    public void Files_belong_to_whom_they_should()
    {
        string[] expected =
        [
            "/etc/pvpn root:root 755", "/etc/pvpn/host_key.pem pvpn:pvpn 600", "/etc/pvpn/server.conf root:root 644",
            "/etc/pvpn/authorized_keys root:root 755", "/run/pvpn pvpn:pvpn 755", "/run/pvpn/server.sock pvpn:pvpn 600",
            "/run/pvpn/forwarder.sock pvpn:pvpn 666", "/run/pvpn/forwarder.sock.state pvpn:pvpn 600",
        ];
        Assert.Equal(expected, run.Facts.GetProperty("modes").EnumerateArray().Select(m => m.GetString()));
    }

    [Fact]
    public void Systemd_finds_no_fault_in_the_units() =>
        Assert.All(run.Facts.GetProperty("verify").EnumerateArray(), said => Assert.Equal("", said.GetString()));

    [Fact]
    public void Purge_leaves_nothing() => Assert.Empty(run.Facts.GetProperty("left").EnumerateArray().Select(l => l.GetString()));

    // capability(7): the numbers of linux/capability.h
    private static ulong Bits(string unit)
    {
        string text = File.ReadAllText(Machines.PathOf($"Scripts/systemd/{unit}.service"));
        return Regex.Match(text, @"^CapabilityBoundingSet=(.*)$", RegexOptions.Multiline).Groups[1].Value.Split(' ').Aggregate(0UL, (bits, name) =>
            bits | 1UL << name switch { "CAP_NET_BIND_SERVICE" => 10, "CAP_NET_ADMIN" => 12, "CAP_NET_RAW" => 13, _ => throw new InvalidOperationException(name) });
    }

    [GeneratedRegex(@"^(?:host|gateway)[#$] (.*)$", RegexOptions.Multiline)]
    private static partial Regex Command();
}
