using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using PersonalVpn.Tunnel.Protocol;

namespace PersonalVpn.Tunnel.Tls;

/// <summary>
/// The one TLS profile of both ends: TLS 1.3 only (RFC 8446), AEAD suites, ALPN, no renegotiation, no resumption
/// (a resumed session would carry no certificate to bind the user's signature to). A suite, not a set of knobs.
/// </summary>
public static class TlsSettings
{
    private static readonly SslApplicationProtocol Protocol = new(ProtocolConstants.Alpn);

    // AES-128 first: the same strength class as P-256 and RSA-3072 that authenticate the ends, and a round count less to pay per byte.
    private static readonly CipherSuitesPolicy Suites = new([
        TlsCipherSuite.TLS_AES_128_GCM_SHA256, TlsCipherSuite.TLS_AES_256_GCM_SHA384, TlsCipherSuite.TLS_CHACHA20_POLY1305_SHA256]);

    /// <summary>The server's options for its certificate (with private key) and the rest of its chain.</summary>
    public static SslServerAuthenticationOptions Server(SslStreamCertificateContext certificate) => new()
    {
        ServerCertificateContext = certificate,
        EnabledSslProtocols = SslProtocols.Tls13,
        CipherSuitesPolicy = Suites,
        ApplicationProtocols = [Protocol],
        AllowRenegotiation = false,
        AllowTlsResume = false,
        ClientCertificateRequired = false,
        CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
    };

    /// <summary>
    /// The client's options. The certificate is judged after the handshake by pin or CA (nothing has been sent by then but the
    /// name in SNI), so the callback only records what it saw.
    /// </summary>
    public static SslClientAuthenticationOptions Client(string host, ServerCertificateObserver observer) => new()
    {
        TargetHost = host,
        EnabledSslProtocols = SslProtocols.Tls13,
        CipherSuitesPolicy = Suites,
        ApplicationProtocols = [Protocol],
        AllowRenegotiation = false,
        AllowTlsResume = false,
        CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        RemoteCertificateValidationCallback = observer.Observe,
    };

    /// <summary>True when the handshake agreed on our ALPN protocol.</summary>
    public static bool IsTunnel(SslStream stream) => stream.NegotiatedApplicationProtocol == Protocol;

    /// <summary>
    /// The channel binding of a certificate: SHA-256 over its DER form (tls-server-end-point, RFC 5929 section 4.1; the hash is
    /// always SHA-256 here, also for certificates signed with SHA-384 or SHA-512).
    /// </summary>
    public static byte[] CertificateHash(ReadOnlySpan<byte> der) => SHA256.HashData(der);
}

/// <summary>What the client saw of the server's certificate during the handshake.</summary>
public sealed class ServerCertificateObserver
{
    /// <summary>The certificate's DER form, or empty when the server sent none.</summary>
    public byte[] Der { get; private set; } = [];

    /// <summary>SubjectPublicKeyInfo, DER: what a pin is about.</summary>
    public byte[] PublicKeyInfo { get; private set; } = [];

    /// <summary>True when the system's CAs vouch for the certificate and it names the host.</summary>
    public bool TrustedByCa { get; private set; }

    internal bool Observe(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        if (certificate is not X509Certificate2 full) return false;
        Der = full.RawData;
        PublicKeyInfo = full.PublicKey.ExportSubjectPublicKeyInfo();
        TrustedByCa = errors == SslPolicyErrors.None;
        return true;
    }
}
