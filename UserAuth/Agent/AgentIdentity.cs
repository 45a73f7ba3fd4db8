namespace PersonalVpn.UserAuth;

/// <summary>A key inside the ssh agent; nothing to free.</summary>
internal sealed class AgentIdentity(AgentClient agent, PublicKey publicKey, string description) : IUserIdentity
{
    /// <inheritdoc/>
    public PublicKey PublicKey { get; } = publicKey;

    /// <inheritdoc/>
    public string Description { get; } = description;

    /// <inheritdoc/>
    public bool TrySign(ReadOnlySpan<byte> data, out string algorithm, out byte[] signature, out string error) =>
        agent.TrySign(PublicKey, data, out algorithm, out signature, out error);

    /// <inheritdoc/>
    public void Dispose()
    {
        // The key belongs to the agent.
    }
}
