using Xunit;

namespace PersonalVpn.Unit.UserAuthTests;

/// <summary>Real keys of every kind, made once for all tests of this folder.</summary>
public sealed class KeyFixture : IDisposable
{
    private readonly TempDirectory _directory = new();

    public KeyFixture()
    {
        Make("rsa1024", "-t", "rsa", "-b", "1024");
        Make("rsa2048", "-t", "rsa", "-b", "2048");
        Make("rsa3072", "-t", "rsa", "-b", "3072");
        Make("rsa4096", "-t", "rsa", "-b", "4096");
        Make("rsa2048.pem", "-t", "rsa", "-b", "2048", "-m", "PEM");
        Make("rsa2048.pk8", "-t", "rsa", "-b", "2048", "-m", "PKCS8");
        foreach (string bits in (string[])["256", "384", "521"])
        {
            Make("ecdsa" + bits, "-t", "ecdsa", "-b", bits);
            Make("ecdsa" + bits + ".pem", "-t", "ecdsa", "-b", bits, "-m", "PEM");
            Make("ecdsa" + bits + ".pk8", "-t", "ecdsa", "-b", bits, "-m", "PKCS8");
        }
        Make("ed25519", "-t", "ed25519");
        Tool.Run("ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "secret words", "-C", "test", "-f", this["rsa.enc"]);
        Tool.Run("ssh-keygen", "-q", "-t", "ed25519", "-N", "secret words", "-C", "test", "-f", this["ed25519.enc"]);
        Tool.Run("ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "secret words", "-C", "test", "-f", this["rsa.encpem"]);
        Tool.Run("ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-m", "PKCS8", "-N", "secret words", "-C", "test", "-f",
            this["rsa.encpk8"]);
        Tool.Run("openssl", "genrsa", "-traditional", "-out", this["openssl.pkcs1"], "2048");
        Tool.Run("openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-aes256", "-pass", "pass:secret words",
            "-out", this["openssl.encpk8"]);
        Tool.Run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384", "-aes256", "-pass", "pass:secret words",
            "-out", this["openssl.encec"]);
        Tool.Run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-out", this["openssl.ec"]); // EC PARAMETERS before the key
        Tool.Run("openssl", "genpkey", "-algorithm", "ED25519", "-out", this["openssl.ed25519"]);
        foreach (string file in Directory.GetFiles(_directory.Root))
        {
            File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
    }

    public string this[string name] => _directory[name];

    public PersonalVpn.UserAuth.PublicKey Public(string name)
    {
        Assert.True(PersonalVpn.UserAuth.PublicKey.TryParseOpenSsh(File.ReadAllText(this[name + ".pub"]), out var key, out string error),
            error);
        return key;
    }

    public void Dispose() => _directory.Dispose();

    private void Make(string name, params string[] arguments) =>
        Tool.Run("ssh-keygen", ["-q", "-N", "", "-C", "test", "-f", this[name], .. arguments]);
}

[CollectionDefinition(Name)]
public sealed class KeyCollection : ICollectionFixture<KeyFixture>
{
    public const string Name = "user authentication keys";
}
