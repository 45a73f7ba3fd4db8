namespace PersonalVpn.UserAuth;

/// <summary>
/// OpenSSH's programs, by the absolute directories of PATH and nowhere else. The class library would look in the working directory
/// first, where anybody may have put an ssh-add that asks for the passphrase.
/// </summary>
internal static class OpenSshProgram
{
    /// <summary>The file to run; null when there is none.</summary>
    public static string? Find(string name, IReadOnlyDictionary<string, string>? environment) =>
        (environment?.GetValueOrDefault("PATH") ?? Environment.GetEnvironmentVariable("PATH") ?? "").Split(':')
            .Where(Path.IsPathRooted).Select(d => Path.Combine(d, name)).FirstOrDefault(File.Exists);
}
