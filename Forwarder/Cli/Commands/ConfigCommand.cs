using PersonalVpn.Cli.Config;

namespace PersonalVpn.Cli.Commands;

/// <summary><c>pvpn -G gateway</c>: what a connection would be made with, as ssh -G: keyword in lower case, value.</summary>
internal static class ConfigCommand
{
    public static int Run(Invocation invocation)
    {
        Target target = Target.Parse(invocation.Target);
        ClientConfig config = invocation.LoadConfig(target);
        config.Check();
        var text = new System.Text.StringBuilder().Append("host ").Append(target.Host).Append('\n');
        foreach ((string keyword, string value) in config.Effective()) text.Append(keyword.ToLowerInvariant()).Append(' ').Append(value).Append('\n');
        Console.Out.Write(text);
        return ExitCodes.Success;
    }
}
