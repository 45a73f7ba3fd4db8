using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Reflection;
using System.Security.Authentication;
using System.Security.Cryptography;
using PersonalVpn.Linux;
using PersonalVpn.Server.Relay;
using PersonalVpn.Tunnel.Protocol;
using PersonalVpn.Tunnel.Tls;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Server.Register;

/// <summary>A gateway could not be registered with: one line that says why and what to do.</summary>
internal sealed class RegisterFailedException(string message) : Exception(message);

/// <summary>With what a server goes to its gateways.</summary>
/// <param name="KnownHosts">The file that has the gateways' keys.</param>
/// <param name="Identity">The private key it logs in with.</param>
internal sealed record RegisterSettings(string KnownHosts, string Identity);

/// <summary>
/// A connection of this server's to a gateway, logged in by the ordinary protocol. There is nobody to be asked, so the gateway's key must
/// be known beforehand: no first use, no CA.
/// </summary>
internal sealed class GatewayLink : IDisposable
{
    // A gateway may send a ticket for resumption at any time after the login (protocol.md); it is of no use here.

    private static readonly TimeSpan LoginTime = TimeSpan.FromSeconds(20);
    private static readonly string Software = "pvpn-server/" + (Assembly.GetExecutingAssembly().GetName().Version?.ToString(3) ?? "0");

    private GatewayLink(SslStream tls, NonBlockingStream transport)
    {
        Tls = tls;
        Transport = transport;
    }

    public SslStream Tls { get; }
    public NonBlockingStream Transport { get; }

