using PersonalVpn.Linux;

namespace PersonalVpn.Cli.Session;

/// <summary>Where the user's command is, as a shell finds it: a name with a slash as it stands, any other by PATH.</summary>
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
        return ProgramFile.Find(command) ?? throw new UserError($"{command}: command not found; check its name and PATH");
    }
}
