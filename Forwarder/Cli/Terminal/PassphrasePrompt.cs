using System.ComponentModel;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using PersonalVpn.Cli.Session;
using PersonalVpn.Linux;

namespace PersonalVpn.Cli.Terminal;

/// <summary>
/// Asks for a passphrase as ssh does: on /dev/tty without echo, or by the program that SSH_ASKPASS names. When the program is
/// asked is ssh's rule (ssh(1), ENVIRONMENT), in <see cref="MayAskProgram"/> and <see cref="PrefersProgram"/>.
/// </summary>
internal static class PassphrasePrompt
{
    private const int MaximumBytes = 1024; // as ssh's passphrase buffer

    /// <summary>Asks; null when nobody can be asked or the answer was given up.</summary>
    public static string? Ask(string question)
    {
        string? require = Variable("SSH_ASKPASS_REQUIRE"), program = Variable("SSH_ASKPASS");
        bool display = Variable("DISPLAY") is not null || Variable("WAYLAND_DISPLAY") is not null;
        if (program is not null && MayAskProgram(require, display) && (PrefersProgram(require) || !HasTerminal())) return AskProgram(program, question);
        return AskTerminal(question);
    }

    /// <summary>May SSH_ASKPASS be used at all? It needs a display to show itself on, unless it is said to work without.</summary>
    public static bool MayAskProgram(string? require, bool display) => require?.ToLowerInvariant() switch
    {
        "force" => true,
        "never" => false,
        _ => display,
    };

    /// <summary>Is it to be used even where there is a terminal?</summary>
    public static bool PrefersProgram(string? require) => require?.ToLowerInvariant() is "force" or "prefer";

    /// <summary>Whether there is a terminal to ask on.</summary>
    public static bool HasTerminal()
    {
        try
        {
            using LinuxFile tty = LinuxFile.OpenDevice("/dev/tty", nonBlocking: false);
            return true;
        }
        catch (LinuxException)
        {
            return false;
        }
    }

    private static string? Variable(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;

    private static string? AskProgram(string program, string question)
    {
        try
        {
            using Process? process = Process.Start(new ProcessStartInfo(ProgramPath.Find(program), [question]) { RedirectStandardOutput = true });
            if (process is null) return null;
            string answer = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            int end = answer.IndexOfAny(['\r', '\n']);
            return process.ExitCode == 0 ? end < 0 ? answer : answer[..end] : null;
        }
        catch (Win32Exception e)
        {
            throw new UserError($"SSH_ASKPASS: {program}: {e.Message}");
        }
    }

    private static string? AskTerminal(string question)
    {
        byte[] line = new byte[MaximumBytes];
        try
        {
            using SilentTerminal terminal = SilentTerminal.Open();
            terminal.Write(Encoding.UTF8.GetBytes(question));
            int length = 0;
            // A terminal gives a line at a time; a longer one comes in pieces, and what is too long is cut off.
            while (length < line.Length)
            {
                int n = terminal.Read(line.AsSpan(length));
                if (n <= 0) break;
                length += n;
                if (line[length - 1] == '\n') break;
            }
            terminal.Write("\n"u8);
            return length == 0 ? null : Encoding.UTF8.GetString(line.AsSpan(0, length)).TrimEnd('\n', '\r');
        }
        catch (LinuxException)
        {
            return null;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(line);
        }
    }
}
