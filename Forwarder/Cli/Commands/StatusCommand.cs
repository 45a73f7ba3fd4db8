using System.Globalization;
using System.Text.Json;
using PersonalVpn.Cli.Local;
using PersonalVpn.Tunnel.Local;

namespace PersonalVpn.Cli.Commands;

/// <summary><c>pvpn status</c>: the caller's tunnels as the daemon sees them.</summary>
internal static class StatusCommand
{
    public static int Run(string socket, bool json, bool watch)
    {
        using ForwarderClient forwarder = ForwarderClient.Connect(socket);
        while (true)
        {
            IReadOnlyList<TunnelStatus> tunnels = forwarder.Ask(new ForwarderRequest { Operation = ForwarderOperation.Status }).Tunnels ?? [];
            if (json) Console.Out.WriteLine(JsonSerializer.Serialize(tunnels, LocalJson.Default.IReadOnlyListTunnelStatus));
            else Print(tunnels);
            if (!watch) return ExitCodes.Success;
            Thread.Sleep(1000);
        }
    }

    private static void Print(IReadOnlyList<TunnelStatus> tunnels)
    {
        if (tunnels.Count == 0)
        {
            Console.Out.WriteLine("no tunnels");
            return;
        }
        foreach (TunnelStatus t in tunnels)
        {
            Console.Out.WriteLine($"{t.User}@{t.Gateway}  {t.State}{(t.State == "down" ? " (destinations blocked; pvpn down lets them go in the clear)" : "")}");
            Line("owner", $"uid {t.Uid}");
            Line("address", $"{t.Address} on {t.Device}");
            Line("routes", string.Join(' ', t.Routes));
            Line("since", t.Since);
            Line("out", $"{t.PacketsOut} packets, {Bytes(t.BytesOut)}");
            Line("in", $"{t.PacketsIn} packets, {Bytes(t.BytesIn)}");
            if (t.PacketsDropped.Count > 0) Line("dropped", string.Join(", ", t.PacketsDropped.Select(d => $"{d.Key} {d.Value}")));
        }
    }

    private static void Line(string name, string value) => Console.Out.WriteLine($"  {name,-8} {value}");

    private static string Bytes(long n)
    {
        string[] units = ["B", "KiB", "MiB", "GiB", "TiB"];
        double value = n;
        int unit = 0;
        for (; value >= 1024 && unit < units.Length - 1; unit++) value /= 1024;
        return value.ToString(unit == 0 ? "0" : "0.0", CultureInfo.InvariantCulture) + " " + units[unit];
    }
}
