using PersonalVpn.UserAuth;
using Xunit;

namespace PersonalVpn.Unit.UserAuthTests;

[Collection(KeyCollection.Name)]
public sealed class KnownHostsTests(KeyFixture keys) : IDisposable
{
    private readonly TempDirectory _directory = new();

    private PublicKey Key => keys.Public("rsa2048");

    private PublicKey Other => keys.Public("ecdsa256");

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void An_added_server_matches_and_another_key_is_changed()
    {
        var hosts = new KnownHosts(_directory["sub/known_hosts"]);
        Assert.Equal(KnownHostsVerdict.Unknown, hosts.Check("gw.example", 443, Key).Verdict);
        Assert.True(hosts.Add("GW.example", 443, Key, out string error), error);
        Assert.True(hosts.Add("gw.example", 443, Key, out _));
        Assert.True(hosts.Add("gw.example", 8443, Other, out _));
        Assert.True(hosts.Add("fd00::1", 8443, Other, out _));
        Assert.Equal(
            $"gw.example {Key.ToOpenSsh(null)}\n[gw.example]:8443 {Other.ToOpenSsh(null)}\n[fd00::1]:8443 {Other.ToOpenSsh(null)}\n",
            File.ReadAllText(_directory["sub/known_hosts"]));
        Assert.Equal(KnownHostsVerdict.Match, hosts.Check("gw.EXAMPLE", 443, Key).Verdict);
        Assert.Equal(KnownHostsVerdict.Match, hosts.Check("[fd00::1]", 8443, Other).Verdict);
        KnownHostsAnswer changed = hosts.Check("gw.example", 8443, Key);
        Assert.Equal((KnownHostsVerdict.Changed, 2, Other.Fingerprint, _directory["sub/known_hosts"]), (changed.Verdict, changed.Line,
            changed.OldFingerprint, changed.File));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_directory["sub/known_hosts"]));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(_directory["sub"]));
    }

    [Fact]
    public void In_dev_null_nobody_is_known_and_nobody_becomes_known()
    {
        var hosts = new KnownHosts("/dev/null");
        Assert.True(hosts.Add("gw.example", 443, Key, out string error), error);
        Assert.Equal(KnownHostsVerdict.Unknown, hosts.Check("gw.example", 443, Key).Verdict);
        Assert.Equal((0, ""), (hosts.Remove("gw.example", 443, out error), error));
        Assert.Equal(KnownHostsVerdict.Unreadable, new KnownHosts("/dev/zero").Check("gw.example", 443, Key).Verdict);
    }

    [Fact]
    public void Hashed_names_made_by_ssh_keygen_are_read()
    {
        string path = _directory.Write("known_hosts", $"gw.example {Key.ToOpenSsh(null)}\n[gw.example]:8443 {Other.ToOpenSsh(null)}\n");
        Tool.Run("ssh-keygen", "-H", "-f", path);
        Assert.DoesNotContain("gw.example", File.ReadAllText(path), StringComparison.Ordinal);
        var hosts = new KnownHosts(path);
        Assert.Equal(KnownHostsVerdict.Match, hosts.Check("gw.example", 443, Key).Verdict);
        Assert.Equal(KnownHostsVerdict.Match, hosts.Check("gw.example", 8443, Other).Verdict);
        Assert.Equal(KnownHostsVerdict.Changed, hosts.Check("gw.example", 8443, Key).Verdict);
        Assert.Equal(KnownHostsVerdict.Unknown, hosts.Check("gw.example", 1, Key).Verdict);
        Assert.Equal(1, hosts.Remove("gw.example", 8443, out string error));
        Assert.Empty(error);
        Assert.Equal(KnownHostsVerdict.Unknown, hosts.Check("gw.example", 8443, Other).Verdict);
    }

    [Fact]
    public void Patterns_negations_comments_and_markers_are_read()
    {
        string key = Key.ToOpenSsh("comment");
        var hosts = new KnownHosts(_directory.Write("known_hosts",
            $"# c\n\n*.lan,!bad.lan,10.0.0.? {key}\n@cert-authority * {Other.ToOpenSsh(null)}\n@revoked * {keys.Public("ecdsa384").ToOpenSsh(null)}\n"));
        Assert.Equal(KnownHostsVerdict.Match, hosts.Check("a.lan", 443, Key).Verdict);
        Assert.Equal(KnownHostsVerdict.Match, hosts.Check("10.0.0.7", 443, Key).Verdict);
        Assert.Equal(KnownHostsVerdict.Unknown, hosts.Check("bad.lan", 443, Key).Verdict);
        Assert.Equal(KnownHostsVerdict.Unknown, hosts.Check("10.0.0.77", 443, Key).Verdict);
        Assert.Equal(KnownHostsVerdict.Revoked, hosts.Check("a.lan", 443, keys.Public("ecdsa384")).Verdict);
        Assert.Equal(KnownHostsVerdict.Unknown, hosts.Check("else", 443, Other).Verdict);
    }

    [Fact]
    public void A_pin_that_cannot_be_read_is_a_changed_key_not_an_unknown_server()
    {
        var hosts = new KnownHosts(_directory.Write("known_hosts", "gw ssh-rsa AAAA\n"));
        Assert.Equal(KnownHostsVerdict.Changed, hosts.Check("gw", 443, Key).Verdict);
    }

    [Fact]
    public void A_match_in_a_second_file_counts_and_new_servers_go_to_the_first_that_can_be_written()
    {
        Directory.CreateDirectory(_directory["dir"]);
        string second = _directory.Write("second", $"gw {Key.ToOpenSsh(null)}"); // no newline at the end
        var hosts = new KnownHosts(_directory["dir"], second);
        Assert.Equal(KnownHostsVerdict.Unreadable, hosts.Check("gw", 443, Key).Verdict);
        Assert.True(hosts.Add("new", 443, Other, out string error), error);
        Assert.Equal($"gw {Key.ToOpenSsh(null)}\nnew {Other.ToOpenSsh(null)}\n", File.ReadAllText(second));
        var both = new KnownHosts(_directory["missing"], second);
        Assert.Equal(KnownHostsVerdict.Match, both.Check("gw", 443, Key).Verdict);
        Assert.False(new KnownHosts(_directory["dir"]).Add("new", 443, Key, out error));
        Assert.Contains(_directory["dir"], error, StringComparison.Ordinal);
    }

    [Fact]
    public void Remove_takes_the_servers_lines_and_keeps_the_others_and_the_mode()
    {
        string path = _directory.Write("known_hosts", $"# c\ngw {Key.ToOpenSsh(null)}\ngw,other {Key.ToOpenSsh(null)}\n[gw]:1 {Key.ToOpenSsh(null)}\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead);
        Assert.Equal(1, new KnownHosts(path).Remove("gw", 443, out string error));
        Assert.Empty(error);
        Assert.Equal($"# c\ngw,other {Key.ToOpenSsh(null)}\n[gw]:1 {Key.ToOpenSsh(null)}\n", File.ReadAllText(path));
        Assert.True(File.GetUnixFileMode(path).HasFlag(UnixFileMode.OtherRead));
        Assert.Equal([path, path + ".old"], Directory.GetFiles(_directory.Root).Order());
        Assert.Contains($"\ngw {Key.ToOpenSsh(null)}\n", File.ReadAllText(path + ".old"), StringComparison.Ordinal);
        Assert.Equal(0, new KnownHosts(path).Remove("gw", 443, out error)); // nothing to do: .old is not touched
        Assert.Contains($"\ngw {Key.ToOpenSsh(null)}\n", File.ReadAllText(path + ".old"), StringComparison.Ordinal);
    }

    [Fact]
    public void Remove_leaves_a_link_a_link_and_a_planted_old_file_alone()
    {
        using var elsewhere = new TempDirectory();
        string real = elsewhere.Write("real", $"gw {Key.ToOpenSsh(null)}\nother {Key.ToOpenSsh(null)}\n"), bystander = elsewhere.Write("bystander", "mine");
        File.CreateSymbolicLink(_directory["known_hosts"], real);
        File.CreateSymbolicLink(real + ".old", bystander);
        Assert.Equal(1, new KnownHosts(_directory["known_hosts"]).Remove("gw", 443, out string error));
        Assert.Empty(error);
        Assert.Equal(real, new FileInfo(_directory["known_hosts"]).LinkTarget);
        Assert.Equal($"other {Key.ToOpenSsh(null)}\n", File.ReadAllText(real));
        Assert.Null(new FileInfo(real + ".old").LinkTarget);
        Assert.Equal("mine", File.ReadAllText(bystander));
    }

    [Fact]
    public void Remove_says_why_a_file_cannot_be_changed_and_leaves_it()
    {
        string path = _directory.Write("known_hosts", $"gw {Key.ToOpenSsh(null)}\n");
        Directory.CreateDirectory(path + ".old"); // nothing can be kept under that name
        Assert.Equal(0, new KnownHosts(path).Remove("gw", 443, out string error));
        Assert.Contains(path, error, StringComparison.Ordinal);
        Assert.Equal($"gw {Key.ToOpenSsh(null)}\n", File.ReadAllText(path));
        Assert.Single(Directory.GetFiles(_directory.Root));
    }

    [Theory]
    [InlineData("a b")]
    [InlineData("a,b")]
    [InlineData("*")]
    [InlineData("a\nb")]
    [InlineData("")]
    public void A_host_that_is_no_name_cannot_write_a_line_of_its_own(string host)
    {
        var hosts = new KnownHosts(_directory["known_hosts"]);
        Assert.ThrowsAny<ArgumentException>(() => hosts.Add(host, 443, Key, out _));
        Assert.ThrowsAny<ArgumentException>(() => hosts.Check(host, 443, Key));
    }

    [Fact]
    public void Concurrent_changes_lose_nothing()
    {
        string path = _directory["known_hosts"];
        PublicKey key = Other;
        Parallel.For(0, 32, new ParallelOptions { MaxDegreeOfParallelism = 4 }, i =>
        {
            var hosts = new KnownHosts(path);
            Assert.True(hosts.Add($"host{i}", 443, key, out string error), error);
            Assert.True(hosts.Add($"gone{i}", 443, key, out error), error);
            Assert.Equal(1, hosts.Remove($"gone{i}", 443, out error));
            Assert.Empty(error);
        });
        Assert.Equal(
            Enumerable.Range(0, 32).Select(i => $"host{i} {key.ToOpenSsh(null)}").Order(),
            File.ReadAllText(path).Split('\n', StringSplitOptions.RemoveEmptyEntries).Order());
    }
}
