using System.Diagnostics;
using System.Globalization;
using PersonalVpn.Linux;
using PersonalVpn.Tunnel.Diagnostics;

namespace PersonalVpn.Cli.Terminal;

/// <summary>One line that is rewritten in place: a step and how long it has been going on. Nothing of it stays.</summary>
internal sealed class ProgressLine : IDisposable
{
    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(200);

    private readonly Lock _gate = new();
    private readonly TextWriter _terminal;
    private readonly Timer _timer;
    private string? _step;
    private bool _drawn;
    private long _began;

    public ProgressLine(TextWriter terminal)
    {
        _terminal = terminal;
        _timer = new Timer(_ => Draw(), null, Beat, Beat);
        Shown = new Scope(this);
    }

    /// <summary>Hides the line when disposed.</summary>
    public IDisposable Shown { get; }

    public void Show(string step)
    {
        lock (_gate) (_step, _began) = (StderrLoggerProvider.OneLine(step), Stopwatch.GetTimestamp());
        Draw();
    }

    public void Hide()
    {
        lock (_gate)
        {
            _step = null;
            if (_drawn) _terminal.Write("\r\x1b[K");
            _drawn = false;
        }
    }

    public void Dispose()
    {
        _timer.Dispose();
        Hide();
    }

    private void Draw()
    {
        lock (_gate)
        {
            if (_step is null) return;
            string time = Stopwatch.GetElapsedTime(_began).TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture);
            string line = $"pvpn: {_step} ... {time} s";
            // A line that wraps could not be rewritten. The class library's Console would set the terminal up as its own for the answer.
            int width = TerminalSize.ErrorColumns() ?? 80;
            _terminal.Write("\r" + (line.Length < width ? line : line[..Math.Max(0, width - 1)]) + "\x1b[K");
            _drawn = true;
        }
    }

    private sealed class Scope(ProgressLine line) : IDisposable
    {
        public void Dispose() => line.Hide();
    }
}
