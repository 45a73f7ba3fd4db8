using System.Runtime.InteropServices;

namespace PersonalVpn.Linux;

/// <content>Ed25519 of OpenSSL 3 (EVP_PKEY, EVP_DigestSign): the library that the framework's own cryptography calls.</content>
internal static unsafe partial class Native
{
    private const string LibCrypto = "libcrypto.so.3";

    // Returns 1 for success, and what is made is a pointer that its own _free takes back.
    [LibraryImport(LibCrypto, EntryPoint = "EVP_PKEY_new_raw_public_key")]
    internal static partial nint PKeyFromPublic(int type, nint engine, byte* key, nuint length);

    [LibraryImport(LibCrypto, EntryPoint = "EVP_PKEY_new_raw_private_key")]
    internal static partial nint PKeyFromPrivate(int type, nint engine, byte* key, nuint length);

    [LibraryImport(LibCrypto, EntryPoint = "EVP_PKEY_get_raw_public_key")]
    internal static partial int PKeyGetPublic(nint pkey, byte* key, nuint* length);

    [LibraryImport(LibCrypto, EntryPoint = "EVP_PKEY_free")]
    internal static partial void PKeyFree(nint pkey);

    [LibraryImport(LibCrypto, EntryPoint = "EVP_MD_CTX_new")]
    internal static partial nint DigestNew();

    [LibraryImport(LibCrypto, EntryPoint = "EVP_MD_CTX_free")]
    internal static partial void DigestFree(nint context);

    [LibraryImport(LibCrypto, EntryPoint = "EVP_DigestVerifyInit")]
    internal static partial int DigestVerifyInit(nint context, nint pkeyContext, nint digest, nint engine, nint pkey);

    [LibraryImport(LibCrypto, EntryPoint = "EVP_DigestVerify")]
    internal static partial int DigestVerify(nint context, byte* signature, nuint signatureLength, byte* data, nuint length);

    [LibraryImport(LibCrypto, EntryPoint = "EVP_DigestSignInit")]
    internal static partial int DigestSignInit(nint context, nint pkeyContext, nint digest, nint engine, nint pkey);

    [LibraryImport(LibCrypto, EntryPoint = "EVP_DigestSign")]
    internal static partial int DigestSign(nint context, byte* signature, nuint* signatureLength, byte* data, nuint length);

    [LibraryImport(LibCrypto, EntryPoint = "ERR_clear_error")]
    internal static partial void ErrClear();
}
