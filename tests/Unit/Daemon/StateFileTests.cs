using PersonalVpn.Daemon.Tunnels;
using PersonalVpn.Unit.UserAuthTests;
using Xunit;
using static PersonalVpn.Unit.DaemonTests.Gates;

namespace PersonalVpn.Unit.DaemonTests;

/// <summary>What a start after a crash knows of the tunnels that were.</summary>
public sealed class StateFileTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void Tunnels_come_back_blocked()
    {
        TunnelState before = NewTunnel("10.1.0.0/16", "fd01::/16");
        var file = new StateFile(_directory["state"]);
        file.Write([before]);
        TunnelState after = Assert.Single(file.Read(out string? problem));
        Assert.Null(problem);
        Assert.Equal((before.Uid, before.Gateway, before.User, before.AddressV4, before.AddressV6, before.Mtu, before.Device, before.Table, before.Since),
            (after.Uid, after.Gateway, after.User, after.AddressV4, after.AddressV6, after.Mtu, after.Device, after.Table, after.Since));
        Assert.Equal(before.Routes, after.Routes);
        Assert.False(after.IsUp);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_directory["state"]));
        Assert.Equal([_directory["state"]], Directory.GetFiles(_directory.Root));
    }

    [Fact]
    public void A_link_in_its_place_is_not_followed()
    {
        File.WriteAllText(_directory["victim"], "root's own");
        File.CreateSymbolicLink(_directory["state.new"], _directory["victim"]);
        File.CreateSymbolicLink(_directory["state"], _directory["victim"]);
        new StateFile(_directory["state"]).Write([NewTunnel()]);
        Assert.Equal("root's own", File.ReadAllText(_directory["victim"]));
        Assert.Null(new FileInfo(_directory["state"]).LinkTarget);
    }

    [Fact]
    public void Writing_replaces_and_deleting_leaves_nothing()
    {
        var file = new StateFile(_directory["state"]);
        file.Write([NewTunnel(), NewTunnel()]);
        file.Write([]);
        Assert.Empty(file.Read(out _));
        file.Delete();
        file.Delete();
        Assert.Empty(file.Read(out string? problem));
        Assert.Null(problem);
    }

    [Theory]
    [InlineData("net:[", "net:[1")] // another network namespace
    [InlineData("\"Incarnation\": \"", "\"Incarnation\": \"0")] // another boot
    public void Another_boot_or_namespace_means_nothing(string from, string to)
    {
        var file = new StateFile(_directory["state"]);
        file.Write([NewTunnel()]);
        File.WriteAllText(_directory["state"], File.ReadAllText(_directory["state"]).Replace(from, to, StringComparison.Ordinal));
        Assert.Empty(file.Read(out string? problem));
        Assert.Null(problem);
    }

    [Theory]
    [InlineData("10.1.0.0/16", "10.1.0.0/99")]
    [InlineData("\"Gateway\": \"gw\",", "")]
    [InlineData("\"Gateway\": \"gw\"", "\"Gateway\": null")]
    [InlineData("[", "x")]
    public void A_damaged_record_is_a_problem_not_a_crash(string from, string to)
    {
        var file = new StateFile(_directory["state"]);
        file.Write([NewTunnel()]);
        File.WriteAllText(_directory["state"], File.ReadAllText(_directory["state"]).Replace(from, to, StringComparison.Ordinal));
        Assert.Empty(file.Read(out string? problem));
        Assert.StartsWith(_directory["state"] + ": ", problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{}")]
    [InlineData("{\"Incarnation\": \"x\", \"Tunnels\": null}")]
    public void A_record_of_something_else_is_a_problem(string text)
    {
        _directory.Write("state", text);
        Assert.Empty(new StateFile(_directory["state"]).Read(out string? problem));
        Assert.NotNull(problem);
    }
}
