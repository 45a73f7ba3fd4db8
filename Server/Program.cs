using System.CommandLine;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.Json;
using PersonalVpn.Linux;
using PersonalVpn.Server.Configuration;
using PersonalVpn.Server.Control;
using PersonalVpn.Tunnel.Configuration;
using PersonalVpn.Tunnel.Diagnostics;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Server;

/// <summary>pvpn-server: the endpoint of users' tunnels.</summary>
internal static class Program
{
    private const string Name = "pvpn-server";

    public static int Main(string[] args)
    {
        PlainConsole.Use();
        Ed25519.Use(OpenSslEd25519.IsAvailable, OpenSslEd25519.Verify, OpenSslEd25519.TrySign, OpenSslEd25519.TryGetPublicKey);
        if (args is ["--version"])
        {
            Console.WriteLine($"{Name} {Assembly.GetExecutingAssembly().GetName().Version?.ToString(3)}");
            return 0;
        }
        ParseResult parsed = Build().Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parsed.Errors.Count > 0) return Fail($"{parsed.Errors[0].Message.TrimEnd('.')}; see {Name} --help", 2);
        try
        {
            return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
        }
        catch (Exception e) when (e is ConfigurationException or IOException or InvalidOperationException or UnauthorizedAccessException)
        {
            return Fail(e.Message, 1);
        }
    }

    private static RootCommand Build()
    {
        var config = new Option<string?>("--config") { Description = $"configuration file (default {ServerConfig.DefaultPath})", HelpName = "FILE", Recursive = true };
        var json = new Option<bool>("--json") { Description = "an array of objects" };
        var @public = new Option<bool>("--public") { Description = "the key itself, as a line for authorized_keys or behind a name in known_hosts" };
        var who = new Argument<string>("USER|ID") { Description = "as in sessions" };
        var check = new Command("check", "check the configuration: exit 0, or 1 and file:line: what to mend");
        check.SetAction(r => Check(r.GetValue(config)));
        var sessions = new Command("sessions", "list the sessions of the running server") { json };
        sessions.SetAction(r => Sessions(r.GetValue(config), r.GetValue(json)));
        var disconnect = new Command("disconnect", "end sessions of the running server") { who };
        disconnect.SetAction(r => Disconnect(r.GetValue(config), r.GetValue(who)!));
        var fingerprint = new Command("fingerprint", "show the host key's fingerprint, to compare with what pvpn shows") { @public };
        fingerprint.SetAction(r => Fingerprint(r.GetValue(config), r.GetValue(@public)));
        var root = new RootCommand("pvpn-server: authenticates users and carries their packets to the inner network.") { config, check, sessions, disconnect, fingerprint };
        root.SetAction(r => Serve(r.GetValue(config)));
        return root;
    }

    private static int Serve(string? path)
    {
        ServerConfig config;
        try { config = ServerConfigReader.Load(path); }
        catch (ConfigurationException e) { return Fail($"{e.Message}; 'pvpn-server check{(path is null ? "" : " --config " + path)}' shows all that is wrong", 1); }
        if (!Capabilities.HasEffective(Capability.NetAdmin) || !Capabilities.HasEffective(Capability.NetRaw))
            return Fail("needs CAP_NET_ADMIN and CAP_NET_RAW; start it as root, or by its systemd unit", 1);
        using var provider = new StderrLoggerProvider(Name, config.LogLevel);
        using var daemon = new ServerDaemon(config, path, provider.CreateLogger(Name), level => provider.Minimum = level);
        using PosixSignalRegistration term = DaemonProgram.OnSignal(PosixSignal.SIGTERM, daemon.Stop), interrupt = DaemonProgram.OnSignal(PosixSignal.SIGINT, daemon.Stop),
            hangup = DaemonProgram.OnSignal(PosixSignal.SIGHUP, daemon.Reload);
        daemon.Run(() =>
        {
            Console.Error.WriteLine($"{Name}: ready");
            SdNotify.Notify("READY=1");
        });
        return 0;
    }

    // Every error on a line of its own that begins with its file, for people and editors.
    private static int Check(string? path)
    {
        try
        {
            var reader = new ServerConfigReader();
            ServerConfig config = reader.Build(KeywordFile.Read(path ?? ServerConfig.DefaultPath));
            NamedFiles.Check(config, reader);
            Console.WriteLine($"{path ?? ServerConfig.DefaultPath}: ok, {config.Matches.Count} Match block{(config.Matches.Count == 1 ? "" : "s")}");
            foreach (string warning in ConfigWarnings.Of(config)) Console.Error.WriteLine($"{path ?? ServerConfig.DefaultPath}: warning: {warning}");
            return 0;
        }
        catch (ConfigurationException e)
        {
            foreach (string line in e.All) Console.Error.WriteLine(StderrLoggerProvider.OneLine(line));
            return 1;
        }
    }

    private static int Sessions(string? path, bool json)
    {
        IReadOnlyList<SessionStatus> all = Ask(path, new ServerRequest("sessions")).Sessions ?? [];
        if (json)
        {
            Console.WriteLine(JsonSerializer.Serialize(all, ServerJson.Default.IReadOnlyListSessionStatus));
            return 0;
        }
        Console.WriteLine($"{"ID",-5} {"USER",-16} {"FROM",-28} {"ADDRESS",-30} {"SINCE",-20} {"IN",12} {"OUT",12}");
        foreach (SessionStatus s in all)
            Console.WriteLine($"{s.Id,-5} {s.User,-16} {s.Peer,-28} {(s.RelayTo is { } to ? "to " + to : s.Registers is { } name ? "as " + name : string.Join(',', s.Addresses)),-30} {s.Since,-20} {s.BytesIn,12} {s.BytesOut,12}");
        return 0;
    }

    private static int Disconnect(string? path, string who)
    {
        int n = Ask(path, new ServerRequest("disconnect", who)).Count;
        if (n == 0) return Fail($"no session of '{who}'; see {Name} sessions", 1);
        Console.WriteLine($"{n} session{(n == 1 ? "" : "s")} ended");
        return 0;
    }

    private static int Fingerprint(string? path, bool whole)
    {
        ServerConfig config = ServerConfigReader.Load(path);
        using HostKey key = HostKey.Load(config.HostKey, config.Certificate);
        if (whole) Console.WriteLine(key.PublicKey.ToOpenSsh($"pvpn-server@{Environment.MachineName}"));
        else Console.WriteLine($"{key.PublicKey.Bits} {key.PublicKey.Fingerprint} {config.HostKey} ({key.PublicKey.Algorithm})");
        return 0;
    }

    private static ServerReply Ask(string? path, ServerRequest request)
    {
        string socket = ServerConfigReader.Load(path).ControlSocket;
        ServerReply reply;
        try { reply = ControlClient.Ask(socket, request); }
        catch (LinuxException e) when (e.Error is Errno.ENOENT or Errno.ECONNREFUSED)
        {
            throw new InvalidOperationException($"no server is running at {socket}; start it: systemctl start pvpn-server", e);
        }
        return reply.Error is null ? reply : throw new InvalidOperationException(reply.Error);
    }

    private static int Fail(string message, int code) => DaemonProgram.Fail(Name, message, code);
}
