using Microsoft.Extensions.Logging;
using PersonalVpn.Daemon.Tunnels;
using PersonalVpn.Linux;
using PersonalVpn.Tunnel.Local;

namespace PersonalVpn.Daemon.Control;

/// <summary>
/// The control socket's one thread: accepts, reads one request at a time from each connection in turn, answers. All changes to
/// tunnels happen here, so none of them needs a lock, and a user who floods requests delays another by one request a round.
/// </summary>
internal sealed partial class ControlServer(LinuxSocket listener, RequestTable table, TunnelManager manager, ILogger log) : IDisposable
{
    private const int MaxConnectionsPerUser = 32;
    private const int MaxConnections = 1024;
    private const ulong ListenerTag = ulong.MaxValue, WakeTag = ulong.MaxValue - 1;

    private readonly Epoll _epoll = new();
    private readonly EventFd _wake = new();
    private readonly Dictionary<int, ControlConnection> _connections = [];
    private readonly byte[] _message = new byte[ForwarderProtocol.MaxMessage + 1];
    private readonly Queue<Action> _posted = new();
    private volatile bool _stop;

    /// <summary>Serves until <see cref="Stop"/>; calls <paramref name="everySecond"/> between requests.</summary>
    public void Run(Action everySecond)
    {
        _epoll.Add(listener.Fd, EpollEvents.EPOLLIN, ListenerTag);
        _epoll.Add(_wake.Fd, EpollEvents.EPOLLIN, WakeTag);
        manager.Removing += OnRemoving;
        Span<EpollEvent> events = stackalloc EpollEvent[64];
        long nextTick = Environment.TickCount64 + 1000;
        while (!_stop)
        {
            int n = _epoll.Wait(events, (int)Math.Max(0, nextTick - Environment.TickCount64));
            for (int i = 0; i < n && !_stop; i++)
            {
                // Whatever one connection brings about, the tunnels of the others go on.
                try { Dispatch(events[i].Data); }
                catch (Exception e) { LogConnectionFailed(e); }
            }
            if (Environment.TickCount64 < nextTick) continue;
            nextTick = Environment.TickCount64 + 1000;
            everySecond();
        }
    }

    /// <summary>Ends <see cref="Run"/>; any thread.</summary>
    public void Stop()
    {
        _stop = true;
        _wake.Signal();
    }

    /// <summary>Runs an action on the control thread; any thread.</summary>
    public void Post(Action action)
    {
        lock (_posted) _posted.Enqueue(action);
        _wake.Signal();
    }

    public void Dispose()
    {
        foreach (ControlConnection c in _connections.Values) c.Socket.Dispose();
        _connections.Clear();
        _wake.Dispose();
        _epoll.Dispose();
    }

    private void Dispatch(ulong tag)
    {
        if (tag == ListenerTag) Accept();
        else if (tag == WakeTag) RunPosted();
        else if (_connections.TryGetValue((int)tag, out ControlConnection? connection)) Serve(connection);
    }

    private void RunPosted()
    {
        _wake.Drain();
        while (true)
        {
            Action? action;
            lock (_posted) if (!_posted.TryDequeue(out action)) return;
            action();
        }
    }

    private void Accept()
    {
        LinuxSocket? socket = listener.Accept(out int error, nonBlocking: true);
        if (socket is null)
        {
            if (error is not (Errno.EAGAIN or Errno.ECONNABORTED)) LogAcceptFailed(error);
            return;
        }
        PeerCredentials peer = socket.GetPeerCredentials();
        if (_connections.Count >= MaxConnections || _connections.Values.Count(c => c.Peer.Uid == peer.Uid) >= MaxConnectionsPerUser)
        {
            LogTooManyConnections(peer.Uid);
            Reply(socket, new ForwarderReply { Code = ForwarderError.Denied, Error = "too many connections to pvpnd from this user" }, null);
            socket.Dispose();
            return;
        }
        _connections.Add(socket.Fd, new ControlConnection(socket, peer));
        _epoll.Add(socket.Fd, EpollEvents.EPOLLIN, (ulong)socket.Fd);
    }

