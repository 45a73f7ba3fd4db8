namespace PersonalVpn.Cli;

/// <summary>What the user asked for, after the command line was understood.</summary>
internal sealed record Invocation
{
    public required string Target { get; init; }
    public IReadOnlyList<string> Destinations { get; init; } = [];

    /// <summary>The program and arguments after <c>--</c>; empty = none.</summary>
    public IReadOnlyList<string> Command { get; init; } = [];

    /// <summary><c>Keyword=value</c> from -o and from the options that stand for one (-p, -l, -i, -J).</summary>
    public IReadOnlyList<string> Options { get; init; } = [];

    public string? ConfigFile { get; init; }
    public bool Background { get; init; }
    public int Verbosity { get; init; }
    public bool Quiet { get; init; }
}
