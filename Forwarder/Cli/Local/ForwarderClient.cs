using PersonalVpn.Linux;
using PersonalVpn.Tunnel.Local;

namespace PersonalVpn.Cli.Local;

/// <summary>A connection to pvpnd's control socket. One request, one answer; not thread-safe.</summary>
internal sealed class ForwarderClient : IDisposable
{
    private readonly byte[] _message = new byte[ForwarderProtocol.MaxMessage];

    private ForwarderClient(LinuxSocket socket) => Socket = socket;

    /// <summary>Readable or closed when pvpnd took the tunnel down or died.</summary>
    public LinuxSocket Socket { get; }

    public static ForwarderClient Connect(string path)
    {
        try { return new ForwarderClient(LinuxSocket.ConnectUnix(path)); }
        catch (LinuxException e) when (e.Error is Errno.ENOENT or Errno.ECONNREFUSED)
        {
            throw new UserError($"the forwarder is not running ({path}); ask the administrator to start it: systemctl start pvpnd");
        }
        catch (LinuxException e) when (e.Error == Errno.EACCES)
        {
            throw new UserError($"{path}: permission denied; its directories must be searchable for users, ask the administrator");
        }
        catch (IOException e)
        {
            throw new UserError($"the forwarder cannot be reached: {e.Message}");
        }
    }

    /// <summary>Asks; a refusal becomes a <see cref="ForwarderRefusedException"/>.</summary>
    public ForwarderReply Ask(ForwarderRequest request, int fd = -1)
    {
        ForwarderReply reply = Ask(request, fd, out int[] descriptors);
        foreach (int unexpected in descriptors) LinuxSocket.CloseFd(unexpected);
        return reply;
    }

    /// <summary>Asks for something that comes with descriptors, which are the caller's.</summary>
    public ForwarderReply Ask(ForwarderRequest request, int fd, out int[] descriptors)
    {
        byte[] message = ForwarderProtocol.Encode(request);
        if (message.Length > ForwarderProtocol.MaxMessage) throw new UserError("the request is too long for the forwarder; give fewer destinations");
        int sent = fd < 0 ? Socket.Send(message) : Socket.SendWithFds(message, [fd]);
        if (sent != message.Length) throw Closed();
        Span<int> fds = stackalloc int[2];
        int n = Socket.ReceiveWithFds(_message, fds, out int count, out bool truncated);
        bool kept = false;
        try
        {
            if (n <= 0) throw Closed();
            ForwarderReply reply = (truncated ? null : ForwarderProtocol.DecodeReply(_message.AsSpan(0, n)))
                ?? throw new UserError("the forwarder's answer makes no sense; are pvpn and pvpnd of the same version?");
            if (reply.Code != ForwarderError.None) throw new ForwarderRefusedException(reply.Code, reply.Error ?? "refused");
            descriptors = fds[..count].ToArray();
            kept = true;
            return reply;
        }
        finally
        {
            // Descriptors of an answer that is not used would stay open for as long as the process lives.
            foreach (int unused in kept ? [] : fds[..count]) LinuxSocket.CloseFd(unused);
        }
    }

    /// <summary>The caller's tunnels (root: all), however many messages they take.</summary>
    public IReadOnlyList<TunnelStatus> Tunnels()
    {
        var all = new List<TunnelStatus>();
        while (true)
        {
            ForwarderReply reply = Ask(new ForwarderRequest { Operation = ForwarderOperation.Status, Skip = all.Count > 0 ? all.Count : null });
            all.AddRange(reply.Tunnels ?? []);
            if (reply.More is null || reply.Tunnels is not { Count: > 0 }) return all;
        }
    }

    public void Dispose() => Socket.Dispose();

    private static UserError Closed() => new("the forwarder closed its connection; is pvpnd still running? try again");
}

/// <summary>pvpnd said no; the message is its line.</summary>
internal sealed class ForwarderRefusedException(ForwarderError code, string message) : Exception(message)
{
    public ForwarderError Code { get; } = code;
}
