using PersonalVpn.Server;
using PersonalVpn.Tunnel.Configuration;
using PersonalVpn.Unit.UserAuthTests;
using Xunit;

namespace PersonalVpn.Unit.Server;

/// <summary>The host key is made once, for its owner alone, and never replaced.</summary>
public sealed class HostKeyTests : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly string _directory = Directory.CreateTempSubdirectory("pvpn-hostkey-").FullName;

    private string Path => System.IO.Path.Combine(_directory, "host_key.pem");

    [Fact]
    public void A_missing_key_is_made()
    {
        using HostKey made = HostKey.Load(Path, null);
        AssertKept(made);
    }

    [Fact]
    public void An_empty_file_is_filled_where_it_is()
    {
        File.WriteAllText(Path, "");
        File.SetUnixFileMode(Path, OwnerOnly);
        string inode = Tool.Run("stat", "-c", "%i", Path);
        // What the system user meets: the file is its own, the directory is not.
        File.SetUnixFileMode(_directory, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        using HostKey made = HostKey.Load(Path, null);
        AssertKept(made);
        Assert.Equal(inode, Tool.Run("stat", "-c", "%i", Path));
    }

    [Fact]
    public void A_file_that_holds_something_else_is_refused_and_left_alone()
    {
        File.WriteAllText(Path, "no key");
        File.SetUnixFileMode(Path, OwnerOnly);
        Assert.Contains(Path, Assert.Throws<ConfigurationException>(() => HostKey.Load(Path, null)).Message, StringComparison.Ordinal);
        Assert.Equal("no key", File.ReadAllText(Path));
    }

    /// <summary>Removes the directory.</summary>
    public void Dispose()
    {
        File.SetUnixFileMode(_directory, OwnerOnly | UnixFileMode.UserExecute);
        Directory.Delete(_directory, recursive: true);
    }

    private void AssertKept(HostKey made)
    {
        Assert.Equal(OwnerOnly, File.GetUnixFileMode(Path));
        Assert.Equal([Path], Directory.GetFiles(_directory));
        using HostKey again = HostKey.Load(Path, null);
        Assert.Equal(made.PublicKey.Fingerprint, again.PublicKey.Fingerprint);
    }
}
