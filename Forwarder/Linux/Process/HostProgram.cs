namespace PersonalVpn.Linux;

/// <summary>
/// Where the host keeps a program of its own. The class library, given a bare name, would take a file of that name beside the caller
/// or in the working directory first (<see cref="System.Diagnostics.Process"/>): a daemon or <c>pvpnd cleanup</c> that root starts in
/// somebody else's directory would run that somebody's <c>nft</c>.
/// </summary>
public static class HostProgram
{
    /// <summary>Where to look, and the PATH of what is started.</summary>
    public const string Path = "/usr/sbin:/usr/bin:/sbin:/bin";

    /// <summary>The program's file, absolute; of one that is not installed, a file that is not there.</summary>
    /// <param name="name">A name without directory.</param>
    public static string Find(string name)
    {
        string[] files = [.. Path.Split(':').Select(d => $"{d}/{name}")];
        return Array.Find(files, FileOwner.CanRun) ?? files[0];
    }
}
