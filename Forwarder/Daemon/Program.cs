using System.CommandLine;
using System.Reflection;
using System.Runtime.InteropServices;
using PersonalVpn.Linux;
using PersonalVpn.Tunnel.Configuration;
using PersonalVpn.Tunnel.Diagnostics;

namespace PersonalVpn.Daemon;

/// <summary>pvpnd: the Forwarder of the shared host.</summary>
internal static class Program
{
    private const string Name = "pvpnd";

    public static int Main(string[] args)
    {
        PlainConsole.Use();
        var configPath = new Option<string?>("--config") { Description = $"configuration file (default {ForwarderConfig.DefaultPath})", HelpName = "FILE", Recursive = true };
        var check = new Command("check", "check the configuration: exit 0, or 1 and file:line: what to mend");
        check.SetAction(r => Check(r.GetValue(configPath)));
        var cleanup = new Command("cleanup", "remove what a run that crashed has left, blocks included; a running pvpnd is left alone");
        cleanup.SetAction(r => Serve(r.GetValue(configPath), cleanup: true));
        var root = new RootCommand("pvpnd: sends each user's packets, and nobody else's, into that user's own tunnel.") { configPath, check, cleanup };
        root.SetAction(r => Serve(r.GetValue(configPath), cleanup: false));
        if (args is ["--version"])
        {
            Console.WriteLine($"{Name} {Assembly.GetExecutingAssembly().GetName().Version?.ToString(3)}");
            return 0;
        }
        ParseResult parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parsed.Errors.Count > 0) return Fail($"{parsed.Errors[0].Message.TrimEnd('.')}; see {Name} --help", 2);
        return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
    }

    private static int Serve(string? configPath, bool cleanup)
    {
        try
        {
            ForwarderConfig config = ForwarderConfig.Load(configPath);
            if (!Capabilities.HasEffective(Capability.NetAdmin) || !Capabilities.HasEffective(Capability.NetRaw))
                return Fail("needs CAP_NET_ADMIN and CAP_NET_RAW; start it as root, or by its systemd unit", 1);
            using var provider = new StderrLoggerProvider(Name, config.LogLevel);
            using var daemon = new ForwarderDaemon(config, configPath, provider.CreateLogger(Name), level => provider.Minimum = level);
            if (cleanup)
            {
                daemon.RemoveLeftovers();
                return 0;
            }
            using PosixSignalRegistration term = DaemonProgram.OnSignal(PosixSignal.SIGTERM, daemon.Stop), interrupt = DaemonProgram.OnSignal(PosixSignal.SIGINT, daemon.Stop),
                hangup = DaemonProgram.OnSignal(PosixSignal.SIGHUP, daemon.Reload);
            daemon.Run(() =>
            {
                Console.Error.WriteLine($"{Name}: ready");
                SdNotify.Notify("READY=1");
            });
            return 0;
        }
        catch (ConfigurationException e)
        {
            return Fail(e.Message, 1);
        }
        catch (Exception e) when (e is IOException or InvalidOperationException or UnauthorizedAccessException)
        {
            return Fail(e.Message, 1);
        }
    }

    // Every error on a line of its own that begins with its file, for people and editors.
    private static int Check(string? path)
    {
        try
        {
            ForwarderConfig.Load(path);
            bool none = path is null && !File.Exists(ForwarderConfig.DefaultPath);
            Console.WriteLine($"{path ?? ForwarderConfig.DefaultPath}: ok{(none ? ", there is none and the defaults count" : "")}");
            return 0;
        }
        catch (ConfigurationException e)
        {
            foreach (string line in e.All) Console.Error.WriteLine(StderrLoggerProvider.OneLine(line));
            return 1;
        }
    }

    private static int Fail(string message, int code) => DaemonProgram.Fail(Name, message, code);
}
