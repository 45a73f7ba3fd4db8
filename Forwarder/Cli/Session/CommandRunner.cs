using System.ComponentModel;
using System.Diagnostics;
using Mono.Unix.Native;

namespace PersonalVpn.Cli.Session;

/// <summary>
/// <c>-- command</c>: the tunnel lives as long as this process, which has the terminal. Ctrl-C reaches it by the terminal itself;
/// SIGTERM and SIGHUP to pvpn are passed on.
/// </summary>
internal sealed class CommandRunner : IDisposable
{
    private readonly Process _process;

    private CommandRunner(Process process, StopSignals signals)
    {
        _process = process;
        signals.Received += Forward;
        Exited = Wait(process);
    }

    /// <summary>Completes with the command's exit status (128 + n when a signal n ended it).</summary>
    public Task<int> Exited { get; }

    public static CommandRunner Start(IReadOnlyList<string> command, StopSignals signals)
    {
        try
        {
            return new CommandRunner(Process.Start(new ProcessStartInfo(command[0], command.Skip(1)) { UseShellExecute = false })!, signals);
        }
        catch (Win32Exception e)
        {
            throw new UserError($"{command[0]}: {System.Runtime.InteropServices.Marshal.GetPInvokeErrorMessage(e.NativeErrorCode)}");
        }
    }

    /// <summary>Tells the command that its tunnel is gone.</summary>
    public void HangUp() => Forward(1);

    public void Dispose() => _process.Dispose();

    private static async Task<int> Wait(Process process)
    {
        await process.WaitForExitAsync().ConfigureAwait(false);
        return process.ExitCode;
    }

    private void Forward(int signal)
    {
        if (signal != 2 && !_process.HasExited) Syscall.kill(_process.Id, (Signum)signal);
    }
}
