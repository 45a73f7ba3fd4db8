using System.Globalization;
using PersonalVpn.Tunnel.Diagnostics;
using PersonalVpn.Tunnel.Local;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Cli.Status;

/// <summary>Tunnels as plain text.</summary>
internal static class StatusText
{
    /// <summary>A few lines for each.</summary>
    public static void Write(IReadOnlyList<TunnelStatus> tunnels, TextWriter to)
    {
        if (tunnels.Count == 0) to.WriteLine("no tunnels");
        foreach (TunnelStatus t in tunnels)
        {
            to.WriteLine($"{Name(t)}  {t.State}{Blocks(t)}");
            Line("owner", Owner(t.Uid));
            // Nobody answers for the address of a tunnel that is down, and the next one may have another.
            if (!IsBlocked(t)) Line("address", $"{t.Address} on {t.Device}");
            if (t.Chain.Count > 0) Line("through", StderrLoggerProvider.OneLine(string.Join(", ", t.Chain)));
            if (t.Transport != "tls") Line("by", StderrLoggerProvider.OneLine(t.Transport));
            Line("routes", string.Join(' ', t.Routes));
            Line("since", t.Since);
            Line("out", $"{t.PacketsOut} packets, {Amount.Bytes(t.BytesOut)}");
            Line("in", $"{t.PacketsIn} packets, {Amount.Bytes(t.BytesIn)}");
            if (t.PacketsDropped.Count > 0) Line("dropped", string.Join(", ", t.PacketsDropped.Select(d => $"{d.Key} {d.Value}")));
        }

        void Line(string name, string value) => to.WriteLine($"  {name,-8} {value}");
    }

    /// <summary>A line for each, as --watch writes them where nobody looks at a screen.</summary>
    public static IEnumerable<string> Lines(IReadOnlyList<RatedTunnel> tunnels)
    {
        string time = DateTime.Now.ToString("HH:mm:ss", CultureInfo.InvariantCulture);
        if (tunnels.Count == 0) yield return $"{time} no tunnels";
        foreach (RatedTunnel t in tunnels)
            yield return $"{time} {Name(t.Status)} {t.Status.State} out {Amount.Rate(t.BytesOutPerSecond)} in {Amount.Rate(t.BytesInPerSecond)} dropped {Dropped(t.Status)}";
    }

    /// <summary>Who is where. Names come from whoever opened the tunnel: nothing in them may reach the terminal as more than text.</summary>
    public static string Name(TunnelStatus t) => StderrLoggerProvider.OneLine($"{t.User}@{t.Gateway}");

    private static string Blocks(TunnelStatus t) => IsBlocked(t) ? " (destinations blocked; pvpn again, or pvpn down to let them go in the clear)"
        : t.State == "reconnecting" ? " (destinations blocked until it is back)" : "";

    // An account that is gone, or one of a directory that does not answer, is still its number.
    private static string Owner(uint uid) => UserAccount.NameOf(uid) is { } name ? $"{StderrLoggerProvider.OneLine(name)} (uid {uid})" : $"uid {uid}";

    /// <summary>True when its packets go nowhere.</summary>
    public static bool IsBlocked(TunnelStatus t) => t.State == "down";

    /// <summary>Packets dropped, all reasons together.</summary>
    public static long Dropped(TunnelStatus t) => t.PacketsDropped.Values.Sum();
}
