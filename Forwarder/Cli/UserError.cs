namespace PersonalVpn.Cli;

/// <summary>What the user did or met, in one line that says what failed and what to do. Ends the program with <see cref="ExitCode"/>.</summary>
internal sealed class UserError(string message, int exitCode = ExitCodes.Failure, bool isFinal = false) : Exception(message)
{
    public int ExitCode { get; } = exitCode;

    /// <summary>Another gateway of the same name is not tried: who the user is, or who the server is, is in question.</summary>
    public bool IsFinal { get; } = isFinal;
}

/// <summary>The contract's exit codes.</summary>
internal static class ExitCodes
{
    public const int Success = 0;

    /// <summary>pvpn check: direct.</summary>
    public const int Direct = 1;

    /// <summary>Wrong usage; pvpn check: blocked.</summary>
    public const int Usage = 2, Blocked = 2;

    /// <summary>pvpn's own failures, as with ssh.</summary>
    public const int Failure = 255;
}
