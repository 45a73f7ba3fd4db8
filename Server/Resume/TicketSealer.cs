using System.Security.Cryptography;

namespace PersonalVpn.Server.Resume;

/// <summary>
/// Makes tickets that nobody else can read or make (AES-256-GCM under a key that derives from the host key, so that they outlive a
/// restart and no second secret has to be kept):
/// <code>
///  0         1             13                                            77            93
///  +---------+-------------+---------------------------------------------+-------------+
///  | version | nonce (12)  | sealed: lease (16), ticket (16), secret (32) | tag (16)    |
///  +---------+-------------+---------------------------------------------+-------------+
/// </code>
/// Thread-safe.
/// </summary>
internal sealed class TicketSealer : IDisposable
{
    /// <summary>Bytes of a lease's and of a ticket's identifier.</summary>
    public const int IdSize = 16;

    private const byte Version = 1;
    private const int NonceSize = 12, TagSize = 16, SecretSize = 32, PlainSize = IdSize + IdSize + SecretSize;
    private const int Size = 1 + NonceSize + PlainSize + TagSize;

    private readonly AesGcm _aes;

    /// <param name="key">32 bytes; copied.</param>
    public TicketSealer(ReadOnlySpan<byte> key) => _aes = new AesGcm(key, TagSize);

    /// <summary>The sealing key of a server with this host key.</summary>
    /// <param name="hostKey">The private half, in any form that is always the same.</param>
    public static byte[] DeriveKey(byte[] hostKey) =>
        HKDF.DeriveKey(HashAlgorithmName.SHA256, hostKey, 32, info: "personalvpn-ticket-key-v1"u8.ToArray());

    /// <summary>Seals one ticket.</summary>
    public byte[] Seal(string lease, string ticket, ReadOnlySpan<byte> secret)
    {
        byte[] sealedTicket = new byte[Size];
        sealedTicket[0] = Version;
        Span<byte> nonce = sealedTicket.AsSpan(1, NonceSize);
        RandomNumberGenerator.Fill(nonce);
        Span<byte> plain = stackalloc byte[PlainSize];
        Convert.FromHexString(lease, plain, out _, out _);
        Convert.FromHexString(ticket, plain[IdSize..], out _, out _);
        secret.CopyTo(plain[(2 * IdSize)..]);
        _aes.Encrypt(nonce, plain, sealedTicket.AsSpan(1 + NonceSize, PlainSize), sealedTicket.AsSpan(1 + NonceSize + PlainSize), sealedTicket.AsSpan(0, 1));
        CryptographicOperations.ZeroMemory(plain);
        return sealedTicket;
    }

    /// <summary>Opens what <see cref="Seal"/> made; false for anything else.</summary>
    /// <param name="sealedTicket">Bytes from a client.</param>
    /// <param name="lease">Hexadecimal.</param>
    /// <param name="ticket">Hexadecimal.</param>
    /// <param name="secret">32 bytes; the caller's to zero.</param>
    public bool TryOpen(ReadOnlySpan<byte> sealedTicket, out string lease, out string ticket, out byte[] secret)
    {
        lease = ticket = "";
        secret = [];
        if (sealedTicket.Length != Size || sealedTicket[0] != Version) return false;
        Span<byte> plain = stackalloc byte[PlainSize];
        try
        {
            _aes.Decrypt(sealedTicket.Slice(1, NonceSize), sealedTicket.Slice(1 + NonceSize, PlainSize), sealedTicket[(1 + NonceSize + PlainSize)..], plain, sealedTicket[..1]);
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }
        lease = Convert.ToHexStringLower(plain[..IdSize]);
        ticket = Convert.ToHexStringLower(plain.Slice(IdSize, IdSize));
        secret = plain[(2 * IdSize)..].ToArray();
        CryptographicOperations.ZeroMemory(plain);
        return true;
    }

    public void Dispose() => _aes.Dispose();
}
