using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace PersonalVpn.Cli;

/// <summary>
/// <c>--help</c> with the usage lines of the contract. The library's own would repeat the gateway before every subcommand, where it
/// may not stand, and does not know of <c>-- command</c>.
/// </summary>
internal sealed class HelpText(HelpAction inner, IReadOnlyList<Argument> tunnelArguments) : SynchronousCommandLineAction
{
    /// <summary>Who asks for help need not have said everything.</summary>
    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        Command command = parseResult.CommandResult.Command;
        bool tunnel = command is RootCommand;
        if (!tunnel)
            foreach (Argument argument in tunnelArguments) argument.Hidden = true;

        TextWriter output = parseResult.InvocationConfiguration.Output;
        using var text = new StringWriter();
        parseResult.InvocationConfiguration.Output = text;
        int code = inner.Invoke(parseResult);
        parseResult.InvocationConfiguration.Output = output;
        foreach (string line in text.ToString().TrimEnd().Split('\n'))
            output.WriteLine(!line.StartsWith("  pvpn [", StringComparison.Ordinal) && !line.StartsWith("  pvpn " + command.Name, StringComparison.Ordinal) ? line.TrimEnd() : tunnel
                ? "  pvpn [options] [user@]gateway[:port] [destination ...] [-- command [arg ...]]\n  pvpn status | down | check [options]"
                : $"  pvpn {command.Name} [options]{string.Concat(command.Arguments.Select(a => a.Arity.MinimumNumberOfValues > 0 ? $" {a.Name}" : $" [{a.Name}]"))}");
        return code;
    }
}
