using System.Diagnostics;
using System.Globalization;
using Mono.Unix.Native;

namespace PersonalVpn.Cli.Session;

/// <summary>
/// <c>-f</c>: a managed process cannot fork, so pvpn starts itself once more, shows what that one says until it is connected, and
/// leaves it behind. The second one keeps the terminal for questions until then, and gives it up after.
/// </summary>
internal static class Background
{
    private const string Marker = "PVPN_IN_BACKGROUND";
    private const string Connected = "pvpn: connected";

    /// <summary>True in the process that will stay.</summary>
    public static bool IsChild => Environment.GetEnvironmentVariable(Marker) == "1";

    /// <summary>Starts the one that stays and waits until it is connected or has failed. Returns the exit code for this one.</summary>
    public static int Launch(string[] args, bool quiet)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, args) { RedirectStandardError = true, UseShellExecute = false };
        start.Environment[Marker] = "1";
        using Process child = Process.Start(start)!;
        while (child.StandardError.ReadLine() is { } line)
        {
            bool up = line.StartsWith(Connected, StringComparison.Ordinal);
            if (!up || !quiet) Console.Error.WriteLine(line);
            if (up) return ExitCodes.Success;
        }
        child.WaitForExit();
        return child.ExitCode;
    }

    /// <summary>
    /// An own session, before the starter hears that it may go: with it the terminal may go, and its hang-up would end the tunnel.
    /// </summary>
    public static void LeaveSession() => Syscall.setsid();

    /// <summary>
    /// After <see cref="LeaveSession"/>: nothing to read or write any more. The runtime and the Console class keep duplicates of
    /// stdin, stdout and stderr under other numbers; as long as one is open, <c>pvpn -f gateway | cat</c> would not end.
    /// </summary>
    public static void Detach()
    {
        int nothing = Syscall.open("/dev/null", OpenFlags.O_RDWR);
        if (nothing < 0) return;
        string[] left = [.. Enumerable.Range(0, 3).Select(Target)];
        foreach (string name in Directory.GetFileSystemEntries("/proc/self/fd").Select(p => Path.GetFileName(p)))
        {
            if (int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out int fd) && fd != nothing && left.Contains(Target(fd)))
                Syscall.dup2(nothing, fd);
        }
        if (nothing > 2) Syscall.close(nothing);
    }

    // What a descriptor is open on ("pipe:[123]", "/dev/pts/0"); a text that nothing equals for one that has been closed meanwhile.
    private static string Target(int fd) =>
        new FileInfo(string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{fd}")).LinkTarget ?? Guid.NewGuid().ToString();
}
