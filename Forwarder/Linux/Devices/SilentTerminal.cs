using PersonalVpn.Linux.Abi;

namespace PersonalVpn.Linux;

/// <summary>
/// The controlling terminal with its echo off, for a passphrase. The old modes come back with <see cref="Dispose"/>, and at the end
/// of the process when a signal ends it at the question.
/// </summary>
public sealed unsafe class SilentTerminal : IDisposable
{
    private readonly LinuxFile _file;
    private readonly EventHandler _atExit;
    private readonly Lock _gate = new();
    private Termios _modes;
    private bool _silent;

    private SilentTerminal(LinuxFile file, in Termios modes)
    {
        _file = file;
        _modes = modes;
        _atExit = (_, _) => Restore();
        AppDomain.CurrentDomain.ProcessExit += _atExit;
        Termios silent = modes;
        silent.c_lflag &= ~(TermiosH.ECHO | TermiosH.ECHONL);
        _silent = true;
        // Typed ahead of the question is not its answer: flush, as readpassphrase does.
        try { LinuxHandle.Check(Native.TcSetAttr(file, TermiosH.TCSAFLUSH, &silent), "switch the terminal's echo off"); }
        catch (LinuxException)
        {
            AppDomain.CurrentDomain.ProcessExit -= _atExit;
            throw;
        }
    }

    /// <summary>Opens /dev/tty and switches its echo off.</summary>
    /// <exception cref="LinuxException">There is no terminal.</exception>
    public static SilentTerminal Open()
    {
        LinuxFile file = LinuxFile.OpenDevice("/dev/tty", nonBlocking: false);
        try
        {
            Termios modes;
            LinuxHandle.Check(Native.TcGetAttr(file, &modes), "read the terminal's modes");
            return new SilentTerminal(file, modes);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Shows a text.</summary>
    public void Write(ReadOnlySpan<byte> text) => _file.Write(text);

    /// <summary>Reads once: up to a line that a person ended.</summary>
    /// <returns>Bytes (0: Ctrl-D, or the terminal is gone) or a negative errno.</returns>
    public int Read(Span<byte> buffer) => _file.Read(buffer);

    /// <inheritdoc/>
    public void Dispose()
    {
        AppDomain.CurrentDomain.ProcessExit -= _atExit;
        Restore();
        _file.Dispose();
    }

    private void Restore()
    {
        lock (_gate)
        {
            if (!_silent) return;
            _silent = false;
            fixed (Termios* modes = &_modes)
            {
                // A terminal that is gone has no modes to bring back.
                _ = Native.TcSetAttr(_file, TermiosH.TCSAFLUSH, modes);
            }
        }
    }
}