    private void Serve(ControlConnection connection)
    {
        Span<int> fds = stackalloc int[2];
        int n = connection.Socket.ReceiveWithFds(_message, fds, out int fdCount, out bool truncated, SocketFlags.MSG_DONTWAIT);
        if (n == -Errno.EAGAIN) return;
        try
        {
            // An empty message ends the connection, too; it may have brought descriptors.
            if (n <= 0)
            {
                Drop(connection);
                return;
            }
            ForwarderRequest? request = truncated || n > ForwarderProtocol.MaxMessage ? null : ForwarderProtocol.DecodeRequest(_message.AsSpan(0, n));
            using UserEnd? descriptors = Answer(connection, request, fdCount > 0 ? fds[0] : -1, fdCount, out ForwarderReply reply);
            if (!Reply(connection.Socket, reply, descriptors)) Drop(connection);
        }
        finally
        {
            for (int i = 0; i < fdCount; i++) LinuxSocket.CloseFd(fds[i]);
        }
    }

    private UserEnd? Answer(ControlConnection connection, ForwarderRequest? request, int fd, int fdCount, out ForwarderReply reply)
    {
        try
        {
            Answer answer = table.Handle(connection, request, fd, fdCount);
            reply = answer.Reply;
            return answer.Descriptors;
        }
        catch (RequestException e)
        {
            LogRefused(connection.Peer.Uid, request?.Operation ?? ForwarderOperation.None, e.Message);
            reply = new ForwarderReply { Code = e.Code, Error = e.Message };
        }
        catch (Exception e)
        {
            // Whatever one request runs into, the tunnels of the others go on.
            LogFailed(connection.Peer.Uid, request?.Operation ?? ForwarderOperation.None, e);
            reply = new ForwarderReply { Code = ForwarderError.Failed, Error = "pvpnd could not do it; its log says why (journalctl -u pvpnd)" };
        }
        return null;
    }

    private static bool Reply(LinuxSocket socket, ForwarderReply reply, UserEnd? descriptors)
    {
        byte[] message = ForwarderProtocol.Encode(reply);
        int sent = socket.SendWithFds(message, descriptors is null ? [] : descriptors.Fds, SocketFlags.MSG_DONTWAIT);
        return sent == message.Length;
    }

    // The process is gone, or does not read its answers. A tunnel it held stays, blocked.
    private void Drop(ControlConnection connection)
    {
        Forget(connection);
        if (connection.Tunnel is not { } tunnel) return;
        connection.Tunnel = null;
        manager.Block(tunnel);
    }

    private void Forget(ControlConnection connection)
    {
        _connections.Remove(connection.Socket.Fd);
        _epoll.Remove(connection.Socket.Fd);
        connection.Socket.Dispose();
    }

    // A tunnel is taken down by "pvpn down": its process learns it by a last message and the end of its connection.
    private void OnRemoving(TunnelState tunnel)
    {
        if (_connections.Values.FirstOrDefault(c => c.Tunnel == tunnel) is not { } holder) return;
        holder.Tunnel = null;
        Reply(holder.Socket, new ForwarderReply { Code = ForwarderError.NotFound, Error = "taken down" }, null);
        Forget(holder);
    }

    [LoggerMessage(100, LogLevel.Warning, "control socket: accept failed: errno {Error}")]
    private partial void LogAcceptFailed(int error);

    [LoggerMessage(101, LogLevel.Warning, "control socket: uid {Uid} has too many connections; one refused")]
    private partial void LogTooManyConnections(uint uid);

    [LoggerMessage(102, LogLevel.Information, "uid {Uid}: {Operation} refused: {Why}")]
    private partial void LogRefused(uint uid, ForwarderOperation operation, string why);

    [LoggerMessage(104, LogLevel.Error, "control socket: a connection could not be served")]
    private partial void LogConnectionFailed(Exception e);

    [LoggerMessage(103, LogLevel.Error, "uid {Uid}: {Operation} failed")]
    private partial void LogFailed(uint uid, ForwarderOperation operation, Exception e);
}
