using System.Diagnostics;

namespace PersonalVpn.Cli.Terminal;

/// <summary>Questions to the person at the terminal: on /dev/tty, never on stdin or stdout, which belong to the command.</summary>
internal static class Prompt
{
    /// <summary>Asks a yes/no question; null when there is no terminal.</summary>
    public static bool? Confirm(string question)
    {
        try
        {
            using var tty = new FileStream("/dev/tty", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, 0);
            using var reader = new StreamReader(tty, leaveOpen: true);
            using var writer = new StreamWriter(tty, leaveOpen: true) { AutoFlush = true };
            while (true)
            {
                writer.Write(question);
                switch (reader.ReadLine()?.Trim().ToLowerInvariant())
                {
                    case null: return null;
                    case "yes": return true;
                    case "no": return false;
                    default: writer.Write("Please type 'yes' or 'no': "); break;
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return null;
        }
    }

    /// <summary>Asks for a passphrase: by SSH_ASKPASS when it is set and there is no terminal, else on the terminal without echo. Null = none given.</summary>
    public static string? Passphrase(string question)
    {
        string? askpass = Environment.GetEnvironmentVariable("SSH_ASKPASS");
        string? require = Environment.GetEnvironmentVariable("SSH_ASKPASS_REQUIRE");
        if (askpass is { Length: > 0 } && (require is "force" or "prefer" || !HasTerminal())) return AskProgram(askpass, question);
        return AskTerminal(question);
    }

    private static bool HasTerminal()
    {
        try
        {
            using var tty = new FileStream("/dev/tty", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, 0);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static string? AskProgram(string program, string question)
    {
        var start = new ProcessStartInfo(program, [question]) { RedirectStandardOutput = true, UseShellExecute = false };
        using Process? process = Process.Start(start);
        if (process is null) return null;
        string answer = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? answer.TrimEnd('\n', '\r') : null;
    }

    // stty does what termios would: echo off, and back on whatever happens.
    private static string? AskTerminal(string question)
    {
        try
        {
            using var tty = new FileStream("/dev/tty", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, 0);
            using var writer = new StreamWriter(tty, leaveOpen: true) { AutoFlush = true };
            using var reader = new StreamReader(tty, leaveOpen: true);
            writer.Write(question);
            Echo(false);
            try { return reader.ReadLine(); }
            finally
            {
                Echo(true);
                writer.WriteLine();
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return null;
        }
    }

    private static void Echo(bool on)
    {
        using Process? stty = Process.Start(new ProcessStartInfo("stty", ["-F", "/dev/tty", on ? "echo" : "-echo"]) { UseShellExecute = false });
        stty?.WaitForExit();
    }
}
