namespace PersonalVpn.Cli.Config;

/// <summary>ssh's StrictHostKeyChecking.</summary>
internal enum HostKeyChecking
{
    /// <summary>Unknown keys are shown and asked about.</summary>
    Ask,

    /// <summary>Unknown keys are accepted and remembered; changed ones refused.</summary>
    AcceptNew,

    /// <summary>Only known keys.</summary>
    Yes,

    /// <summary>Anything goes; a changed key only draws a warning.</summary>
    No,
}