    /// <summary>Connects and logs in.</summary>
    /// <exception cref="RegisterFailedException">It cannot be reached, is not trusted, or refuses.</exception>
    public static async Task<GatewayLink> OpenAsync(RegisterTarget target, RegisterSettings settings, EventLoop loop, CancellationToken cancel)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(LoginTime);
        GatewayLink? link = null;
        try
        {
            IPAddress[] addresses = IPAddress.TryParse(target.Host, out IPAddress? literal) ? [literal] : await Dns.GetHostAddressesAsync(target.Host, limit.Token).ConfigureAwait(false);
            NonBlockingStream transport = await RelaySocket.ConnectAsync([.. addresses.Select(a => new IPEndPoint(a, target.Port))], target.Gateway, loop, limit.Token).ConfigureAwait(false);
            link = new GatewayLink(new SslStream(transport, leaveInnerStreamOpen: false), transport);
            await link.LoginAsync(target, settings, limit.Token).ConfigureAwait(false);
            return link;
        }
        catch (Exception e) when (!cancel.IsCancellationRequested)
        {
            link?.Dispose();
            throw new RegisterFailedException(e switch
            {
                RegisterFailedException => e.Message,
                Sessions.SessionRefusedException => e.Message.Replace("from this gateway", "from here", StringComparison.Ordinal),
                SocketException => $"cannot resolve '{target.Host}': check the name, or this host's DNS",
                PeerClosedException => $"refused: {e.Message}",
                ProtocolException => $"the gateway broke the protocol: {e.Message}; is it a pvpn-server of a fitting version?",
                OperationCanceledException => $"no answer during login within {LoginTime.TotalSeconds:0} s; is it a pvpn-server, and not overloaded?",
                EndOfStreamException => "the gateway closed the connection during login; its log says why",
                AuthenticationException => $"no TLS 1.3 handshake; is a pvpn-server listening there? ({(e.InnerException ?? e).Message})",
                _ => $"the connection was lost during login: {(e.InnerException ?? e).Message}",
            });
        }
        catch
        {
            link?.Dispose();
            throw;
        }
    }

    /// <summary>Says something and waits for the one answer that may follow.</summary>
    /// <exception cref="PeerClosedException">It is refused.</exception>
    public async Task AskAsync(byte[] frame, FrameType answer, CancellationToken cancel)
    {
        await SendAsync(frame, cancel).ConfigureAwait(false);
        await ReceiveAsync(answer, cancel).ConfigureAwait(false);
    }

    /// <summary>
    /// The next frame, unless it is a ticket. Not one byte behind it is read: behind RELAYED begins what the caller says, and the caller
    /// may be quick.
    /// </summary>
    public async Task<(FrameType Type, byte[] Body)> ReceiveAsync(FrameType expected, CancellationToken cancel, params FrameType[] alternatives)
    {
        byte[] header = new byte[ProtocolConstants.FrameHeaderSize];
        while (true)
        {
            await Tls.ReadExactlyAsync(header, cancel).ConfigureAwait(false);
            var type = (FrameType)header[0];
            int length = FrameHeader.BodyLength(header);
            if (length > FrameHeader.MaxBody(type)) throw new ProtocolException($"frame of unknown type or too long (type 0x{(byte)type:x2})");
            byte[] body = new byte[length];
            await Tls.ReadExactlyAsync(body, cancel).ConfigureAwait(false);
            if (type == FrameType.Ticket) continue;
            if (type == FrameType.Close)
            {
                CloseMessage close = CloseMessage.Decode(body);
                throw new PeerClosedException(close.Reason, close.Text);
            }
            return type == expected || alternatives.Contains(type) ? (type, body) : throw new ProtocolException($"frame {type} where {expected} was expected");
        }
    }

    public void Dispose()
    {
        Tls.Dispose();
        Transport.Dispose();
    }

    private async Task SendAsync(byte[] frame, CancellationToken cancel)
    {
        await Tls.WriteAsync(frame, cancel).ConfigureAwait(false);
        await Tls.FlushAsync(cancel).ConfigureAwait(false);
    }

    private async Task LoginAsync(RegisterTarget target, RegisterSettings settings, CancellationToken cancel)
    {
        var observer = new ServerCertificateObserver();
        await Tls.AuthenticateAsClientAsync(TlsSettings.Client(target.Host, observer), cancel).ConfigureAwait(false);
        if (!TlsSettings.IsTunnel(Tls)) throw new RegisterFailedException("it speaks TLS but is no pvpn-server; check host and port");
        Trust(target, settings, observer);
        if (!PrivateKeyFile.TryLoad(settings.Identity, null, out IUserIdentity? identity, out string error)) throw new RegisterFailedException(error);
        using (identity)
        {
            byte[] nonce = RandomNumberGenerator.GetBytes(ProtocolConstants.NonceSize);
            await SendAsync(new HelloMessage(ProtocolConstants.Version, ProtocolConstants.Version, target.User, nonce, Software).Encode(), cancel).ConfigureAwait(false);
            (_, byte[] body) = await ReceiveAsync(FrameType.HelloReply, cancel).ConfigureAwait(false);
            HelloReplyMessage reply = HelloReplyMessage.Decode(body);
            if (reply.Version != ProtocolConstants.Version) throw new RegisterFailedException($"it speaks protocol version {reply.Version}, this server speaks {ProtocolConstants.Version}; upgrade the older one");
            byte[] toSign = AuthChallenge.BuildSignedData((byte)reply.Version, reply.Nonce, nonce, TlsSettings.CertificateHash(observer.Der), target.User, identity.PublicKey);
            if (!identity.TrySign(toSign, out string algorithm, out byte[] signature, out error)) throw new RegisterFailedException(error);
            await SendAsync(new AuthMessage(algorithm, identity.PublicKey.Blob.ToArray(), signature).Encode(), cancel).ConfigureAwait(false);
            (_, body) = await ReceiveAsync(FrameType.AuthResult, cancel).ConfigureAwait(false);
            if (!AuthResultMessage.Decode(body).Accepted)
                throw new RegisterFailedException($"permission denied for user {target.User}; its administrator must list this server's key, which 'pvpn-server fingerprint --public' shows, with register=\"{target.Name}\"");
        }
    }

    private static void Trust(RegisterTarget target, RegisterSettings settings, ServerCertificateObserver observer)
    {
        if (!PublicKey.TryFromSubjectPublicKeyInfo(observer.PublicKeyInfo, out PublicKey? key, out string error)) throw new RegisterFailedException($"its key cannot be used: {error}");
        KnownHostsAnswer answer = new KnownHosts(settings.KnownHosts).Check(target.Host, target.Port, key);
        if (answer.Verdict == KnownHostsVerdict.Match) return;
        throw answer.Verdict switch
        {
            KnownHostsVerdict.Changed => new RegisterFailedException($"ITS KEY HAS CHANGED: {key.Fingerprint}, known is {answer.OldFingerprint} ({answer.File}:{answer.Line}); " +
                "someone may be in between. Only if 'pvpn-server fingerprint' there says the new one, replace that line"),
            KnownHostsVerdict.Revoked => new RegisterFailedException($"its key {key.Fingerprint} is marked @revoked ({answer.File}:{answer.Line})"),
            KnownHostsVerdict.Unreadable => new RegisterFailedException(answer.Error ?? $"{settings.KnownHosts} cannot be read"),
            _ => new RegisterFailedException($"its key is not known: {key.Fingerprint}; if 'pvpn-server fingerprint' there says the same, add to {settings.KnownHosts} (RegisterKnownHosts): {KnownHosts.LineFor(target.Host, target.Port, key)}"),
        };
    }
}
