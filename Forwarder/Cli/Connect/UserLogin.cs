using System.Reflection;
using System.Security.Cryptography;
using PersonalVpn.Tunnel.Protocol;
using PersonalVpn.Tunnel.Tls;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Cli.Connect;

/// <summary>The client's half of user authentication (docs/protocol.md): HELLO, then one AUTH per key until the server accepts one.</summary>
internal static class UserLogin
{
    public static string Software { get; } = "pvpn/" + (Assembly.GetExecutingAssembly().GetName().Version?.ToString(3) ?? "0");

    /// <summary>Logs in. <paramref name="limit"/> bounds each wait for the server, and only these: people may take their time over a passphrase.</summary>
    public static async Task RunAsync(ControlChannel control, byte[] certificateDer, string user, string gateway, Identities identities,
        Action<string> say, Action<string> verbose, Func<IDisposable> limit, CancellationToken cancel)
    {
        byte[] clientNonce = RandomNumberGenerator.GetBytes(ProtocolConstants.NonceSize);
        byte[] body;
        using (limit())
        {
            await control.SendAsync(new HelloMessage(ProtocolConstants.Version, ProtocolConstants.Version, user, clientNonce, Software).Encode(), cancel).ConfigureAwait(false);
            (_, body) = await control.ReceiveAsync(FrameType.HelloReply, cancel).ConfigureAwait(false);
        }
        HelloReplyMessage reply = HelloReplyMessage.Decode(body);
        if (reply.Version != ProtocolConstants.Version) throw new UserError($"{gateway} speaks protocol version {reply.Version}, this pvpn speaks {ProtocolConstants.Version}; upgrade the older one");
        // With its name before it: "connected to ..." of a hostile gateway would else be a line of ours, to -f and to scripts that wait for it.
        if (reply.Banner.Length > 0) say($"{gateway} says: {reply.Banner}");

        byte[] certificateHash = TlsSettings.CertificateHash(certificateDer);
        int tried = 0;
        foreach (IUserIdentity identity in identities.Enumerate())
        {
            using (identity)
            {
                byte[] toSign = AuthChallenge.BuildSignedData((byte)reply.Version, reply.Nonce, clientNonce, certificateHash, user, identity.PublicKey);
                verbose($"offering {identity.PublicKey} ({identity.Description})");
                if (!identity.TrySign(toSign, out string algorithm, out byte[] signature, out string error))
                {
                    identities.Problems.Add(error);
                    verbose(error);
                    continue;
                }
                tried++;
                using (limit())
                {
                    await control.SendAsync(new AuthMessage(algorithm, identity.PublicKey.Blob.ToArray(), signature).Encode(), cancel).ConfigureAwait(false);
                    (_, body) = await control.ReceiveAsync(FrameType.AuthResult, cancel).ConfigureAwait(false);
                }
                AuthResultMessage result = AuthResultMessage.Decode(body);
                if (result.Accepted)
                {
                    foreach (string warning in identities.Warnings) say(warning);
                    return;
                }
                if (result.TriesLeft == 0) break;
            }
        }
        string why = identities.Problems.Count > 0 ? "; " + string.Join("; ", identities.Problems) : "";
        const string cure = "; make one with ssh-keygen, load it with ssh-add, or name it with -i";
        throw new UserError(tried == 0
            ? $"{user}@{gateway}: no key to log in with{(why.Length > 0 ? why : cure)}"
            : $"{user}@{gateway}: permission denied (publickey, {tried} tried){why}; the server's administrator must list your public key for user {user}", isFinal: true);
    }
}
