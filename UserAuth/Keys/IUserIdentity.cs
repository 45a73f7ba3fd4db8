namespace PersonalVpn.UserAuth;

/// <summary>A key that can sign for the user: a file or an agent's key. Whoever gets it disposes it.</summary>
public interface IUserIdentity : IDisposable
{
    /// <summary>The public half.</summary>
    PublicKey PublicKey { get; }

    /// <summary>Where it comes from, for people: the file's path or <c>agent: comment</c>.</summary>
    string Description { get; }

    /// <summary>Signs <paramref name="data"/> with the strongest algorithm the key has; never with SHA-1.</summary>
    /// <param name="data">What to sign; hashed by the signer.</param>
    /// <param name="algorithm">Signature algorithm used, as <see cref="PublicKey.Verify"/> takes it.</param>
    /// <param name="signature">Signature bytes, in the form <see cref="PublicKey.Verify"/> takes.</param>
    /// <param name="error">One line that says what failed and what to do.</param>
    bool TrySign(ReadOnlySpan<byte> data, out string algorithm, out byte[] signature, out string error);
}
