using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;
using PersonalVpn.Cli.Commands;
using PersonalVpn.Tunnel.Configuration;
using PersonalVpn.Tunnel.Diagnostics;

namespace PersonalVpn.Cli;

/// <summary>The command line of the contract, as System.CommandLine sees it. What follows <c>--</c> is cut off before it gets here.</summary>
internal static class CommandLine
{
    public static RootCommand Build(IReadOnlyList<string> command)
    {
        var target = new Argument<string?>("gateway") { Description = "[user@]gateway[:port]", Arity = ArgumentArity.ZeroOrOne };
        var destinations = new Argument<string[]>("destination") { Description = "address, CIDR block or 'default'; none = the routes that the server pushes", Arity = ArgumentArity.ZeroOrMore };
        var identity = new Option<string[]>("-i") { Description = "private key file", HelpName = "identity", Arity = ArgumentArity.OneOrMore, AllowMultipleArgumentsPerToken = false };
        var jump = new Option<string?>("-J") { Description = "gateways to pass on the way", HelpName = "[user@]hop[:port],..." };
        var config = new Option<string?>("-F") { Description = "configuration file instead of ~/.config/pvpn/config ('none' = none)", HelpName = "configfile" };
        var port = new Option<string?>("-p") { Description = "port of the gateway", HelpName = "port" };
        var user = new Option<string?>("-l") { Description = "user name on the gateway", HelpName = "user" };
        var option = new Option<string[]>("-o") { Description = "any configuration keyword", HelpName = "Key=Value", AllowMultipleArgumentsPerToken = false };
        var showConfig = new Option<bool>("-G") { Description = "print the configuration for this gateway, and do nothing" };
        var forget = new Option<string?>("-R") { Description = "forget the known key of a server, then end", HelpName = "host[:port]" };
        var background = new Option<bool>("-f") { Description = "go to the background once the tunnel is up" };
        var verbose = new Option<bool>("-v") { Description = "say what is done; -vv says more" };
        var veryVerbose = new Option<bool>("-vv") { Hidden = true };
        var quiet = new Option<bool>("-q") { Description = "no messages but errors" };
        var root = new RootCommand("pvpn: a VPN that belongs to one user. Opens a tunnel for the calling user's packets, and nobody else's.")
        {
            target, destinations, identity, jump, config, port, user, option, showConfig, forget, background, verbose, veryVerbose, quiet,
            Status(option), Down(option), Check(option),
        };
        // What looks like an option and is none would otherwise be taken for a gateway or a destination.
        foreach (Argument argument in new Argument[] { target, destinations })
            argument.Validators.Add(r =>
            {
                if (r.Tokens.FirstOrDefault(t => t.Value.StartsWith('-')) is { } token) r.AddError(UnknownOption(token.Value, r));
            });
        if (root.Options.OfType<HelpOption>().Single() is { Action: HelpAction action } help) help.Action = new HelpText(action, [target, destinations]);
        root.SetAction(result =>
        {
            if (result.GetValue(forget) is { } forgotten) return ForgetCommand.Run(forgotten, result.GetValue(option) ?? [], result.GetValue(config));
            string gateway = result.GetValue(target) ?? throw new UserError("which gateway? usage: pvpn [options] [user@]gateway[:port] [destination ...] [-- command]; see pvpn --help", ExitCodes.Usage);
            var invocation = new Invocation
            {
                Target = gateway,
                Destinations = result.GetValue(destinations) ?? [],
                Command = command,
                Port = result.GetValue(port) is { } p ? Config.Target.ParsePort(p, "-p " + p) : null,
                User = result.GetValue(user),
                ProxyJump = result.GetValue(jump),
                Identities = result.GetValue(identity) ?? [],
                Options = result.GetValue(option) ?? [],
                ConfigFile = result.GetValue(config),
                Background = result.GetValue(background),
                Verbosity = result.GetValue(veryVerbose) ? 2 : result.GetValue(verbose) ? 1 : 0,
                Quiet = result.GetValue(quiet),
            };
            return result.GetValue(showConfig) ? ConfigCommand.Run(invocation) : TunnelCommand.Run(invocation);
        });
        return root;
    }

    /// <summary>The one line for a usage error.</summary>
    public static string Explain(IReadOnlyList<ParseError> errors)
    {
        ParseError first = errors[0];
        // The library's words for what begins with a dash in a place where no argument may stand.
        string problem = Mistyped(first) is { } option ? UnknownOption(option, first.SymbolResult) : first.Message.TrimEnd('.');
        return problem + (problem.EndsWith('?') ? "" : "; see pvpn --help");
    }

    private static string? Mistyped(ParseError error) =>
        error.Message.Split('\'') is ["Unrecognized command or argument ", ['-', ..] option, ..] ? option : null;

    private static string UnknownOption(string option, SymbolResult? where)
    {
        CommandResult? command = where as CommandResult ?? where?.Parent as CommandResult;
        string? near = option.Length < 4 || command is null ? null
            : NearestWord.Find(option, command.Command.Options.Select(o => o.Name).Append("--help").Where(n => n.StartsWith("--", StringComparison.Ordinal)));
        return $"unknown option '{option}'{(near is null ? "" : $"; did you mean {near}?")}";
    }

    private static Command Status(Option<string[]> option)
    {
        var json = new Option<bool>("--json") { Description = "an array of objects" };
        var watch = new Option<bool>("--watch") { Description = "again every second" };
        var command = new Command("status", "list your tunnels (root: everybody's)") { json, watch, option };
        command.SetAction(r => StatusCommand.Run(SocketOf(r, option), r.GetValue(json), r.GetValue(watch)));
        return command;
    }

    private static Command Down(Option<string[]> option)
    {
        var gateway = new Argument<string?>("gateway") { Description = "as in pvpn status", Arity = ArgumentArity.ZeroOrOne };
        var all = new Option<bool>("--all") { Description = "all of your tunnels" };
        var command = new Command("down", "take tunnels down; their destinations are reached in the clear again") { gateway, all, option };
        command.SetAction(r => DownCommand.Run(SocketOf(r, option), r.GetValue(gateway), r.GetValue(all)));
        return command;
    }

    private static Command Check(Option<string[]> option)
    {
        var host = new Argument<string>("host[:port]") { Description = "the address asked about" };
        var json = new Option<bool>("--json") { Description = "an object" };
        var command = new Command("check", "would your packets to an address go into a tunnel? exit 0 protected, 1 direct, 2 blocked") { host, json, option };
        command.SetAction(r => CheckCommand.Run(SocketOf(r, option), r.GetValue(host)!, r.GetValue(json)));
        return command;
    }

    // What looks at tunnels, or ends them, needs no more of the files than the socket: when they cannot be used that is said, and the
    // command line and the usual socket are taken. What -o says is judged as ever.
    private static string SocketOf(ParseResult result, Option<string[]> option)
    {
        string[] own = result.GetValue(option) ?? [];
        string usual = Config.ClientConfig.Load(Program.Home, "", own, "none").ForwarderSocket;
        try
        {
            return Config.ClientConfig.Load(Program.Home, "", own, null).ForwarderSocket;
        }
        catch (ConfigurationException e)
        {
            Console.Error.WriteLine($"pvpn: {StderrLoggerProvider.OneLine(e.Message)} (this command goes on without that file)");
            return usual;
        }
    }
}
