using PersonalVpn.Cli.Config;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Cli.Commands;

/// <summary><c>pvpn -R host[:port]</c>: forgets the pin of a server, as <c>ssh-keygen -R</c> does; the files as they were stay as FILE.old.</summary>
internal static class ForgetCommand
{
    /// <summary>Runs it.</summary>
    /// <param name="name">host[:port]; an alias of the configuration means its HostName and Port.</param>
    /// <param name="options">-o and what stands for it, for UserKnownHostsFile.</param>
    /// <param name="configFile">-F, or null.</param>
    public static int Run(string name, IReadOnlyList<string> options, string? configFile)
    {
        Target target = Target.Parse(name);
        ClientConfig config = ClientConfig.Load(Program.Home, target.Host,
            target.Port is { } port ? [$"Port={port}", .. options] : options, configFile);
        var known = new KnownHosts(config.KnownHostsFiles);
        (string Host, int Port)[] places = [.. config.Alternatives.Select(c => (c.HostName ?? target.Host, c.Port))];
        int removed = 0;
        foreach ((string host, int at) in places)
        {
            string error;
            try { removed += known.Remove(host, at, out error); }
            catch (ArgumentException) { throw new UserError($"'{name}' is not host[:port]", ExitCodes.Usage); }
            if (error.Length > 0) throw new UserError(error);
        }
        string shown = string.Join(", ", places.Select(p => Target.Name(p.Host, p.Port)));
        if (removed == 0) throw new UserError($"no line of {string.Join(", ", known.Files)} names exactly {shown}; nothing was changed");
        Console.Error.WriteLine($"pvpn: {shown} is forgotten ({removed} line{(removed == 1 ? "" : "s")}); the file as it was has .old behind its name");
        return ExitCodes.Success;
    }
}
