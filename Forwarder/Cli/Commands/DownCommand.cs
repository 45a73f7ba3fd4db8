using PersonalVpn.Cli.Config;
using PersonalVpn.Cli.Local;
using PersonalVpn.Tunnel.Local;

namespace PersonalVpn.Cli.Commands;

/// <summary><c>pvpn down</c>: ends tunnels, those that block after a crash too.</summary>
internal static class DownCommand
{
    public static int Run(string socket, string? gateway, bool all)
    {
        if (gateway is not null && all) throw new UserError("down takes a gateway or --all, not both", ExitCodes.Usage);
        using ForwarderClient forwarder = ForwarderClient.Connect(socket);
        if (gateway is null && !all)
        {
            // Without a name: the only one.
            IReadOnlyList<TunnelStatus> mine = forwarder.Tunnels();
            if (mine.Count == 0) throw new UserError("you have no tunnel; nothing is taken down");
            if (mine.Count > 1) throw new UserError($"which one? {string.Join(", ", mine.Select(t => t.Gateway).Distinct())}; or pvpn down --all", ExitCodes.Usage);
        }
        string? name = gateway is null ? null : Normalise(gateway);
        ForwarderReply reply = forwarder.Ask(new ForwarderRequest { Operation = ForwarderOperation.Down, Gateway = name, All = gateway is null });
        if (reply.Tunnels is not { Count: > 0 }) Console.Error.WriteLine("pvpn: you have no tunnel; nothing is taken down");
        foreach (TunnelStatus t in reply.Tunnels ?? []) Console.Error.WriteLine($"pvpn: {t.Gateway} is down; {string.Join(' ', t.Routes)} no longer tunnelled");
        if (reply.More > 0) Console.Error.WriteLine($"pvpn: and {reply.More} more");
        return ExitCodes.Success;
    }

    // "alice@gw" is taken for "gw".
    internal static string Normalise(string gateway)
    {
        Target target = Target.Parse(gateway);
        if (target.Port is not { } port) return target.Host;
        return target.Host.Contains(':', StringComparison.Ordinal) ? $"[{target.Host}]:{port}" : $"{target.Host}:{port}";
    }
}
