using PersonalVpn.UserAuth;
using Xunit;

namespace PersonalVpn.Unit.UserAuthTests;

[Collection(KeyCollection.Name)]
public sealed class PrivateKeyFileTests(KeyFixture keys)
{
    private static readonly byte[] Data = [1, 2, 3, 4, 5];

    public static TheoryData<string, string> Plain => new()
    {
        { "rsa2048", KeyTypes.RsaSha512 }, { "rsa3072", KeyTypes.RsaSha512 }, { "rsa4096", KeyTypes.RsaSha512 },
        { "rsa2048.pem", KeyTypes.RsaSha512 }, { "rsa2048.pk8", KeyTypes.RsaSha512 },
        { "ecdsa256", KeyTypes.EcdsaP256 }, { "ecdsa256.pem", KeyTypes.EcdsaP256 }, { "ecdsa256.pk8", KeyTypes.EcdsaP256 },
        { "ecdsa384", KeyTypes.EcdsaP384 }, { "ecdsa384.pem", KeyTypes.EcdsaP384 }, { "ecdsa384.pk8", KeyTypes.EcdsaP384 },
        { "ecdsa521", KeyTypes.EcdsaP521 }, { "ecdsa521.pem", KeyTypes.EcdsaP521 }, { "ecdsa521.pk8", KeyTypes.EcdsaP521 },
        { "ed25519", KeyTypes.Ed25519 },
    };

    [Theory]
    [MemberData(nameof(Plain))]
    public void Loads_the_formats_of_ssh_keygen_and_signs(string name, string expected)
    {
        Assert.True(PrivateKeyFile.TryLoad(keys[name], null, out IUserIdentity? identity, out string error), error);
        using (identity)
        {
            Assert.Equal(keys.Public(name), identity.PublicKey);
            Assert.Equal(keys[name], identity.Description);
            for (int i = 0; i < 20; i++) // ECDSA: r and s of different lengths
            {
                Assert.True(identity.TrySign(Data, out string algorithm, out byte[] signature, out error), error);
                Assert.Equal(expected, algorithm);
                Assert.True(identity.PublicKey.Verify(algorithm, Data, signature));
                Assert.False(identity.PublicKey.Verify(algorithm, [9], signature));
            }
        }
    }

    [Theory]
    [InlineData("openssl.pkcs1")]
    [InlineData("openssl.ec")]
    [InlineData("openssl.ed25519")]
    public void Loads_what_openssl_writes(string name)
    {
        Assert.True(PrivateKeyFile.TryLoad(keys[name], null, out IUserIdentity? identity, out string error), error);
        identity.Dispose();
    }

    [Theory]
    [InlineData("openssl.encpk8")]
    [InlineData("openssl.encec")]
    [InlineData("rsa.encpk8")]
    public void Asks_for_the_passphrase_of_encrypted_pkcs8(string name)
    {
        var asked = new List<string>();
        Assert.True(PrivateKeyFile.TryLoad(
            keys[name], question => { asked.Add(question); return asked.Count == 1 ? "wrong" : "secret words"; },
                out IUserIdentity? identity, out string error), error);
        using (identity)
        {
            Assert.Equal(2, asked.Count);
            Assert.Contains(keys[name], asked[0], StringComparison.Ordinal);
            Assert.True(identity.TrySign(Data, out string algorithm, out byte[] signature, out _));
            Assert.True(identity.PublicKey.Verify(algorithm, Data, signature));
        }
    }

