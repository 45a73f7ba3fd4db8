using System.Net.Security;
using Microsoft.Extensions.Logging;
using PersonalVpn.Linux;
using PersonalVpn.Server.Register;
using PersonalVpn.Server.Relay;
using PersonalVpn.Tunnel.Protocol;

namespace PersonalVpn.Server.Sessions;

/// <content>Servers behind firewalls, which come to this one as clients: they register a name, and take those who ask for it.</content>
internal sealed partial class ClientConnection
{
    // True when the connection is a server's, and what it asked for is done.
    private async Task<bool> OpenForServerAsync(FrameType asked, byte[] body, LoggedIn who, UserPolicy policy, ControlChannel control, SslStream tls, NonBlockingStream transport, CancellationToken cancel)
    {
        switch (asked)
        {
            case FrameType.Register:
                RegisterAs(RegisterMessage.Decode(body).Name, who, policy, control, tls, transport);
                return true;
            case FrameType.Accept:
                // Not counted: it is the other end of a relay that is, and there are no more of them than calls.
                _session = new Session(id, who.User, _peer, policy, tls, transport) { Lease = who.Lease };
                TaskCompletionSource<Callee> answer = server.Registry.Names.Take(CallMessage.Decode(body), who.User, who.Key.PublicKey);
                if (!control.Buffer.IsEmpty) throw new ProtocolException("bytes after ACCEPT before RELAYED");
                await control.SendAsync(RelayedMessage.Encode(), cancel).ConfigureAwait(false);
                RelaySocket.KeepAlive(transport.Socket);
                var callee = new Callee(new RelayEnd(tls, transport), _peer);
                if (!answer.TrySetResult(callee)) throw new SessionRefusedException(CloseReason.Normal, "who asked for this server has gone");
                _callee = callee;
                return true;
            // Least of all rights: what lies on a machine without a passphrase opens no way into the networks here.
            default:
                return who.Key.Options.Register is null ? false : throw new SessionRefusedException(CloseReason.NotPermitted, $"this key is a server's (register= in authorized_keys) and opens neither tunnels nor relays; use another key of user {who.User}");
        }
    }

    private void RegisterAs(string text, LoggedIn who, UserPolicy policy, ControlChannel control, SslStream tls, NonBlockingStream transport)
    {
        string name = text.ToLowerInvariant();
        var session = _session = new Session(id, who.User, _peer, policy, tls, transport) { Registers = name, Lease = who.Lease };
        if (!policy.Names.Contains(name))
            throw new SessionRefusedException(CloseReason.NotPermitted, $"this key of user {who.User} may not register the name '{Tunnel.Diagnostics.StderrLoggerProvider.OneLine(text)}'; the administrator of this gateway can allow it (AllowRegister in server.conf, register= in authorized_keys)");
        if (!control.Buffer.IsEmpty) throw new ProtocolException("bytes after REGISTER before REGISTERED");
        // From here on everything is sent by the session, one frame at a time: callers may be announced at once.
        if (server.Registry.Register(session, who.Key.PublicKey, () => session.SendControl(RegisteredMessage.Encode())) is { } old)
            old.Close(CloseReason.Disconnected, $"the name '{name}' was registered anew from {_peer}");
        LogRegistered(id, who.User, _peer, name);
    }

    // The place is a server that registered here: it is asked to come.
    private async Task CallAsync(string name, ushort port, string user, UserPolicy policy, ControlChannel control, CancellationToken cancel)
    {
        policy.Relay.CheckRegistered(user, name, port);
        _called = await server.Registry.Names.CallAsync(name, cancel).ConfigureAwait(false);
        await control.SendAsync(RelayedMessage.Encode(), cancel).ConfigureAwait(false);
        LogRelayed(id, user, _peer, $"{name}:{port}", $"registered, from {_called.Peer}");
        if (!control.Buffer.IsEmpty) throw new ProtocolException("bytes after RELAY before RELAYED");
    }

    [LoggerMessage(807, LogLevel.Information, "session {Id}: user {User} from {Peer} is registered as '{Name}'")]
    private partial void LogRegistered(long id, string user, string peer, string name);
}
