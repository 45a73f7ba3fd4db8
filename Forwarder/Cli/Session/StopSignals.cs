using System.Runtime.InteropServices;

namespace PersonalVpn.Cli.Session;

/// <summary>
/// SIGINT, SIGTERM and SIGHUP end a tunnel cleanly. While it is being built they break whatever it waits for; and a wait that cannot
/// be broken (a prompt) ends with the process, before anything exists that could be left behind.
/// </summary>
internal sealed class StopSignals : IDisposable
{
    private readonly TaskCompletionSource _signalled = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly PosixSignalRegistration[] _registrations;
    private Action? _break;
    private volatile int _signal;

    public StopSignals() => _registrations =
    [
        PosixSignalRegistration.Create(PosixSignal.SIGINT, c => On(c, 2)),
        PosixSignalRegistration.Create(PosixSignal.SIGTERM, c => On(c, 15)),
        PosixSignalRegistration.Create(PosixSignal.SIGHUP, c => On(c, 1)),
    ];

    /// <summary>The signal's number once one came.</summary>
    public int? Requested => _signal == 0 ? null : _signal;

    /// <summary>Completes when one came.</summary>
    public Task Signalled => _signalled.Task;

    /// <summary>Called for each signal, with its number; for a command that is to get it too.</summary>
    public event Action<int>? Received;

    /// <summary>What to break while connecting; null once the tunnel stands.</summary>
    public void Arm(Action? breakWait)
    {
        _break = breakWait;
        if (_signal != 0) breakWait?.Invoke();
    }

    public void Dispose()
    {
        foreach (PosixSignalRegistration r in _registrations) r.Dispose();
    }

    private void On(PosixSignalContext context, int signal)
    {
        context.Cancel = true;
        _signal = signal;
        _signalled.TrySetResult();
        Received?.Invoke(signal);
        if (_break is not { } breakWait) return;
        breakWait();
        Thread.Sleep(500);
        if (_break is not null) Environment.Exit(128 + signal);
    }
}
