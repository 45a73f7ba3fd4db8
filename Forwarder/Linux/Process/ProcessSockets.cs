using System.Globalization;
using PersonalVpn.Linux.Abi;

namespace PersonalVpn.Linux;

/// <summary>The sockets that a process and its descendants hold, as duplicates of ours (pidfd_getfd(2), Linux 5.6).</summary>
public static class ProcessSockets
{
    // A process that forks without end shall not keep us here.
    private const int MaxProcesses = 256;

    /// <summary>Takes a duplicate of each; they are the caller's to close. What cannot be taken (the process has just ended, may not be traced, the kernel is too old) is left out.</summary>
    /// <param name="pid">The oldest of the processes.</param>
    /// <param name="problem">Why something was left out, or null.</param>
    public static IReadOnlyList<LinuxSocket> Take(int pid, out string? problem)
    {
        problem = null;
        var taken = new List<LinuxSocket>();
        var seen = new HashSet<string>();
        foreach (int process in WithDescendants(pid))
        {
            int pidFd = LinuxHandle.Result(Native.Syscall(SyscallH.SYS_pidfd_open, process, 0, 0));
            if (pidFd < 0)
            {
                if (pidFd != -Errno.ESRCH) problem = new LinuxException("pidfd_open", -pidFd).Message;
                continue;
            }
            try
            {
                foreach ((int fd, string name) in SocketsOf(process, ref problem))
                {
                    if (seen.Contains(name)) continue;
                    int copy = LinuxHandle.Result(Native.Syscall(SyscallH.SYS_pidfd_getfd, pidFd, fd, 0));
                    if (copy >= 0)
                    {
                        seen.Add(name);
                        taken.Add(LinuxSocket.FromFd(copy));
                    }
                    else if (copy is not -Errno.EBADF and not -Errno.ESRCH) problem = new LinuxException("pidfd_getfd", -copy).Message;
                }
            }
            finally
            {
                LinuxSocket.CloseFd(pidFd);
            }
        }
        return taken;
    }

    /// <summary>The process and those that descend from it, as far as each one's parent still lives.</summary>
    private static List<int> WithDescendants(int pid)
    {
        ILookup<int, int> children = Directory.EnumerateDirectories("/proc")
            .Select(d => int.TryParse(Path.GetFileName(d), NumberStyles.None, CultureInfo.InvariantCulture, out int p) ? p : 0).Where(p => p > 0)
            .ToLookup(Parent);
        List<int> found = [pid];
        for (int i = 0; i < found.Count && found.Count < MaxProcesses; i++) found.AddRange(children[found[i]].Except(found));
        return found;
    }

    // Field 4 of proc(5) /proc/PID/stat; counted from behind the command name, which may hold anything.
    private static int Parent(int pid)
    {
        try
        {
            string stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/stat"));
            return int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1], CultureInfo.InvariantCulture);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return -1; // it has ended meanwhile
        }
    }

    private static List<(int Fd, string Name)> SocketsOf(int pid, ref string? problem)
    {
        var sockets = new List<(int, string)>();
        try
        {
            foreach (string path in Directory.EnumerateFileSystemEntries(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/fd")))
            {
                if (new FileInfo(path).LinkTarget is { } name && Path.GetFileName(name).StartsWith("socket:[", StringComparison.Ordinal))
                    sockets.Add((int.Parse(Path.GetFileName(path), CultureInfo.InvariantCulture), name));
            }
        }
        catch (UnauthorizedAccessException e)
        {
            problem = e.Message;
        }
        catch (IOException)
        {
            // It has ended meanwhile: what it held is closed.
            return sockets;
        }
        return sockets;
    }
}
