using Microsoft.Extensions.Logging;
using PersonalVpn.Tunnel.Configuration;

namespace PersonalVpn.Tunnel.Diagnostics;

/// <summary>sshd's names of log levels.</summary>
public static class LogLevels
{
    /// <summary>The level of a <c>LogLevel</c> line: quiet, error, info, verbose or debug.</summary>
    public static LogLevel Read(KeywordLine line) => line.Value.ToLowerInvariant() switch
    {
        "quiet" => LogLevel.None,
        "error" or "fatal" => LogLevel.Error,
        "warning" => LogLevel.Warning,
        "info" => LogLevel.Information,
        "verbose" or "debug" or "debug1" => LogLevel.Debug,
        "debug2" or "debug3" => LogLevel.Trace,
        _ => throw line.Error($"'{line.Value}' is not one of quiet, error, warning, info, verbose, debug"),
    };
}
