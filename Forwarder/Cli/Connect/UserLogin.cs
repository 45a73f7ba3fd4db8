using System.Reflection;
using System.Security.Cryptography;
using PersonalVpn.Cli.Config;
using PersonalVpn.Cli.Terminal;
using PersonalVpn.Tunnel.Protocol;
using PersonalVpn.Tunnel.Tls;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Cli.Connect;

/// <summary>
/// The client's half of user authentication (docs/protocol.md): HELLO, then a RESUME for each ticket there is and an AUTH for each
/// key, until the server accepts one; then TICKET.
/// </summary>
internal sealed class UserLogin(ControlChannel control, Hop hop, LoginMemory memory, Messages messages)
{
    private byte[] _clientNonce = [], _serverNonce = [], _certificateHash = [];
    private int _tried, _left = ProtocolConstants.MaxAuthTries;

    public static string Software { get; } = "pvpn/" + (Assembly.GetExecutingAssembly().GetName().Version?.ToString(3) ?? "0");

    /// <summary>Logs in. <paramref name="limit"/> bounds each wait for the server, and only these: people may take their time over a passphrase.</summary>
    public async Task RunAsync(byte[] certificateDer, Identities identities, Func<IDisposable> limit, CancellationToken cancel)
    {
        _clientNonce = RandomNumberGenerator.GetBytes(ProtocolConstants.NonceSize);
        byte[] body;
        using (limit())
        {
            await control.SendAsync(new HelloMessage(ProtocolConstants.Version, ProtocolConstants.Version, hop.User, _clientNonce, Software).Encode(), cancel).ConfigureAwait(false);
            (_, body) = await control.ReceiveAsync(FrameType.HelloReply, cancel).ConfigureAwait(false);
        }
        HelloReplyMessage reply = HelloReplyMessage.Decode(body);
        if (reply.Version != ProtocolConstants.Version) throw new UserError($"{hop.Name} speaks protocol version {reply.Version}, this pvpn speaks {ProtocolConstants.Version}; upgrade the older one");
        // With its name before it: "connected to ..." of a hostile gateway would else be a line of ours, to -f and to scripts that wait for it.
        if (reply.Banner.Length > 0 && !memory.Unattended) messages.Say($"{hop.Name} says: {reply.Banner}");
        _serverNonce = reply.Nonce;
        _certificateHash = TlsSettings.CertificateHash(certificateDer);

        bool accepted = await ByTicketAsync(limit, cancel).ConfigureAwait(false) || await ByKeyAsync(identities, limit, cancel).ConfigureAwait(false);
        if (!accepted) throw Denied(identities.Problems);
        using (limit()) (_, body) = await control.ReceiveAsync(FrameType.Ticket, cancel).ConfigureAwait(false);
        memory.Put(hop, TicketMessage.Decode(body).Tickets);
    }

    private async Task<bool> ByTicketAsync(Func<IDisposable> limit, CancellationToken cancel)
    {
        // The last try is for a key.
        while (_left > 1 && memory.Take(hop) is { } ticket)
        {
            byte[] proof = ResumptionTicket.Prove(ticket.Secret, (byte)ProtocolConstants.Version, _serverNonce, _clientNonce, _certificateHash, hop.User);
            CryptographicOperations.ZeroMemory(ticket.Secret);
            messages.Verbose($"resuming at {hop.Name}");
            if (await AskAsync(new ResumeMessage(ticket.Sealed, proof).Encode(), limit, cancel).ConfigureAwait(false)) return true;
            messages.Verbose($"{hop.Name} did not take the ticket");
        }
        return false;
    }

    private async Task<bool> ByKeyAsync(Identities identities, Func<IDisposable> limit, CancellationToken cancel)
    {
        foreach (IUserIdentity identity in identities.Enumerate())
        {
            using (identity)
            {
                byte[] toSign = AuthChallenge.BuildSignedData((byte)ProtocolConstants.Version, _serverNonce, _clientNonce, _certificateHash, hop.User, identity.PublicKey);
                messages.Verbose($"offering {identity.PublicKey} ({identity.Description})");
                if (!identity.TrySign(toSign, out string algorithm, out byte[] signature, out string error))
                {
                    identities.Problems.Add(error);
                    messages.Verbose(error);
                    continue;
                }
                _tried++;
                if (await AskAsync(new AuthMessage(algorithm, identity.PublicKey.Blob.ToArray(), signature).Encode(), limit, cancel).ConfigureAwait(false))
                {
                    foreach (string warning in identities.Warnings) messages.Say(warning);
                    return true;
                }
                if (_left == 0) break;
            }
        }
        return false;
    }

    private async Task<bool> AskAsync(byte[] frame, Func<IDisposable> limit, CancellationToken cancel)
    {
        using (limit())
        {
            await control.SendAsync(frame, cancel).ConfigureAwait(false);
            (_, byte[] body) = await control.ReceiveAsync(FrameType.AuthResult, cancel).ConfigureAwait(false);
            AuthResultMessage result = AuthResultMessage.Decode(body);
            _left = result.TriesLeft;
            return result.Accepted;
        }
    }

    private UserError Denied(IReadOnlyList<string> problems)
    {
        string why = problems.Count > 0 ? "; " + string.Join("; ", problems) : "";
        const string cure = "; make one with ssh-keygen, load it with ssh-add, or name it with -i";
        return new UserError(_tried == 0
            ? $"{hop.User}@{hop.Name}: no key to log in with{(why.Length > 0 ? why : cure)}"
            : $"{hop.User}@{hop.Name}: permission denied (publickey, {_tried} tried){why}; the server's administrator must list your public key for user {hop.User}");
    }
}
