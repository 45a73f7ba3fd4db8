using System.Net;
using System.Net.Sockets;
using PersonalVpn.Linux;

namespace PersonalVpn.Cli.Connect.Dial;

/// <summary>
/// Connects to one of several addresses (RFC 8305): one attempt after the other, <see cref="AddressOrder.AttemptDelay"/> apart or as
/// soon as one has failed, none given up while another runs; the first that is connected wins, the others are closed. One thread,
/// which waits for all of them at once.
/// </summary>
internal static class StaggeredConnect
{
    private const int EventsPerWait = 8;

    /// <summary>Connects.</summary>
    /// <param name="host">The name, for messages.</param>
    /// <param name="places">Its addresses with the port, in the resolver's order.</param>
    /// <param name="what">Who listens there, for messages: "pvpn-server", "the proxy".</param>
    /// <param name="deadline">Bounds the whole.</param>
    /// <param name="prepare">What is done to each socket before it is connected.</param>
    /// <param name="verbose">For -v.</param>
    /// <returns>The socket, blocking; the caller's.</returns>
    /// <exception cref="UserError">No address can be reached; one line with each one's cause.</exception>
    public static LinuxSocket Run(string host, IReadOnlyList<IPEndPoint> places, string what, Deadline deadline, Action<LinuxSocket> prepare, Action<string> verbose)
    {
        if (places.Count == 0) throw new UserError($"{host}: no address");
        var waiting = new Queue<IPEndPoint>(AddressOrder.Interleave(places));
        var failures = new List<(IPEndPoint Place, int Error)>();
        var running = new Dictionary<int, (LinuxSocket Socket, IPEndPoint Place)>();
        using var epoll = new Epoll();
        try
        {
            Span<EpollEvent> events = stackalloc EpollEvent[EventsPerWait];
            for (long next = 0; waiting.Count > 0 || running.Count > 0;)
            {
                if (deadline.Left == 0) break;
                if (waiting.Count > 0 && (running.Count == 0 || Environment.TickCount64 >= next))
                {
                    next = Environment.TickCount64 + (long)AddressOrder.AttemptDelay.TotalMilliseconds;
                    IPEndPoint place = waiting.Dequeue();
                    verbose($"connecting to {place.Address} port {place.Port}");
                    (LinuxSocket? socket, int error) = Begin(place, prepare);
                    if (socket is null) failures.Add((place, error));
                    else if (error == 0) return Won(socket);
                    else
                    {
                        running.Add(socket.Fd, (socket, place));
                        epoll.Add(socket.Fd, EpollEvents.EPOLLOUT, (ulong)socket.Fd);
                    }
                    continue;
                }
                int pause = waiting.Count > 0 ? (int)Math.Clamp(next - Environment.TickCount64, 0, deadline.Left) : deadline.Left;
                int n = epoll.Wait(events, pause);
                for (int i = 0; i < n; i++)
                {
                    (LinuxSocket socket, IPEndPoint place) = running[(int)events[i].Data];
                    int error = socket.TakeError();
                    running.Remove(socket.Fd);
                    epoll.Remove(socket.Fd);
                    if (error == 0) return Won(socket);
                    socket.Dispose();
                    failures.Add((place, error));
                    next = 0;
                }
            }
            failures.AddRange(running.Values.Select(r => (r.Place, Errno.ETIMEDOUT)));
            throw new UserError(failures is [var (place1, error1)] && waiting.Count == 0 ? Explain(place1, error1, what, deadline) : ExplainAll(host, failures, [.. waiting], what, deadline));
        }
        finally
        {
            foreach ((LinuxSocket socket, _) in running.Values) socket.Dispose();
        }
    }

    private static LinuxSocket Won(LinuxSocket socket)
    {
        socket.SetNonBlocking(false);
        return socket;
    }

    // Error 0: connected at once; a socket and an error: under way.
    private static (LinuxSocket? Socket, int Error) Begin(IPEndPoint place, Action<LinuxSocket> prepare)
    {
        LinuxSocket? socket = null;
        try
        {
            socket = LinuxSocket.CreateTcp(place.AddressFamily == AddressFamily.InterNetworkV6);
            socket.SetNonBlocking(true);
        }
        catch (LinuxException e)
        {
            // A kernel without IPv6, for example; the other family may do.
            socket?.Dispose();
            return (null, e.Error);
        }
        try
        {
            prepare(socket);
            int begun = socket.BeginConnect(place);
            if (begun is 0 or -Errno.EINPROGRESS or -Errno.EINTR) return (socket, -begun);
            socket.Dispose();
            return (null, -begun);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static string ExplainAll(string host, IReadOnlyList<(IPEndPoint Place, int Error)> failures, IReadOnlyList<IPEndPoint> untried, string what, Deadline deadline)
    {
        int port = (failures.Count > 0 ? failures[0].Place : untried[0]).Port;
        IEnumerable<string> causes = failures.Select(f => $"{f.Place.Address} {Short(f.Error, deadline)}").Concat(untried.Select(p => $"{p.Address} not tried any more"));
        return $"{host} port {port}: none of its addresses can be reached ({string.Join("; ", causes)}); is {what} running there, and do the firewalls on the way let it through?";
    }

    private static string Short(int errno, Deadline deadline) => errno switch
    {
        Errno.ECONNREFUSED => "connection refused",
        Errno.ETIMEDOUT => $"no answer {deadline.Within}",
        Errno.ENETUNREACH or Errno.EHOSTUNREACH => "unreachable",
        _ => new LinuxException("connect", errno).Message,
    };

    private static string Explain(IPEndPoint place, int errno, string what, Deadline deadline) => errno switch
    {
        Errno.ECONNREFUSED => $"{place.Address} port {place.Port}: connection refused; is {what} running there, on that port?",
        Errno.ETIMEDOUT => $"{place.Address} port {place.Port}: no answer {deadline.Within}; check the address and the firewalls on the way",
        Errno.ENETUNREACH or Errno.EHOSTUNREACH => $"{place.Address} port {place.Port}: unreachable; check this host's routes",
        _ => $"{place.Address} port {place.Port}: {new LinuxException("connect", errno).Message}",
    };
}
