namespace PersonalVpn.Cli.Connect.Dial;

/// <summary>A moment by which something must have happened, kept with the time that was given for it, which messages name.</summary>
/// <param name="Time">The time given: ConnectTimeout.</param>
internal sealed record Deadline(TimeSpan Time)
{
    private readonly long _end = Environment.TickCount64 + (long)Math.Min(Time.TotalMilliseconds, int.MaxValue);

    /// <summary>Milliseconds left; 0 when it has passed.</summary>
    public int Left => (int)Math.Clamp(_end - Environment.TickCount64, 0, int.MaxValue);

    /// <summary>For messages: "within 15 s".</summary>
    public string Within => $"within {Time.TotalSeconds:0} s";
}