    [Fact]
    public void Gives_up_after_three_wrong_passphrases_and_when_nobody_answers()
    {
        int asked = 0;
        Assert.False(PrivateKeyFile.TryLoad(keys["openssl.encpk8"], _ => { asked++; return "wrong"; }, out _, out string error));
        Assert.Equal(3, asked);
        Assert.Contains("passphrase", error, StringComparison.Ordinal);
        Assert.False(PrivateKeyFile.TryLoad(keys["openssl.encpk8"], _ => null, out _, out error));
        Assert.Contains("no passphrase", error, StringComparison.Ordinal);
        Assert.False(PrivateKeyFile.TryLoad(keys["openssl.encpk8"], null, out _, out error));
        Assert.Contains("ssh-add", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("rsa.enc", "ssh-add")]
    [InlineData("rsa.encpem", "ssh-add")]
    [InlineData("rsa1024", "1024 bits is too weak")]
    [InlineData("rsa2048.pub", "public key")]
    [InlineData("missing", "No such file")]
    public void What_cannot_be_used_is_told_in_one_line(string name, string part)
    {
        Assert.False(PrivateKeyFile.TryLoad(keys[name], _ => "x", out _, out string error));
        Assert.Contains(part, error, StringComparison.Ordinal);
        Assert.Contains(keys[name], error, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error);
    }

    [Theory]
    [InlineData(UnixFileMode.GroupRead)]
    [InlineData(UnixFileMode.OtherRead)]
    [InlineData(UnixFileMode.GroupWrite)]
    [InlineData(UnixFileMode.OtherExecute)]
    public void A_file_open_to_others_is_refused_with_the_cure(UnixFileMode extra)
    {
        using var directory = new TempDirectory();
        string path = directory["key"];
        File.Copy(keys["rsa2048"], path);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | extra);
        Assert.False(PrivateKeyFile.TryLoad(path, null, out _, out string error));
        Assert.Contains("UNPROTECTED PRIVATE KEY FILE", error, StringComparison.Ordinal);
        Assert.Contains("chmod 600", error, StringComparison.Ordinal);
        string link = directory["link"];
        File.CreateSymbolicLink(link, path);
        Assert.False(PrivateKeyFile.TryLoad(link, null, out _, out _)); // the target counts
        File.SetUnixFileMode(path, UnixFileMode.UserRead);
        Assert.True(PrivateKeyFile.TryLoad(link, null, out IUserIdentity? identity, out error), error);
        identity.Dispose();
    }

    [Fact]
    public void A_fifo_a_directory_and_a_huge_file_are_refused_without_hanging()
    {
        using var directory = new TempDirectory();
        Tool.Run("mkfifo", "-m", "600", directory["fifo"]);
        Assert.False(PrivateKeyFile.TryLoad(directory["fifo"], null, out _, out string error));
        Assert.Contains("regular", error, StringComparison.Ordinal);
        Assert.False(PrivateKeyFile.TryLoad(directory.Root, null, out _, out _));
        string big = directory.Write("big", new string('x', PrivateKeyFile.MaximumFileBytes + 1));
        Assert.False(PrivateKeyFile.TryLoad(big, null, out _, out error));
        Assert.Contains("larger", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("rsa2048")]
    [InlineData("ecdsa256")]
    [InlineData("ed25519")]
    [InlineData("openssl.ed25519")]
    [InlineData("rsa2048.pem")]
    [InlineData("ecdsa384.pk8")]
    public void Damaged_files_never_throw(string name)
    {
        using var directory = new TempDirectory();
        byte[] content = File.ReadAllBytes(keys[name]);
        var random = new Random(2);
        for (int i = 0; i < 150; i++)
        {
            byte[] damaged = (byte[])content.Clone();
            damaged[random.Next(40, damaged.Length - 40)] = (byte)"ABCz19+/"[random.Next(8)];
            if (i % 5 == 0)
            {
                damaged = damaged[..random.Next(damaged.Length)];
            }
            string path = directory["key"];
            File.WriteAllBytes(path, damaged);
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            if (PrivateKeyFile.TryLoad(path, null, out IUserIdentity? identity, out string error))
            {
                identity.TrySign(Data, out _, out _, out _);
                identity.Dispose();
            }
            else
            {
                Assert.DoesNotContain('\n', error);
            }
        }
    }
}
