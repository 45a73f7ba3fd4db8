using System.CommandLine;
using System.Reflection;
using PersonalVpn.Cli.Local;
using PersonalVpn.Linux;
using PersonalVpn.Tunnel.Configuration;
using PersonalVpn.Tunnel.Diagnostics;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Cli;

/// <summary>pvpn: the user's command.</summary>
internal static class Program
{
    /// <summary>The user's home directory.</summary>
    public static string Home { get; } = Environment.GetEnvironmentVariable("HOME") is { Length: > 0 } home
        ? home : Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);

    public static int Main(string[] args)
    {
        PlainConsole.Use();
        Ed25519.Use(OpenSslEd25519.IsAvailable, OpenSslEd25519.Verify, OpenSslEd25519.TrySign, OpenSslEd25519.TryGetPublicKey);
        int cut = Array.IndexOf(args, "--");
        string[] own = cut < 0 ? args : args[..cut], command = cut < 0 ? [] : args[(cut + 1)..];
        try
        {
            if (cut >= 0 && command.Length == 0) throw new UserError("no command after --", ExitCodes.Usage);
            if (own is ["--version"])
            {
                Console.WriteLine($"pvpn {Assembly.GetExecutingAssembly().GetName().Version?.ToString(3)}");
                return ExitCodes.Success;
            }
            RootCommand root = CommandLine.Build(command);
            ParseResult parsed = root.Parse(own, new ParserConfiguration { ResponseFileTokenReplacer = null });
            if (parsed.Errors.Count > 0) throw new UserError(CommandLine.Explain(parsed.Errors), ExitCodes.Usage);
            return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
        }
        catch (UserError e)
        {
            return Fail(e.Message, e.ExitCode);
        }
        catch (ConfigurationException e)
        {
            return Fail(e.Message, e.Message.StartsWith("-o:", StringComparison.Ordinal) ? ExitCodes.Usage : ExitCodes.Failure);
        }
        catch (ForwarderRefusedException e)
        {
            return Fail(e.Message, ExitCodes.Failure);
        }
    }

    /// <summary>The one line of an error, and its exit code.</summary>
    public static int Fail(string message, int code)
    {
        Console.Error.WriteLine("pvpn: " + StderrLoggerProvider.OneLine(message));
        return code;
    }
}
