using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Mono.Unix.Native;

namespace PersonalVpn.Cli.Session;

/// <summary>
/// <c>-- command</c>: the tunnel lives as long as this process. It shares pvpn's terminal and process group, as under time(1) or
/// sudo(8): what the terminal sends (Ctrl-C, Ctrl-\, Ctrl-Z, a hang-up) reaches both, the shell stops and continues both as one
/// job, and a shell as the command does its own job control. What somebody sends to pvpn alone is passed on.
/// </summary>
internal sealed class CommandRunner : IDisposable
{
    private const int Hup = 1, Int = 2, Quit = 3, Usr1 = 10, Usr2 = 12;

    private readonly Process _process;
    private readonly StopSignals _signals;
    private readonly PosixSignalRegistration[] _registrations;

    private CommandRunner(Process process, StopSignals signals)
    {
        _process = process;
        _signals = signals;
        signals.Received += Forward;
        // These would end pvpn, and leave the tunnel's destinations blocked.
        _registrations = [.. new[] { (PosixSignal.SIGQUIT, Quit), ((PosixSignal)Usr1, Usr1), ((PosixSignal)Usr2, Usr2) }
            .Select(s => PosixSignalRegistration.Create(s.Item1, c =>
            {
                c.Cancel = true;
                Forward(s.Item2);
            }))];
        Exited = Wait(process);
    }

    /// <summary>Completes with the command's exit status (128 + n when a signal n ended it).</summary>
    public Task<int> Exited { get; }

    /// <summary>Starts the program at <paramref name="path"/> with the arguments of <paramref name="command"/>.</summary>
    public static CommandRunner Start(string path, IReadOnlyList<string> command, StopSignals signals)
    {
        try
        {
            return new CommandRunner(Process.Start(new ProcessStartInfo(path, command.Skip(1)) { UseShellExecute = false })!, signals);
        }
        catch (Win32Exception e)
        {
            throw new UserError($"{command[0]}: cannot be run: {Marshal.GetPInvokeErrorMessage(e.NativeErrorCode)}");
        }
    }

    /// <summary>Tells the command that its tunnel is gone.</summary>
    public void HangUp() => Forward(Hup);

    public void Dispose()
    {
        _signals.Received -= Forward;
        foreach (PosixSignalRegistration r in _registrations) r.Dispose();
        _process.Dispose();
    }

    private static async Task<int> Wait(Process process)
    {
        await process.WaitForExitAsync().ConfigureAwait(false);
        return process.ExitCode;
    }

    private void Forward(int signal)
    {
        if (signal is Int or Quit && ComesFromTerminal()) return;
        if (!_process.HasExited) Syscall.kill(_process.Id, (Signum)signal);
    }

    // In the foreground of a terminal these two are the terminal's, and the command has got its own.
    private static bool ComesFromTerminal()
    {
        int terminal = Syscall.open("/dev/tty", OpenFlags.O_RDONLY | OpenFlags.O_CLOEXEC | OpenFlags.O_NOCTTY);
        if (terminal < 0) return false;
        int foreground = Syscall.tcgetpgrp(terminal);
        Syscall.close(terminal);
        return foreground == Syscall.getpgrp();
    }
}
