using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using PersonalVpn.Server.Resume;
using PersonalVpn.Tunnel.Configuration;
using PersonalVpn.Tunnel.Tls;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Server;

/// <summary>The server's identity: a private key that clients pin, and the certificate that carries it in TLS.</summary>
internal sealed class HostKey : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly X509Certificate2 _certificate;

    private HostKey(X509Certificate2 certificate, X509Certificate2Collection chain, byte[] ticketKey)
    {
        TicketKey = ticketKey;
        _certificate = certificate;
        PublicKey = UserAuth.PublicKey.FromSubjectPublicKeyInfo(certificate.PublicKey.ExportSubjectPublicKeyInfo());
        TlsContext = SslStreamCertificateContext.Create(certificate, chain, offline: true);
        CertificateHash = TlsSettings.CertificateHash(certificate.RawData);
    }

    /// <summary>What clients pin.</summary>
    public UserAuth.PublicKey PublicKey { get; }

    /// <summary>Which key this is, as part of a file's name.</summary>
    public string FileNamePart => Convert.ToHexStringLower(SHA256.HashData(PublicKey.Blob.Span))[..16];

    public SslStreamCertificateContext TlsContext { get; }

    /// <summary>Seals resumption tickets: derived from the private key, the same after a restart.</summary>
    public byte[] TicketKey { get; }

    /// <summary>What a user's signature is bound to.</summary>
    public byte[] CertificateHash { get; }

    /// <summary>
    /// Loads the key, or makes one (ECDSA P-256, mode 0600) where the file is missing, or there and empty: so its system user can be given
    /// this one file to write to in a directory that is root's.
    /// </summary>
    public static HostKey Load(string keyPath, string? certificatePath)
    {
        try
        {
            using AsymmetricAlgorithm key = File.Exists(keyPath) && new FileInfo(keyPath).Length > 0 ? Read(keyPath) : Create(keyPath);
            if (certificatePath is null) return new HostKey(SelfSigned(key), [], TicketKeyOf(key));
            var chain = new X509Certificate2Collection();
            chain.ImportFromPemFile(certificatePath);
            if (chain.Count == 0) throw new ConfigurationException($"{certificatePath}: no PEM certificate in it");
            using X509Certificate2 leaf = chain[0];
            chain.RemoveAt(0);
            return new HostKey(WithKey(leaf, key), chain, TicketKeyOf(key));
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            throw new ConfigurationException($"{keyPath}{(certificatePath is null ? "" : " and " + certificatePath)}: {e.Message}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationException($"host key: {e.Message}", e);
        }
    }

    public void Dispose() => _certificate.Dispose();

    // The same bytes for the same key, whatever form its file has.
    private static byte[] TicketKeyOf(AsymmetricAlgorithm key)
    {
        byte[] secret = key is RSA rsa ? rsa.ExportParameters(true).D! : ((ECDsa)key).ExportParameters(true).D!;
        try { return TicketSealer.DeriveKey(secret); }
        finally { CryptographicOperations.ZeroMemory(secret); }
    }

    private static AsymmetricAlgorithm Read(string path)
    {
        UnixFileMode mode = File.GetUnixFileMode(path);
        if ((mode & (UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite)) != 0)
            throw new ConfigurationException($"{path}: others may read or write the host key; chmod 600 {path}");
        string pem = File.ReadAllText(path);
        var ecdsa = ECDsa.Create();
        try
        {
            ecdsa.ImportFromPem(pem);
            return ecdsa;
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            ecdsa.Dispose();
        }
        var rsa = RSA.Create();
        rsa.ImportFromPem(pem);
        if (rsa.KeySize < KeyPolicy.MinimumRsaBits) throw new ConfigurationException($"{path}: RSA {rsa.KeySize} bits; at least {KeyPolicy.MinimumRsaBits} are needed");
        return rsa;
    }

    private static ECDsa Create(string path)
    {
        var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        byte[] pem = Encoding.ASCII.GetBytes(key.ExportPkcs8PrivateKeyPem() + "\n");
        try
        {
            if (File.Exists(path)) Fill(path, pem);
            else WriteNew(path, pem);
        }
        finally { CryptographicOperations.ZeroMemory(pem); }
        return key;
    }

    private static void WriteNew(string path, byte[] pem)
    {
        if (Path.GetDirectoryName(path) is { Length: > 0 } directory) Directory.CreateDirectory(directory);
        // Written whole beside, then renamed: a crash in between leaves no half key.
        string next = path + ".new";
        File.Delete(next);
        using (var file = new FileStream(next, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = OwnerOnly })) file.Write(pem);
        File.Move(next, path);
    }

    // One write into a file that stays where it is: there is no right to make another beside it.
    private static void Fill(string path, byte[] pem)
    {
        if (File.GetUnixFileMode(path) != OwnerOnly) File.SetUnixFileMode(path, OwnerOnly);
        using var file = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.None, bufferSize: 0);
        file.Write(pem);
        file.Flush(flushToDisk: true);
    }

    private static X509Certificate2 SelfSigned(AsymmetricAlgorithm key)
    {
        CertificateRequest request = key is RSA rsa
            ? new CertificateRequest("CN=localhost", rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            : new CertificateRequest("CN=localhost", (ECDsa)key, HashAlgorithmName.SHA256);
        // Trust is by pin: name and dates only keep TLS stacks content, and say nothing to who scans the port.
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddYears(20));
    }

    private static X509Certificate2 WithKey(X509Certificate2 certificate, AsymmetricAlgorithm key) =>
        key is RSA rsa ? certificate.CopyWithPrivateKey(rsa) : certificate.CopyWithPrivateKey((ECDsa)key);
}
