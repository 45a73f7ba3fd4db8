using System.Text.Json;

namespace PersonalVpn.Kernel.Install;

/// <summary>Runs tests/Kernel/Install/packages.py once.</summary>
public sealed class PackagesRun
{
    /// <summary>Fails when a step of it fails.</summary>
    public PackagesRun() => Facts = Machines.Run("tests/Kernel/Install/packages.py");

    /// <summary>What the script wrote.</summary>
    public JsonElement Facts { get; }
}

/// <summary>The life of the packages: installed, reloaded, upgraded, crashed, removed, purged.</summary>
[Collection(Machines.Collection)]
public sealed class PackageTests(PackagesRun run) : IClassFixture<PackagesRun>
{
    [Fact]
    public void The_server_opens_no_port_before_it_is_started()
    {
        Assert.Equal("disabled\ninactive\n", Text("server after installation"));
        Assert.Equal("", Text("port after installation"));
    }

    [Fact]
    public void A_reload_keeps_tunnels() => Assert.Equal((0, "protected via gateway.example.org\n"), Said("up after reload"));

    [Fact]
    public void Owners_are_found_in_proc_from_within_the_sandbox()
    {
        (int status, string text) = Said("by procfs");
        Assert.Equal(0, status);
        Assert.EndsWith("hello 10.1.0.1", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Cleanup_leaves_a_running_pvpnd_alone()
    {
        (int status, string text) = Said("cleanup beside pvpnd");
        Assert.Equal(1, status);
        Assert.Equal("pvpnd: another pvpnd listens on /run/pvpn/forwarder.sock; stop it first: systemctl stop pvpnd\n", text);
        Assert.Equal((0, "protected via gateway.example.org\n"), Said("up after cleanup"));
    }

    [Fact]
    public void An_upgrade_lets_nothing_out_in_clear_and_keeps_configuration_and_host_key()
    {
        Assert.Equal((2, "blocked\nping: connect: No route to host\n"), Said("after upgrade"));
        Assert.Equal("DenyUsers bob\n", Text("configuration after upgrade"));
        (int status, string text) = Said("again after upgrade");
        Assert.Equal(0, status);
        Assert.StartsWith("pvpn: connected", text, StringComparison.Ordinal);
        Assert.True(run.Facts.GetProperty("server restarted by upgrade").GetBoolean());
        Assert.True(run.Facts.GetProperty("same host key").GetBoolean());
    }

    [Fact]
    public void After_a_crash_systemd_starts_it_and_the_block_stands() => Assert.Equal((2, "blocked\n"), Said("after crash"));

    [Fact]
    public void Remove_keeps_what_the_administrator_made() => Assert.Equal(
        ["etc/pvpn/host_key.pem", "etc/pvpn/server.conf", "etc/pvpn/authorized_keys/alice", "etc/pvpn/forwarder.conf"],
        run.Facts.GetProperty("kept by remove").EnumerateArray().Select(p => p.GetString()!));

    [Fact]
    public void Purge_leaves_nothing_even_of_a_crash()
    {
        Assert.True(run.Facts.GetProperty("record of the crash").GetBoolean(), "there was nothing to clean");
        Assert.Empty(run.Facts.GetProperty("left").EnumerateArray().Select(l => l.GetString()));
    }

    private string Text(string fact) => run.Facts.GetProperty(fact).GetString()!;

    private (int Status, string Text) Said(string fact) => (run.Facts.GetProperty(fact)[0].GetInt32(), run.Facts.GetProperty(fact)[1].GetString()!);
}
