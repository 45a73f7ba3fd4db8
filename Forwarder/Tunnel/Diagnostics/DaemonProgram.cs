using System.Runtime.InteropServices;

namespace PersonalVpn.Tunnel.Diagnostics;

/// <summary>What the two daemons' entry points have in common.</summary>
public static class DaemonProgram
{
    /// <summary>Calls an action when a signal comes, instead of what the signal would do. Dispose the answer to end that.</summary>
    public static PosixSignalRegistration OnSignal(PosixSignal signal, Action action) => PosixSignalRegistration.Create(signal, context =>
    {
        context.Cancel = true;
        action();
    });

    /// <summary>Writes the one line of an error to stderr and returns the exit code.</summary>
    public static int Fail(string program, string message, int code)
    {
        Console.Error.WriteLine($"{program}: {StderrLoggerProvider.OneLine(message)}");
        return code;
    }
}
