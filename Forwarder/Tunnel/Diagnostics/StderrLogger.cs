using System.Globalization;
using Microsoft.Extensions.Logging;

namespace PersonalVpn.Tunnel.Diagnostics;

/// <summary>
/// One line per event on stderr, as a daemon under systemd or in a terminal is expected to log: "name: message", with the
/// kernel's priority prefix ("&lt;4&gt;", sd-daemon(3)) when stderr is the journal. Line breaks and control characters in a message
/// are made harmless: what a stranger sent cannot forge a line.
/// </summary>
public sealed class StderrLoggerProvider(string programName, LogLevel minimum) : ILoggerProvider
{
    private static readonly bool ToJournal = Environment.GetEnvironmentVariable("JOURNAL_STREAM") is { Length: > 0 };

    /// <summary>Below this nothing is written; may change at run time (SIGHUP).</summary>
    public LogLevel Minimum { get; set; } = minimum;

    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => new Writer(this);

    /// <inheritdoc/>
    public void Dispose() { }

    /// <summary>Writes one line to stderr, unfiltered.</summary>
    public void WriteLine(LogLevel level, string message)
    {
        string prefix = ToJournal ? level switch
        {
            LogLevel.Critical => "<2>",
            LogLevel.Error => "<3>",
            LogLevel.Warning => "<4>",
            LogLevel.Information => "<6>",
            _ => "<7>",
        } : "";
        Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{prefix}{programName}: {OneLine(message)}"));
    }

    /// <summary>Replaces control characters, so that a text stays on its line and on the terminal it was meant for.</summary>
    public static string OneLine(string text)
    {
        foreach (char c in text)
            if (char.IsControl(c)) return string.Create(text.Length, text, static (span, s) =>
            {
                for (int i = 0; i < s.Length; i++) span[i] = char.IsControl(s[i]) ? (s[i] is '\n' or '\r' or '\t' ? ' ' : '?') : s[i];
            });
        return text;
    }

    private sealed class Writer(StderrLoggerProvider owner) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= owner.Minimum;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (!IsEnabled(logLevel)) return;
            string text = formatter(state, exception);
            if (exception is not null) text += logLevel <= LogLevel.Debug ? $": {exception}" : $": {exception.Message}";
            owner.WriteLine(logLevel, text);
        }
    }
}
