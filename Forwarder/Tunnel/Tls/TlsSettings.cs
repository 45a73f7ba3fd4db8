using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using PersonalVpn.Tunnel.Protocol;

namespace PersonalVpn.Tunnel.Tls;

/// <summary>
/// The one TLS profile of both ends: TLS 1.3 only (RFC 8446), AEAD suites, ALPN, no renegotiation, no resumption
/// (a resumed session would carry no certificate to bind the user's signature to). A suite, not a set of knobs.
/// On the same port a browser gets an ordinary web server's TLS: http/1.1 by ALPN or none, and 1.2 for one that knows nothing newer.
/// </summary>
public static class TlsSettings
{
    private static readonly SslApplicationProtocol Protocol = new(ProtocolConstants.Alpn);

    // AES-128 first: the same strength class as P-256 and RSA-3072 that authenticate the ends, and a round count less to pay per byte.
    private static readonly CipherSuitesPolicy Suites = new([
        TlsCipherSuite.TLS_AES_128_GCM_SHA256, TlsCipherSuite.TLS_AES_256_GCM_SHA384, TlsCipherSuite.TLS_CHACHA20_POLY1305_SHA256]);

    // With those of TLS 1.2 for the web. Ephemeral keys only: the host key decrypts nothing.
    private static readonly CipherSuitesPolicy ServerSuites = new([
        .. Suites.AllowedCipherSuites,
        TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TlsCipherSuite.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TlsCipherSuite.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TlsCipherSuite.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256]);

    /// <summary>
    /// The server's options for its certificate (with private key) and the rest of its chain. Whether it is a tunnel is known after the
    /// handshake: <see cref="IsTunnel"/>. (The class library can choose options by the client's first message, but does not read there
    /// whether the client knows TLS 1.3.)
    /// </summary>
    public static SslServerAuthenticationOptions Server(SslStreamCertificateContext certificate) => new()
    {
        ServerCertificateContext = certificate,
        EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
        CipherSuitesPolicy = ServerSuites,
        ApplicationProtocols = [Protocol, SslApplicationProtocol.Http11, new("http/1.0")],
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

    /// <summary>True when the handshake agreed on our ALPN protocol, by TLS 1.3: by an older one nothing is a tunnel.</summary>
    public static bool IsTunnel(SslStream stream) => stream.NegotiatedApplicationProtocol == Protocol && stream.SslProtocol == SslProtocols.Tls13;

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
