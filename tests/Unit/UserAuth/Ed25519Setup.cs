using System.Runtime.CompilerServices;
using PersonalVpn.Linux;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Unit.UserAuthTests;

/// <summary>What each program says at its start: OpenSSL computes Ed25519.</summary>
internal static class Ed25519Setup
{
#pragma warning disable CA2255 // The tests have no Main of their own.
    [ModuleInitializer]
    internal static void Use() =>
        Ed25519.Use(OpenSslEd25519.IsAvailable, OpenSslEd25519.Verify, OpenSslEd25519.TrySign, OpenSslEd25519.TryGetPublicKey);
#pragma warning restore CA2255
}
