using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using PersonalVpn.UserAuth;
using Xunit;
using PublicKey = PersonalVpn.UserAuth.PublicKey;

namespace PersonalVpn.Unit.UserAuthTests;

[Collection(KeyCollection.Name)]
public sealed class PublicKeyTests(KeyFixture keys)
{
    [Theory]
    [InlineData("rsa2048", "ssh-rsa", 2048)]
    [InlineData("rsa3072", "ssh-rsa", 3072)]
    [InlineData("rsa4096", "ssh-rsa", 4096)]
    [InlineData("ecdsa256", "ecdsa-sha2-nistp256", 256)]
    [InlineData("ecdsa384", "ecdsa-sha2-nistp384", 384)]
    [InlineData("ecdsa521", "ecdsa-sha2-nistp521", 521)]
    [InlineData("ed25519", "ssh-ed25519", 256)]
    public void Reads_what_ssh_keygen_writes_and_agrees_on_size_fingerprint_and_text(string name, string algorithm, int bits)
    {
        PublicKey key = keys.Public(name);
        Assert.Equal(algorithm, key.Algorithm);
        Assert.Equal(bits, key.Bits);
        string[] listed = Tool.Run("ssh-keygen", "-l", "-E", "sha256", "-f", keys[name + ".pub"]).Split(' ');
        Assert.Equal(listed[1], key.Fingerprint);
        Assert.Equal(File.ReadAllText(keys[name + ".pub"]).TrimEnd(), key.ToOpenSsh("test"));
    }

    [Fact]
    public void Refuses_a_1024_bit_key_and_says_what_to_do()
    {
        Assert.False(PublicKey.TryParseOpenSsh(File.ReadAllText(keys["rsa1024.pub"]), out _, out string error));
        Assert.Contains("1024", error, StringComparison.Ordinal);
        Assert.Contains("ssh-keygen -t rsa", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("rsa2048")]
    [InlineData("ecdsa256")]
    [InlineData("ecdsa521")]
    [InlineData("ed25519")]
    public void No_prefix_and_no_extension_of_a_blob_is_a_key(string name)
    {
        byte[] blob = keys.Public(name).Blob.ToArray();
        for (int length = 0; length < blob.Length; length++)
        {
            Assert.False(PublicKey.TryParseBlob(blob.AsSpan(0, length), out _, out _));
        }
        Assert.False(PublicKey.TryParseBlob([.. blob, 0], out _, out _));
    }

    [Fact]
    public void A_point_that_is_not_on_its_curve_is_refused()
    {
        byte[] blob = keys.Public("ecdsa256").Blob.ToArray();
        blob[^1] ^= 1;
        Assert.False(PublicKey.TryParseBlob(blob, out _, out string error));
        Assert.Contains("curve", error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_line_whose_type_and_blob_disagree_is_refused()
    {
        string line = File.ReadAllText(keys["rsa2048.pub"]).Replace("ssh-rsa", "ssh-ed25519", StringComparison.Ordinal);
        Assert.False(PublicKey.TryParseOpenSsh(line, out _, out string error));
        Assert.Contains("ssh-ed25519", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("ssh-rsa")]
    [InlineData("ssh-rsa !!!!")]
    [InlineData("ssh-dss AAAAB3NzaC1kc3M=")]
    public void Other_lines_are_refused_with_a_reason(string line)
    {
        Assert.False(PublicKey.TryParseOpenSsh(line, out _, out string error));
        Assert.NotEmpty(error);
    }

    [Fact]
    public void Random_blobs_and_mutations_never_throw()
    {
        var random = new Random(1);
        byte[] template = keys.Public("ecdsa384").Blob.ToArray();
        byte[] rsa = keys.Public("rsa2048").Blob.ToArray();
        for (int i = 0; i < 3000; i++)
        {
            byte[] blob = (i % 3) switch { 0 => (byte[])template.Clone(), 1 => (byte[])rsa.Clone(), _ => new byte[random.Next(300)] };
            if (i % 3 == 2)
            {
                random.NextBytes(blob);
            }
            else
            {
                blob[random.Next(blob.Length)] = (byte)random.Next(256);
            }
            if (PublicKey.TryParseBlob(blob, out PublicKey? key, out _))
            {
                Assert.False(key.Verify(KeyTypes.RsaSha512, blob, new byte[256]));
            }
        }
    }

    [Fact]
    public void The_key_of_a_certificate_is_read_for_rsa_and_ecdsa()
    {
        using RSA rsa = RSA.Create(2048);
        using X509Certificate2 rsaCertificate = new CertificateRequest("CN=h", rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            .CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        Assert.Equal(2048, PublicKey.FromSubjectPublicKeyInfo(rsaCertificate.PublicKey.ExportSubjectPublicKeyInfo()).Bits);
        foreach (ECCurve curve in (ECCurve[])[ECCurve.NamedCurves.nistP256, ECCurve.NamedCurves.nistP384, ECCurve.NamedCurves.nistP521])
        {
            using ECDsa ecdsa = ECDsa.Create(curve);
            PublicKey key = PublicKey.FromSubjectPublicKeyInfo(ecdsa.ExportSubjectPublicKeyInfo());
            Assert.Equal(ecdsa.KeySize, key.Bits);
        }
        Assert.Throws<CryptographicException>(() => PublicKey.FromSubjectPublicKeyInfo([0x30, 0x00]));
        using RSA weak = RSA.Create(1024);
        Assert.Contains("1024", Assert.Throws<CryptographicException>(
            () => PublicKey.FromSubjectPublicKeyInfo(weak.ExportSubjectPublicKeyInfo())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_certificate_key_with_any_byte_changed_never_throws()
    {
        using ECDsa ecdsa = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        using RSA rsa = RSA.Create(2048);
        var random = new Random(6);
        foreach (byte[] spki in (byte[][])[ecdsa.ExportSubjectPublicKeyInfo(), rsa.ExportSubjectPublicKeyInfo()])
        {
            for (int i = 0; i < spki.Length; i++)
            {
                for (int round = 0; round < 8; round++)
                {
                    byte[] changed = (byte[])spki.Clone();
                    changed[i] = (byte)random.Next(256);
                    if (!PublicKey.TryFromSubjectPublicKeyInfo(changed, out _, out string error))
                    {
                        Assert.DoesNotContain('\n', error);
                    }
                }
                Assert.False(PublicKey.TryFromSubjectPublicKeyInfo(spki.AsSpan(0, i), out _, out _));
            }
        }
    }

    [Fact]
    public void A_curve_the_library_does_not_know_is_refused()
    {
        // P-384's object identifier with its last number changed to one that names no curve.
        using ECDsa ecdsa = ECDsa.Create(ECCurve.NamedCurves.nistP384);
        byte[] spki = ecdsa.ExportSubjectPublicKeyInfo();
        int at = spki.AsSpan().IndexOf((byte[])[0x2B, 0x81, 0x04, 0x00, 0x22]);
        spki[at + 4] = 0x3E;
        Assert.False(PublicKey.TryFromSubjectPublicKeyInfo(spki, out _, out string error));
        Assert.NotEmpty(error);
    }

    [Fact]
    public void Keys_compare_by_blob()
    {
        Assert.Equal(keys.Public("rsa2048"), keys.Public("rsa2048"));
        Assert.NotEqual(keys.Public("rsa2048"), keys.Public("rsa3072"));
    }
}
