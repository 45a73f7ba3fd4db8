using PersonalVpn.Linux;
using PersonalVpn.UserAuth;
using Xunit;

namespace PersonalVpn.Unit.UserAuthTests;

/// <summary>Ed25519 by OpenSSL: the vectors of RFC 8032 7.1, and what is not 64 bytes of a signature.</summary>
public sealed class Ed25519Tests
{
    private static readonly byte[] Seed = Convert.FromHexString("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7");
    private static readonly byte[] Public = Convert.FromHexString("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025");
    private static readonly byte[] Message = [0xaf, 0x82];
    private static readonly byte[] Signature = Convert.FromHexString(
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a");

    [Fact]
    public void The_third_vector_of_rfc_8032()
    {
        byte[] key = new byte[32], signature = new byte[64];
        Assert.True(OpenSslEd25519.TryGetPublicKey(Seed, key));
        Assert.Equal(Public, key);
        Assert.True(OpenSslEd25519.TrySign(Seed, Message, signature));
        Assert.Equal(Signature, signature);
        Assert.True(OpenSslEd25519.Verify(Public, Message, Signature));
        Assert.True(OpenSslEd25519.IsAvailable());
    }

    [Fact]
    public void No_bit_may_differ_and_no_length()
    {
        for (int i = 0; i < Signature.Length * 8; i++)
        {
            byte[] other = [.. Signature];
            other[i / 8] ^= (byte)(1 << (i % 8));
            Assert.False(OpenSslEd25519.Verify(Public, Message, other));
        }
        Assert.False(OpenSslEd25519.Verify(Public, [0xaf], Signature));
        Assert.False(OpenSslEd25519.Verify(Seed, Message, Signature));
        Assert.False(OpenSslEd25519.Verify(Public, Message, Signature.AsSpan(0, 63)));
        Assert.False(OpenSslEd25519.Verify(Public, Message, [.. Signature, 0]));
        Assert.False(OpenSslEd25519.Verify(Public.AsSpan(1), Message, Signature));
        Assert.False(OpenSslEd25519.TrySign(Seed, Message, new byte[63]));
        Assert.False(OpenSslEd25519.TryGetPublicKey(Seed.AsSpan(1), new byte[32]));
    }

    /// <summary>S plus the group's order is the same point: RFC 8032 5.1.7 wants S below it.</summary>
    [Fact]
    public void A_signature_has_one_form()
    {
        byte[] order = Convert.FromHexString("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
        byte[] other = [.. Signature];
        int carry = 0;
        for (int i = 0; i < 32; i++)
        {
            carry += other[32 + i] + order[i];
            other[32 + i] = (byte)carry;
            carry >>= 8;
        }
        Assert.False(OpenSslEd25519.Verify(Public, Message, other));
    }

    [Fact]
    public void The_key_verifies_by_its_own_algorithm_alone()
    {
        Assert.True(PublicKey.TryParseBlob([0, 0, 0, 11, .. "ssh-ed25519"u8, 0, 0, 0, 32, .. Public], out PublicKey? key, out string error), error);
        Assert.True(key.CanVerify);
        Assert.True(key.Verify(KeyTypes.Ed25519, Message, Signature));
        Assert.False(key.Verify(KeyTypes.RsaSha512, Message, Signature));
        Assert.False(key.Verify("", Message, Signature));
        Assert.False(key.Verify(KeyTypes.Ed25519, Message, Signature.AsSpan(0, 32)));
    }
}
