using PersonalVpn.Kernel.Support;

namespace PersonalVpn.Kernel.Install;

/// <summary><c>make install</c> and <c>make uninstall</c> into a directory.</summary>
[Collection(Machines.Collection)]
public sealed class MakeInstallTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("pvpn-install-").FullName;

    [Theory]
    [InlineData("/usr/local", "etc/systemd/system")]
    [InlineData("/usr", "usr/lib/systemd/system")]
    public void What_is_installed_is_removed_but_for_what_the_administrator_changed(string prefix, string units)
    {
        Make(prefix, "install-pvpn", "install-pvpn-server");
        string[] files = Files();
        string under = prefix[1..];
        foreach (string file in new[]
        {
            $"{under}/bin/pvpn", $"{under}/sbin/pvpnd", $"{under}/sbin/pvpn-server", $"{under}/lib/pvpn/pvpn", $"{under}/lib/pvpn/libcoreclr.so",
            $"{units}/pvpnd.service", $"{units}/pvpn-server.service", $"{under}/lib/sysusers.d/pvpn.conf", $"{under}/lib/tmpfiles.d/pvpn-server.conf",
            "etc/pvpn/forwarder.conf", "etc/pvpn/server.conf", "etc/pvpn/pvpn.conf", $"{under}/share/man/man1/pvpn.1", $"{under}/share/man/man8/pvpnd.8",
        })
            Assert.Contains(file, files);
        Assert.DoesNotMatch("@[A-Z]+@", File.ReadAllText(Path.Combine(_directory, units, "pvpn-server.service")));
        Assert.Contains($"ExecStart={prefix}/sbin/pvpnd ", File.ReadAllText(Path.Combine(_directory, units, "pvpnd.service")), StringComparison.Ordinal);
        Assert.StartsWith("pvpn ", Shell.Exec(30_000, Path.Combine(_directory, under, "bin/pvpn"), "--version"), StringComparison.Ordinal);
        foreach (string file in files.Select(f => Path.Combine(_directory, f)).Where(f => new FileInfo(f).LinkTarget is null))
            Assert.Equal(default, File.GetUnixFileMode(file) & (UnixFileMode.GroupWrite | UnixFileMode.OtherWrite));

        string changed = Path.Combine(_directory, "etc/pvpn/server.conf");
        File.AppendAllText(changed, "Route 10.1.0.0/16\n");
        Make(prefix, "install-pvpn", "install-pvpn-server");
        Assert.EndsWith("Route 10.1.0.0/16\n", File.ReadAllText(changed), StringComparison.Ordinal);
        Make(prefix, "uninstall");
        Assert.Equal(["etc/pvpn/server.conf"], Files());
    }

    /// <summary>Removes the directory.</summary>
    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private void Make(string prefix, params string[] targets) =>
        Shell.Exec(120_000, ["make", "-s", "-C", Machines.PathOf("."), .. targets, $"DESTDIR={_directory}", $"PREFIX={prefix}"]);

    private string[] Files() =>
        [.. Directory.EnumerateFiles(_directory, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(_directory, f)).Order(StringComparer.Ordinal)];
}
