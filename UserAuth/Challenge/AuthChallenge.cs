using System.Security.Cryptography;
using System.Text;

namespace PersonalVpn.UserAuth;

/// <summary>
/// What both ends know of one TLS connection before the user signs. The server builds it from its own values, never
/// from what the client says it saw: a signature that another server obtained and relays does not fit.
/// </summary>
/// <remarks>
/// The signed bytes (strings and numbers as in RFC 4251 5, preamble in the manner of openssh PROTOCOL.sshsig):
/// <code>
/// byte[7] "PVPNSIG" | string "personalvpn-userauth-v1" | byte protocol version
/// string server nonce (32) | string client nonce (32) | string SHA-256 of the server's certificate (32)
/// string user name (UTF-8) | string public key blob
/// </code>
/// The preamble is no prefix of anything ssh signs (a session identifier's length or "SSHSIG"), so neither protocol's
/// signature can be used in the other.
/// </remarks>
/// <param name="ProtocolVersion">Version of the tunnel protocol that both ends agreed on.</param>
/// <param name="ServerNonce">32 random bytes of the server, fresh for each connection.</param>
/// <param name="ClientNonce">32 random bytes of the client, fresh for each connection.</param>
/// <param name="ServerCertificateHash">SHA-256 of the DER of the server's certificate (tls-server-end-point, RFC 5929 4.1).</param>
public sealed record AuthChallenge(
    byte ProtocolVersion, ReadOnlyMemory<byte> ServerNonce, ReadOnlyMemory<byte> ClientNonce, ReadOnlyMemory<byte> ServerCertificateHash)
{
    /// <summary>Length of either nonce in bytes.</summary>
    public const int NonceBytes = 32;

    /// <summary>Length of the certificate's hash in bytes.</summary>
    public const int CertificateHashBytes = 32;

    private static ReadOnlySpan<byte> Magic => "PVPNSIG"u8;

    private static ReadOnlySpan<byte> Namespace => "personalvpn-userauth-v1"u8;

    /// <summary>A fresh nonce.</summary>
    public static byte[] CreateNonce() => RandomNumberGenerator.GetBytes(NonceBytes);

    /// <summary>SHA-256 of a certificate. Always SHA-256, whatever the certificate is signed with: both ends are ours.</summary>
    /// <param name="certificateDer">The server's certificate as TLS carries it.</param>
    public static byte[] HashCertificate(ReadOnlySpan<byte> certificateDer) => SHA256.HashData(certificateDer);

    /// <summary>The bytes a user signs with <paramref name="key"/>.</summary>
    /// <param name="userName">User name on the server.</param>
    /// <param name="key">The key that signs.</param>
    public byte[] SignedData(string userName, PublicKey key) =>
        BuildSignedData(ProtocolVersion, ServerNonce.Span, ClientNonce.Span, ServerCertificateHash.Span, userName, key);

    /// <summary>The bytes a user signs; see the type's remarks for their layout.</summary>
    /// <param name="protocolVersion">Version of the tunnel protocol.</param>
    /// <param name="serverNonce">32 bytes.</param>
    /// <param name="clientNonce">32 bytes.</param>
    /// <param name="serverCertificateHash">32 bytes.</param>
    /// <param name="userName">User name; must be valid (<see cref="UserName.IsValid"/>).</param>
    /// <param name="key">The key that signs.</param>
    /// <exception cref="ArgumentException">A length is wrong or the name is not valid: a mistake of the caller.</exception>
    public static byte[] BuildSignedData(
        byte protocolVersion, ReadOnlySpan<byte> serverNonce, ReadOnlySpan<byte> clientNonce,
        ReadOnlySpan<byte> serverCertificateHash, string userName, PublicKey key)
    {
        ArgumentNullException.ThrowIfNull(key);
        if (serverNonce.Length != NonceBytes || clientNonce.Length != NonceBytes)
        {
            throw new ArgumentException($"a nonce has {NonceBytes} bytes");
        }
        if (serverCertificateHash.Length != CertificateHashBytes)
        {
            throw new ArgumentException($"a certificate hash has {CertificateHashBytes} bytes", nameof(serverCertificateHash));
        }
        if (!UserName.IsValid(userName, out string reason))
        {
            throw new ArgumentException(reason, nameof(userName));
        }
        return new SshWriter()
            .Raw(Magic)
            .String(Namespace)
            .Byte(protocolVersion)
            .String(serverNonce)
            .String(clientNonce)
            .String(serverCertificateHash)
            .String(Encoding.UTF8.GetBytes(userName))
            .String(key.Blob.Span)
            .ToArray();
    }
}
