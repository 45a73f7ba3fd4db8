using System.Diagnostics;
using System.Net;
using PersonalVpn.UserAuth;
using Xunit;

namespace PersonalVpn.Unit.UserAuthTests;

[Collection(KeyCollection.Name)]
public sealed class UserAuthenticatorTests : IDisposable
{
    private static readonly DateTimeOffset Now = new(2026, 6, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly IPAddress Peer = IPAddress.Parse("192.0.2.1");
    private readonly KeyFixture _keys;
    private readonly TempDirectory _directory = new();
    private readonly AuthChallenge _challenge = new(1, AuthChallenge.CreateNonce(), AuthChallenge.CreateNonce(),
        AuthChallenge.HashCertificate([1]));
    private readonly IUserIdentity _identity;
    private readonly UserAuthenticator _authenticator;

    public UserAuthenticatorTests(KeyFixture keys)
    {
        _keys = keys;
        Assert.True(PrivateKeyFile.TryLoad(keys["rsa2048"], null, out IUserIdentity? identity, out string error), error);
        _identity = identity;
        _authenticator = new UserAuthenticator(_directory["%u"]);
    }

    private string Line => File.ReadAllText(_keys["rsa2048.pub"]);

    public void Dispose()
    {
        _identity.Dispose();
        _directory.Dispose();
    }

    [Fact]
    public void The_listed_key_with_its_signature_is_let_in_with_the_lines_options()
    {
        _directory.Write("alice", "# keys\nno-relay " + Line);
        AuthDecision decision = Decide("alice");
        Assert.True(decision.Allowed, decision.LogDetail);
        Assert.Equal(2, decision.Key!.LineNumber);
        Assert.True(decision.Key.Options.NoRelay);
    }

    [Theory]
    [InlineData("bob", "", AuthRefusal.NoSuchUser)]
    [InlineData("../alice", "", AuthRefusal.InvalidUserName)]
    [InlineData("alice", "command=\"x\" ", AuthRefusal.UnusableLine)]
    [InlineData("alice", "expiry-time=\"20200101\" ", AuthRefusal.Expired)]
    [InlineData("alice", "from=\"10.0.0.0/8\" ", AuthRefusal.FromMismatch)]
    public void Refusals_have_their_reason_in_the_log_only(string user, string options, AuthRefusal expected)
    {
        _directory.Write("alice", options + Line);
        AuthDecision decision = Decide(user);
        Assert.False(decision.Allowed);
        Assert.Equal(expected, decision.Refusal);
        Assert.NotEmpty(decision.LogDetail);
        Assert.Null(decision.Key);
        Assert.Equal("denied", AuthDecision.PublicAnswer);
    }

    [Fact]
    public void A_key_that_is_not_listed_is_NoSuchKey_and_no_key_is_UnusableKey()
    {
        _directory.Write("alice", File.ReadAllText(_keys["rsa3072.pub"]));
        Assert.Equal(AuthRefusal.NoSuchKey, Decide("alice").Refusal);
        Assert.Equal(AuthRefusal.UnusableKey, _authenticator.Decide("alice", null, "", [], _challenge, Peer, Now).Refusal);
        Assert.Equal(AuthRefusal.NoSuchKey, _authenticator.Decide("alice", _keys.Public("ed25519"), KeyTypes.Ed25519, new byte[64],
            _challenge, Peer, Now).Refusal);
    }

    [Fact]
    public void A_second_line_with_the_key_may_let_it_in()
    {
        _directory.Write("alice", "from=\"10.0.0.0/8\" " + Line + "expiry-time=\"20200101\" " + Line + "restrict " + Line);
        Assert.Equal(3, Decide("alice").Key!.LineNumber);
    }

    [Fact]
    public void A_signature_fits_this_user_these_nonces_and_this_certificate_only()
    {
        _directory.Write("alice", Line);
        _directory.Write("bob", Line);
        _identity.TrySign(_challenge.SignedData("alice", _identity.PublicKey), out string algorithm, out byte[] signature, out _);
        AuthChallenge[] others =
        [
            _challenge with { ProtocolVersion = 2 },
            _challenge with { ServerNonce = AuthChallenge.CreateNonce() },
            _challenge with { ClientNonce = AuthChallenge.CreateNonce() },
            _challenge with { ServerCertificateHash = AuthChallenge.HashCertificate([2]) },
        ];
        Assert.True(_authenticator.Decide("alice", _identity.PublicKey, algorithm, signature, _challenge, Peer, Now).Allowed);
        Assert.Equal(AuthRefusal.BadSignature, _authenticator.Decide("bob", _identity.PublicKey, algorithm, signature, _challenge, Peer,
            Now).Refusal);
        foreach (AuthChallenge other in others)
        {
            Assert.Equal(AuthRefusal.BadSignature, _authenticator.Decide("alice", _identity.PublicKey, algorithm, signature, other, Peer,
                Now).Refusal);
        }
        foreach (string wrong in (string[])["ssh-rsa", "rsa-sha2-256", ""])
        {
            Assert.Equal(AuthRefusal.BadSignature, _authenticator.Decide("alice", _identity.PublicKey, wrong, signature, _challenge, Peer,
                Now).Refusal);
        }
        for (int i = 0; i < signature.Length; i++)
        {
            signature[i] ^= 0x80;
            Assert.False(_authenticator.Decide("alice", _identity.PublicKey, algorithm, signature, _challenge, Peer, Now).Allowed);
            signature[i] ^= 0x80;
        }
    }

    [Theory]
    [InlineData(UnixFileMode.GroupWrite)]
    [InlineData(UnixFileMode.OtherWrite)]
    public void A_file_or_directory_that_others_may_write_is_not_believed(UnixFileMode extra)
    {
        string path = _directory.Write("alice", Line);
        UnixFileMode mode = File.GetUnixFileMode(path);
        File.SetUnixFileMode(path, mode | extra);
        AuthDecision decision = Decide("alice");
        Assert.Equal(AuthRefusal.UnusableFile, decision.Refusal);
        Assert.Contains("chmod go-w", decision.LogDetail, StringComparison.Ordinal);
        File.SetUnixFileMode(path, mode);
        Assert.True(Decide("alice").Allowed);
        UnixFileMode directoryMode = File.GetUnixFileMode(_directory.Root);
        File.SetUnixFileMode(_directory.Root, directoryMode | extra);
        Assert.Equal(AuthRefusal.UnusableFile, Decide("alice").Refusal);
        File.SetUnixFileMode(_directory.Root, directoryMode);
    }

    /// <summary>Every directory counts, up to the home or to the root, and every owner.</summary>
    [Fact]
    public void A_directory_further_up_that_others_may_write_is_not_believed_unless_it_is_above_the_home()
    {
        string home = Directory.CreateDirectory(_directory["home/alice/.ssh"]).Parent!.FullName, above = Path.GetDirectoryName(home)!;
        string path = _directory.Write("home/alice/.ssh/keys", Line);
        uint uid = uint.Parse(Tool.Run("id", "-u").Trim());
        var inHome = new UserAuthenticator("%h/.ssh/keys", _ => new UserAccount(home, uid));
        var anywhere = new UserAuthenticator(path);
        Assert.True(Decide("alice", inHome).Allowed);
        Assert.True(Decide("alice", anywhere).Allowed);

        File.SetUnixFileMode(above, File.GetUnixFileMode(above) | UnixFileMode.GroupWrite);
        Assert.True(Decide("alice", inHome).Allowed);
        AuthDecision refused = Decide("alice", anywhere);
        Assert.Equal(AuthRefusal.UnusableFile, refused.Refusal);
        Assert.Contains($"chmod go-w '{above}'", refused.LogDetail, StringComparison.Ordinal);

        File.SetUnixFileMode(home, File.GetUnixFileMode(home) | UnixFileMode.GroupWrite);
        Assert.Equal(AuthRefusal.UnusableFile, Decide("alice", inHome).Refusal);
        Assert.True(Decide("alice", new UserAuthenticator("%h/.ssh/keys", _ => new UserAccount(home, uid), strictModes: false)).Allowed);
    }

    [Fact]
    public void A_file_of_somebody_else_is_not_believed()
    {
        string path = _directory.Write("keys", Line);
        var other = new UserAuthenticator("%h/keys", _ => new UserAccount(_directory.Root, 54321));
        if (Tool.Run("id", "-u").Trim() == "0")
        {
            Tool.Run("chown", "54322", path); // root's would be believed
        }
        AuthDecision refused = Decide("alice", other);
        Assert.Equal(AuthRefusal.UnusableFile, refused.Refusal);
        Assert.Contains("belongs to uid", refused.LogDetail, StringComparison.Ordinal);
        Assert.True(Decide("alice", new UserAuthenticator("%h/keys", _ => new UserAccount(_directory.Root, 54321), strictModes: false)).Allowed);
    }

    [Fact]
    public void A_link_counts_as_the_file_it_leads_to()
    {
        using var open = new TempDirectory();
        open.Write("keys", Line);
        File.SetUnixFileMode(open.Root, File.GetUnixFileMode(open.Root) | UnixFileMode.OtherWrite);
        File.CreateSymbolicLink(_directory["alice"], open["keys"]);
        Assert.Equal(AuthRefusal.UnusableFile, Decide("alice").Refusal);
    }

    [Fact]
    public void A_fifo_in_the_place_of_the_file_does_not_hang()
    {
        Tool.Run("mkfifo", "-m", "600", _directory["alice"]);
        Assert.Equal(AuthRefusal.UnusableFile, Decide("alice").Refusal);
    }

    [Fact]
    public void Home_directories_come_from_the_account_and_the_user_need_not_exist()
    {
        _directory.Write("keys%", Line);
        uint uid = uint.Parse(Tool.Run("id", "-u").Trim());
        var authenticator = new UserAuthenticator("%h/keys%%", name => name == "alice" ? new UserAccount(_directory.Root, uid) : null);
        Assert.True(Decide("alice", authenticator).Allowed);
        Assert.Equal(AuthRefusal.NoSuchUser, Decide("bob", authenticator).Refusal);
        Assert.Equal("/root", UserAccount.Find("root")!.Home);
        Assert.Null(UserAccount.Find("no-such-user-here"));
    }

    [Theory]
    [InlineData("relative/%u")]
    [InlineData("/etc/%x")]
    [InlineData("/etc/%")]
    [InlineData("")]
    public void Patterns_that_cannot_work_are_refused(string pattern)
    {
        Assert.False(UserAuthenticator.TryValidatePattern(pattern, out string error));
        Assert.Contains("AuthorizedKeysFile", error, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new UserAuthenticator(pattern));
    }

    [Fact]
    public async Task A_refusal_takes_its_time_and_the_same_for_every_cause()
    {
        _directory.Write("alice", File.ReadAllText(_keys["rsa3072.pub"]));
        foreach (string user in (string[])["alice", "bob", "/"])
        {
            long start = Stopwatch.GetTimestamp();
            AuthDecision decision = await _authenticator.DecideAsync(user, _identity.PublicKey, KeyTypes.RsaSha512, new byte[256],
                _challenge, Peer, Now);
            Assert.False(decision.Allowed);
            Assert.True(Stopwatch.GetElapsedTime(start) >= UserAuthenticator.MinimumAnswerTime);
        }
    }

    private AuthDecision Decide(string user, UserAuthenticator? authenticator = null)
    {
        string signed = UserName.IsValid(user, out _) ? user : "nobody";
        Assert.True(_identity.TrySign(_challenge.SignedData(signed, _identity.PublicKey), out string algorithm, out byte[] signature,
            out _));
        return (authenticator ?? _authenticator).Decide(user, _identity.PublicKey, algorithm, signature, _challenge, Peer, Now);
    }
}
