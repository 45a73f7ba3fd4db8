using System.Diagnostics.CodeAnalysis;
using PersonalVpn.UserAuth;
using Xunit;

namespace PersonalVpn.Unit.UserAuthTests;

/// <summary>Keys that OpenSSH alone can decrypt, by its own ssh-agent and ssh-add; the answer comes from a real SSH_ASKPASS program.</summary>
[Collection(KeyCollection.Name)]
public sealed class PrivateAgentTests(KeyFixture keys) : IDisposable
{
    private static readonly byte[] Data = [1, 2, 3];
    private readonly TempDirectory _directory = new();
    private Dictionary<string, string> _environment = [];

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("rsa.enc", KeyTypes.RsaSha512)]
    [InlineData("rsa.encpem", KeyTypes.RsaSha512)]
    [InlineData("ed25519.enc", KeyTypes.Ed25519)]
    public void A_key_with_a_passphrase_signs_and_its_agent_ends_with_it(string name, string expected)
    {
        Answer("secret words");
        Assert.True(PrivateKeyFile.TryLoad(keys[name], null, out IUserIdentity? identity, out string error, Load), error);
        string socket = File.ReadAllText(_directory["socket"]).Trim(), home = Path.GetDirectoryName(socket)!;
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(home));
        Assert.Equal(keys[name], identity.Description);
        Assert.Equal(keys.Public(name), identity.PublicKey);
        Assert.True(identity.TrySign(Data, out string algorithm, out byte[] signature, out error), error);
        Assert.Equal(expected, algorithm);
        Assert.True(identity.PublicKey.Verify(algorithm, Data, signature));
        identity.Dispose();
        Assert.False(File.Exists(socket));
        Assert.True(SpinWait.SpinUntil(() => !Directory.Exists(home), 2000));
    }

    [Fact]
    public void No_passphrase_is_one_line_and_leaves_nothing()
    {
        Answer("");
        Assert.False(PrivateAgent.TryLoad(keys["rsa.enc"], terminal: false, out _, out string error, _environment));
        Assert.Contains("no passphrase was given", error, StringComparison.Ordinal);
        Assert.Contains(keys["rsa.enc"], error, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error);
        Assert.False(File.Exists(File.ReadAllText(_directory["socket"]).Trim()));
    }

    [Fact]
    public void An_unprotected_file_gets_no_agent()
    {
        string path = _directory.Write("key", File.ReadAllText(keys["rsa.enc"]), UnixFileMode.UserRead | UnixFileMode.GroupRead);
        bool asked = false;
        Assert.False(PrivateKeyFile.TryLoad(path, null, out _, out string error, (string p, [NotNullWhen(true)] out IUserIdentity? i, out string e) => { asked = true; return Load(p, out i, out e); }));
        Assert.Contains("UNPROTECTED PRIVATE KEY", error, StringComparison.Ordinal);
        Assert.False(asked);
    }

    [Theory]
    [InlineData("rsa.enc")]
    [InlineData("ed25519.enc")]
    [InlineData("ed25519")]
    [InlineData("rsa.encpem")]
    [InlineData("rsa2048.pub")]
    public void The_public_half_is_known_without_a_passphrase(string name)
    {
        Assert.True(PublicHalf.TryFind(keys[name], out PublicKey? key));
        Assert.Equal(keys.Public(name.Replace(".pub", "", StringComparison.Ordinal)), key);
        string lonely = _directory.Write("lonely", File.ReadAllText(keys[name]));
        Assert.Equal(name != "rsa.encpem", PublicHalf.TryFind(lonely, out _));
    }

    private bool Load(string path, [NotNullWhen(true)] out IUserIdentity? identity, out string error) =>
        PrivateAgent.TryLoad(path, false, out identity, out error, _environment);

    private void Answer(string passphrase)
    {
        string program = _directory.Write("askpass", $"#!/bin/sh\necho \"$SSH_AUTH_SOCK\" >'{_directory["socket"]}'\necho '{passphrase}'\n", UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        _environment = new() { ["SSH_ASKPASS"] = program, ["SSH_ASKPASS_REQUIRE"] = "force" };
    }
}
