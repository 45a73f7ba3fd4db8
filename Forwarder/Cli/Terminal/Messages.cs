using PersonalVpn.Tunnel.Diagnostics;

namespace PersonalVpn.Cli.Terminal;

/// <summary>
/// What pvpn says on stderr while it connects: messages, details as far as -v asks for them, and for people at a terminal a line
/// that tells what is being waited for.
/// </summary>
internal sealed class Messages(int verbosity, bool quiet) : IDisposable
{
    private ProgressLine? _progress =
        !quiet && verbosity == 0 && Screen.IsLive(Console.IsErrorRedirected) ? new ProgressLine(Console.Error) : null;

    /// <summary>A message.</summary>
    public void Say(string text)
    {
        if (!quiet) Line(text);
    }

    /// <summary>A detail for -v.</summary>
    public void Verbose(string text) => Detail(1, text);

    /// <summary>A detail for -vv.</summary>
    public void VeryVerbose(string text) => Detail(2, text);

    /// <summary>What scripts wait for: said even by the process that -f leaves behind, whose starter decides.</summary>
    public void Announce(string text, bool always)
    {
        if (!quiet || always) Line(text);
    }

    /// <summary>The step that is being waited for; over when the answer is disposed, and nothing is asked of the user meanwhile.</summary>
    public IDisposable? Step(string text)
    {
        VeryVerbose(text);
        _progress?.Show(text);
        return _progress?.Shown;
    }

    /// <summary>The tunnel stands: the terminal is somebody else's now, and steps are told to -vv alone.</summary>
    public void Settle()
    {
        _progress?.Dispose();
        _progress = null;
    }

    /// <summary>No more steps.</summary>
    public void Dispose() => _progress?.Dispose();

    private void Detail(int level, string text)
    {
        if (verbosity >= level) Console.Error.WriteLine($"pvpn: debug{(level > 1 ? level : "")}: {StderrLoggerProvider.OneLine(text)}");
    }

    private void Line(string text)
    {
        _progress?.Hide();
        Console.Error.WriteLine("pvpn: " + StderrLoggerProvider.OneLine(text));
    }
}
