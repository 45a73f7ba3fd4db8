using PersonalVpn.Cli.Config;
using PersonalVpn.Cli.Local;
using PersonalVpn.Tunnel.Local;

namespace PersonalVpn.Cli.Commands;

/// <summary><c>pvpn down</c>: ends tunnels, those that block after a crash too.</summary>
internal static class DownCommand
{
    public static int Run(string socket, string? gateway, bool all)
    {
        using ForwarderClient forwarder = ForwarderClient.Connect(socket);
        if (gateway is null && !all)
        {
            // Without a name: the only one, or none at all.
            IReadOnlyList<TunnelStatus> mine = forwarder.Ask(new ForwarderRequest { Operation = ForwarderOperation.Status }).Tunnels ?? [];
            if (mine.Count > 1) throw new UserError($"which one? {string.Join(", ", mine.Select(t => t.Gateway))}; or pvpn down --all", ExitCodes.Usage);
            all = true;
        }
        string? name = gateway is null ? null : Normalise(gateway);
        IReadOnlyList<TunnelStatus> removed = forwarder.Ask(new ForwarderRequest { Operation = ForwarderOperation.Down, Gateway = name, All = all }).Tunnels ?? [];
        foreach (TunnelStatus t in removed) Console.Error.WriteLine($"pvpn: {t.Gateway} is down; {string.Join(' ', t.Routes)} no longer tunnelled");
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
