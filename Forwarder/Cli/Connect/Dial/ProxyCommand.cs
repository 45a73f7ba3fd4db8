using PersonalVpn.Cli.Local;
using PersonalVpn.Linux;
using PersonalVpn.Packets;
using PersonalVpn.Tunnel.Local;

namespace PersonalVpn.Cli.Connect.Dial;

/// <summary>
/// A program that carries the connection on its standard input and output, as ssh's ProxyCommand: run by the user's shell with exec,
/// its standard error is ours, and it ends with the connection.
/// </summary>
internal sealed class ProxyCommand : IDisposable
{
    // Shells that know this form of trap. What they ignore stays ignored in what they run, also where a shell in between lifts the
    // block that the program begins with (dash does for its children).
    private static readonly string[] Bourne = ["sh", "bash", "dash", "ash", "ksh", "mksh", "zsh"];

    // Its end and the end of its sockets are seen in any order.
    private const int LastWordMs = 200;

    private readonly ChildProcess _process;
    private readonly EventHandler _atExit;

    private ProxyCommand(ChildProcess process, LinuxSocket socket)
    {
        _process = process;
        Socket = socket;
        // Also when the process ends by Environment.Exit: a signal while it is being waited for.
        _atExit = (_, _) => _process.Dispose();
        AppDomain.CurrentDomain.ProcessExit += _atExit;
    }

    /// <summary>Our end of its standard input and output.</summary>
    public LinuxSocket Socket { get; }

    /// <summary>Says so when the program has ended, or ends within a moment.</summary>
    public string? Trouble => _process.WaitForExit(LastWordMs)
        ? $"the ProxyCommand ended with status {_process.ExitStatus} before the gateway had answered; try it by hand, what it says on its own stands before this line" : null;

    /// <summary>Starts it.</summary>
    /// <param name="command">The shell's text.</param>
    /// <param name="outlivesStandardError">See <see cref="ChildProcess.Start"/>.</param>
    /// <exception cref="UserError">The shell cannot be started.</exception>
    public static ProxyCommand Start(string command, bool outlivesStandardError)
    {
        string shell = Environment.GetEnvironmentVariable("SHELL") is ['/', ..] own ? own : "/bin/sh";
        string text = (Bourne.Contains(Path.GetFileName(shell)) ? "trap '' HUP INT QUIT; exec " : "exec ") + command;
        (LinuxSocket ours, LinuxSocket theirs) = LinuxSocket.StreamPair();
        try
        {
            using (theirs)
                return new ProxyCommand(ChildProcess.Start(shell, [shell, "-c", text], theirs, outlivesStandardError), ours);
        }
        catch (LinuxException e)
        {
            ours.Dispose();
            throw new UserError($"the shell for the ProxyCommand cannot be started: {e.Message}; check SHELL");
        }
    }

    /// <summary>
    /// Marks the TCP connections that the program and its children have by now, so that the tunnel does not swallow what carries it.
    /// </summary>
    /// <exception cref="UserError">One cannot be marked, and lies within the tunnel's routes.</exception>
    public void Protect(ForwarderClient forwarder, IReadOnlyList<IpPrefix> routes, Action<string> say)
    {
        IReadOnlyList<LinuxSocket> sockets = ProcessSockets.Take(_process.Id, out string? problem);
        try
        {
            int kept = 0;
            foreach (LinuxSocket socket in sockets)
            {
                SocketDescription what = socket.Describe();
                // Another user's socket is not routed by this user's rules.
                if (what.Remote is null || what.OwnerUid != Capabilities.EffectiveUid) continue;
                IpAddr remote = IpAddr.From(what.Remote.Address).Unmap();
                if (remote.IsLoopback) continue;
                // One that goes by another tunnel of the user's stays there all the same: by its source, the inner address.
                if (what.IsConnectedTcp && TryMark(forwarder, socket, ref problem)) kept++;
                else if (routes.Any(r => r.Contains(remote)))
                    throw new UserError($"the ProxyCommand's connection to {remote} lies within the tunnel's routes and cannot be kept out of it{(problem is null ? "" : $" ({problem})")}; narrow the destinations, or use Proxy");
            }
            if (kept == 0)
                say($"the ProxyCommand has no TCP connection that could be kept out of the tunnel{(problem is null ? "" : $" ({problem})")}; if what carries it lies within the tunnel's routes, nothing will pass");
        }
        finally
        {
            foreach (LinuxSocket socket in sockets) socket.Dispose();
        }
    }

    /// <summary>Ends it.</summary>
    public void Dispose()
    {
        AppDomain.CurrentDomain.ProcessExit -= _atExit;
        Socket.Dispose();
        // What was sent last, the end of the session among it, is still on its way through the program, which sees now that there is no more.
        _process.WaitForExit(LastWordMs);
        _process.Dispose();
    }

    private static bool TryMark(ForwarderClient forwarder, LinuxSocket socket, ref string? problem)
    {
        try
        {
            forwarder.Ask(new ForwarderRequest { Operation = ForwarderOperation.Mark }, socket.Fd);
            return true;
        }
        catch (ForwarderRefusedException e)
        {
            problem = e.Message;
            return false;
        }
    }
}
