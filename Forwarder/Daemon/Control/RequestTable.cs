using PersonalVpn.Daemon.Tunnels;
using PersonalVpn.Linux;
using PersonalVpn.Tunnel.Local;
using PersonalVpn.Tunnel.Protocol;

namespace PersonalVpn.Daemon.Control;

/// <summary>
/// Everything an unprivileged process may ask of the daemon, on one screen: the operation, who may, how many file descriptors
/// must come with it, and the handler. What is not here cannot be asked. The caller is known by SO_PEERCRED of its connection;
/// no request names a UID, so none can be made for another user.
/// </summary>
internal sealed class RequestTable(TunnelManager manager, Func<ForwarderConfig> config)
{
    private sealed record Row(ForwarderOperation Operation, Caller Who, int Fds, Func<ControlConnection, ForwarderRequest, int, Answer> Handle);

    private enum Caller
    {
        /// <summary>Any local user: answers speak of the caller's own tunnels alone (of all, to root).</summary>
        Anyone,

        /// <summary>A user whom forwarder.conf allows a tunnel.</summary>
        Permitted,

        /// <summary>The connection that opened the tunnel.</summary>
        TunnelHolder,
    }

    private Row[] Rows => field ??=
    [
        new(ForwarderOperation.Mark,   Caller.Permitted,    1, Mark),
        new(ForwarderOperation.Open,   Caller.Permitted,    0, Open),
        new(ForwarderOperation.Close,  Caller.TunnelHolder, 0, Close),
        new(ForwarderOperation.State,  Caller.TunnelHolder, 0, State),
        new(ForwarderOperation.Status, Caller.Anyone,       0, Status),
        new(ForwarderOperation.Check,  Caller.Anyone,       0, Check),
        new(ForwarderOperation.Down,   Caller.Anyone,       0, Down),
    ];

    /// <summary>Checks and carries out one request. <paramref name="fd"/> is -1 when none came; it stays the caller's to close.</summary>
    public Answer Handle(ControlConnection from, ForwarderRequest? request, int fd, int fdCount)
    {
        if (request is null) throw new RequestException(ForwarderError.BadRequest, "malformed request; are pvpn and pvpnd of the same version?");
        Row row = Array.Find(Rows, r => r.Operation == request.Operation)
            ?? throw new RequestException(ForwarderError.BadRequest, "unknown request; are pvpn and pvpnd of the same version?");
        if (fdCount != row.Fds) throw new RequestException(ForwarderError.BadRequest, $"{row.Operation} takes {row.Fds} file descriptors, {fdCount} came");
        if (row.Who == Caller.Permitted && AccessPolicy.Refusal(config(), from.Peer.Uid) is { } why) throw new RequestException(ForwarderError.Denied, why);
        if (row.Who == Caller.TunnelHolder && from.Tunnel is null) throw new RequestException(ForwarderError.BadRequest, "this connection holds no tunnel");
        return row.Handle(from, request, fd);
    }

    // The user's transport socket bypasses the tunnels by mark: only a TCP socket of the caller's own gets one, fresh, or connected
    // already (a ProxyCommand's). It allows the user nothing but to bypass the user's own tunnels, with what that user alone has opened.
    private static Answer Mark(ControlConnection from, ForwarderRequest request, int fd)
    {
        using var socket = LinuxSocket.FromFd(fd, ownsHandle: false);
        SocketDescription what = socket.Describe();
        if (!what.IsFreshTcp && !what.IsConnectedTcp) throw new RequestException(ForwarderError.BadRequest, "the descriptor is neither a fresh nor a connected TCP socket");
        if (what.OwnerUid != from.Peer.Uid) throw new RequestException(ForwarderError.Denied, "the socket belongs to another user");
        socket.SetMark((what.Mark & ~Marks.Mask) | Marks.Transport);
        return new Answer(new ForwarderReply());
    }

    private Answer Open(ControlConnection from, ForwarderRequest request, int fd)
    {
        if (from.Tunnel is not null) throw new RequestException(ForwarderError.BadRequest, "this connection holds a tunnel already");
        (TunnelState tunnel, UserEnd userEnd) = manager.Open(from.Peer.Uid, request);
        from.Tunnel = tunnel;
        return new Answer(new ForwarderReply { Device = tunnel.Device }, userEnd);
    }

    private Answer Close(ControlConnection from, ForwarderRequest request, int fd)
    {
        TunnelState tunnel = from.Tunnel!;
        from.Tunnel = null;
        manager.Remove([tunnel]);
        return new Answer(new ForwarderReply());
    }

    private static Answer State(ControlConnection from, ForwarderRequest request, int fd)
    {
        from.Tunnel!.Reconnecting = request.Reconnecting ?? throw new RequestException(ForwarderError.BadRequest, "State says nothing; are pvpn and pvpnd of the same version?");
        return new Answer(new ForwarderReply());
    }

    private Answer Status(ControlConnection from, ForwarderRequest request, int fd) =>
        new(ForwarderProtocol.Fit([.. manager.VisibleTo(from.Peer.Uid).Skip(request.Skip ?? 0).Select(manager.StatusOf)]));

    private Answer Check(ControlConnection from, ForwarderRequest request, int fd) => new(manager.Check(from.Peer.Uid, request.Destination));

    private Answer Down(ControlConnection from, ForwarderRequest request, int fd)
    {
        var victims = manager.VisibleTo(from.Peer.Uid).Where(t => request.All || IsMeant(t.Gateway, request.Gateway)).ToList();
        if (victims.Count == 0 && !request.All) throw new RequestException(ForwarderError.NotFound, $"you have no tunnel to {request.Gateway}; pvpn status lists yours");
        // The asker's own tunnel may be among them: then this connection holds none any more, and lives to hear the answer.
        if (from.Tunnel is { } own && victims.Contains(own)) from.Tunnel = null;
        var answer = new Answer(ForwarderProtocol.Fit([.. victims.Select(manager.StatusOf)]));
        manager.Remove(victims);
        return answer;
    }

    /// <summary>Is this tunnel meant? A host alone means every port of it; a host with a port that port alone, written or usual.</summary>
    internal static bool IsMeant(string gateway, string? asked)
    {
        if (gateway == asked) return true;
        bool bracketed = gateway.StartsWith('[');
        bool hasPort = bracketed || gateway.Count(c => c == ':') == 1;
        if (!hasPort) return asked == $"{gateway}:{ProtocolConstants.DefaultPort}" || asked == $"[{gateway}]:{ProtocolConstants.DefaultPort}";
        return asked == (bracketed ? gateway[1..Math.Max(1, gateway.IndexOf(']', StringComparison.Ordinal))] : gateway[..gateway.IndexOf(':', StringComparison.Ordinal)]);
    }
}

/// <summary>A reply and, for Open, the descriptors that go with it (sent, then closed here).</summary>
internal sealed record Answer(ForwarderReply Reply, UserEnd? Descriptors = null);
