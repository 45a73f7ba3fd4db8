using System.Runtime.CompilerServices;
using System.Text.Json;
using PersonalVpn.Cli.Local;
using PersonalVpn.Cli.Session;
using PersonalVpn.Cli.Status;
using PersonalVpn.Cli.Terminal;
using PersonalVpn.Tunnel.Local;

namespace PersonalVpn.Cli.Commands;

/// <summary><c>pvpn status</c>: the caller's tunnels as the daemon sees them; with --watch again every second.</summary>
internal static class StatusCommand
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    public static int Run(string socket, bool json, bool watch)
    {
        using ForwarderClient forwarder = ForwarderClient.Connect(socket);
        if (!watch)
        {
            IReadOnlyList<TunnelStatus> tunnels = forwarder.Tunnels();
            if (json) Console.Out.WriteLine(JsonSerializer.Serialize(tunnels, LocalJson.Default.IReadOnlyListTunnelStatus));
            else StatusText.Write(tunnels, Console.Out);
            return ExitCodes.Success;
        }
        using var stop = new StopSignals();
        if (json) Repeat(stop, () => Console.Out.WriteLine(JsonSerializer.Serialize(forwarder.Tunnels(), LocalJson.Default.IReadOnlyListTunnelStatus)));
        else if (Screen.IsLive(Console.IsOutputRedirected)) Live(forwarder, stop);
        else Lines(forwarder, stop);
        // Ctrl-C is how one leaves; anything else was somebody else's wish.
        return stop.Requested is null or 2 ? ExitCodes.Success : 128 + stop.Requested.Value;
    }

    private static void Lines(ForwarderClient forwarder, StopSignals stop)
    {
        var rates = new TunnelRates();
        Repeat(stop, () =>
        {
            foreach (string line in StatusText.Lines(rates.Next(forwarder.Tunnels()))) Console.Out.WriteLine(line);
        });
    }

    // Apart, so that the library that draws is loaded for this alone.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Live(ForwarderClient forwarder, StopSignals stop)
    {
        var rates = new TunnelRates();
        StatusView.Run(draw => Repeat(stop, () => draw(rates.Next(forwarder.Tunnels()))));
    }

    private static void Repeat(StopSignals stop, Action show)
    {
        do show();
        while (!stop.Signalled.Wait(Interval));
    }
}
