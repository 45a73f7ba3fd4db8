namespace PersonalVpn.Linux;

/// <summary>
/// Where a program is, as a shell finds it: by PATH and nowhere else. The class library would look beside our own program and in the
/// working directory first, where anybody may have put a program of that name.
/// </summary>
public static class ProgramFile
{
    /// <summary>Where a daemon looks for the host's own tools, whatever its environment says.</summary>
    public const string SystemPath = "/usr/sbin:/usr/bin:/sbin:/bin";

    private const string UsualPath = "/usr/local/bin:/usr/bin:/bin";

    /// <summary>The file to run, absolute; null when there is none.</summary>
    /// <param name="name">Without a slash.</param>
    /// <param name="path">Directories, separated by colons; null: the PATH of this process.</param>
    public static string? Find(string name, string? path = null) =>
        (path ?? Environment.GetEnvironmentVariable("PATH") ?? UsualPath).Split(':')
            .Select(d => Path.Combine(Path.GetFullPath(d.Length == 0 ? "." : d), name)).FirstOrDefault(FileOwner.CanRun);

    /// <summary>The same for one of the host's own tools: a name that is found nowhere stands for itself below the first directory, where starting it fails.</summary>
    public static string OfSystem(string name) => Find(name, SystemPath) ?? "/usr/sbin/" + name;
}
