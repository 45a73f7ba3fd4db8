namespace PersonalVpn.UserAuth;

/// <summary>Names of key types and signature algorithms as they stand in key files and messages.</summary>
public static class KeyTypes
{
    /// <summary>RSA key type (RFC 4253 6.6). Never a signature algorithm here: as such it means SHA-1.</summary>
    public const string Rsa = "ssh-rsa";

    /// <summary>ECDSA over NIST P-256, key type and signature algorithm (RFC 5656 3.1, 10.1).</summary>
    public const string EcdsaP256 = "ecdsa-sha2-nistp256";

    /// <summary>ECDSA over NIST P-384 (RFC 5656 3.1, 10.1).</summary>
    public const string EcdsaP384 = "ecdsa-sha2-nistp384";

    /// <summary>ECDSA over NIST P-521 (RFC 5656 3.1, 10.1).</summary>
    public const string EcdsaP521 = "ecdsa-sha2-nistp521";

    /// <summary>Ed25519, key type and signature algorithm (RFC 8709); computed by OpenSSL, see <see cref="UserAuth.Ed25519"/>.</summary>
    public const string Ed25519 = "ssh-ed25519";

    /// <summary>RSA signature with SHA-512 (RFC 8332 3), the preferred one.</summary>
    public const string RsaSha512 = "rsa-sha2-512";

    /// <summary>RSA signature with SHA-256 (RFC 8332 3).</summary>
    public const string RsaSha256 = "rsa-sha2-256";
}
