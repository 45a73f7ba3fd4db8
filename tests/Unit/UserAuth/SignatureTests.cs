using System.Security.Cryptography;
using PersonalVpn.UserAuth;
using Xunit;

namespace PersonalVpn.Unit.UserAuthTests;

[Collection(KeyCollection.Name)]
public sealed class SignatureTests(KeyFixture keys)
{
    private static readonly byte[] Data = "what is signed"u8.ToArray();

    [Theory]
    [InlineData("rsa2048")]
    [InlineData("ecdsa256")]
    [InlineData("ecdsa384")]
    [InlineData("ecdsa521")]
    public void No_changed_byte_of_a_signature_and_no_other_length_verifies(string name)
    {
        Assert.True(PrivateKeyFile.TryLoad(keys[name], null, out IUserIdentity? identity, out _));
        using (identity)
        {
            identity.TrySign(Data, out string algorithm, out byte[] signature, out _);
            for (int i = 0; i < signature.Length; i++)
            {
                signature[i] ^= 1;
                Assert.False(identity.PublicKey.Verify(algorithm, Data, signature), $"byte {i}");
                signature[i] ^= 1;
            }
            for (int length = 0; length < signature.Length; length += 7)
            {
                Assert.False(identity.PublicKey.Verify(algorithm, Data, signature.AsSpan(0, length)));
            }
            Assert.False(identity.PublicKey.Verify(algorithm, Data, [.. signature, 0]));
            Assert.True(identity.PublicKey.Verify(algorithm, Data, signature));
        }
    }

    [Fact]
    public void Algorithms_of_other_keys_and_sha1_are_refused()
    {
        using RSA rsa = RSA.Create(2048);
        PublicKey key = PublicKey.FromSubjectPublicKeyInfo(rsa.ExportSubjectPublicKeyInfo());
        byte[] sha1 = rsa.SignData(Data, HashAlgorithmName.SHA1, RSASignaturePadding.Pkcs1);
        byte[] sha256 = rsa.SignData(Data, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        byte[] pss = rsa.SignData(Data, HashAlgorithmName.SHA512, RSASignaturePadding.Pss);
        foreach (string algorithm in (string[])["ssh-rsa", "rsa-sha2-512", "rsa-sha2-256", "ecdsa-sha2-nistp256", "ssh-ed25519", ""])
        {
            Assert.False(key.Verify(algorithm, Data, sha1));
            Assert.False(key.Verify(algorithm, Data, pss));
            Assert.Equal(algorithm == KeyTypes.RsaSha256, key.Verify(algorithm, Data, sha256));
        }
        Assert.False(keys.Public("ecdsa256").Verify(KeyTypes.EcdsaP384, Data, sha256));
        Assert.False(keys.Public("ed25519").Verify(KeyTypes.Ed25519, Data, new byte[64]));
    }

    [Fact]
    public void Random_signatures_never_throw()
    {
        var random = new Random(3);
        foreach (string name in (string[])["rsa2048", "ecdsa256", "ecdsa521"])
        {
            PublicKey key = keys.Public(name);
            for (int i = 0; i < 300; i++)
            {
                byte[] signature = new byte[random.Next(0, 600)];
                random.NextBytes(signature);
                Assert.False(key.Verify(name[0] == 'r' ? KeyTypes.RsaSha512 : key.Algorithm, Data, signature));
            }
        }
    }

    [Fact]
    public void Impossible_ecdsa_numbers_are_false()
    {
        PublicKey key = keys.Public("ecdsa256");
        byte[] order = Convert.FromHexString("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551");
        foreach (byte[] r in (byte[][])[[], [0], [1], [0, .. order], [0x80], [0, 1]])
        {
            byte[] signature = [0, 0, 0, (byte)r.Length, .. r, 0, 0, 0, (byte)r.Length, .. r];
            Assert.False(key.Verify(key.Algorithm, Data, signature));
        }
    }
}
