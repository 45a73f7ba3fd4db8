using PersonalVpn.Linux;

namespace PersonalVpn.Cli.Session;

/// <summary>
/// Where a command is, as a shell finds it: a name with a slash as it stands, any other by PATH and nowhere else. (The class library
/// would look beside pvpn and in the working directory first, where anybody may have put a program of that name.)
/// </summary>
internal static class ProgramPath
{
    /// <summary>The file to run.</summary>
    /// <exception cref="UserError">There is none, or it cannot be run.</exception>
    public static string Find(string command)
    {
        if (command.Length == 0) throw new UserError("the command after -- is empty");
        if (command.Contains('/', StringComparison.Ordinal))
        {
            string path = Path.GetFullPath(command);
            if (!Path.Exists(path)) throw new UserError($"{command}: no such command; check its path");
            return FileOwner.CanRun(path) ? path : throw new UserError($"{command}: not a program that you may run; check it with ls -l");
        }
        string? found = (Environment.GetEnvironmentVariable("PATH") ?? "/usr/local/bin:/usr/bin:/bin").Split(':')
            .Select(d => Path.Combine(Path.GetFullPath(d.Length == 0 ? "." : d), command)).FirstOrDefault(FileOwner.CanRun);
        return found ?? throw new UserError($"{command}: command not found; check its name and PATH");
    }
}
