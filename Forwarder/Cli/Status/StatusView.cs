using System.Globalization;
using PersonalVpn.Tunnel.Diagnostics;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace PersonalVpn.Cli.Status;

/// <summary>
/// The live view of <c>pvpn status --watch</c>: a table on the terminal's other screen, which gives way to what was there before
/// however the view ends. Made for 80 columns; a longer name is cut, never wrapped.
/// </summary>
internal static class StatusView
{
    // Title, an empty line, the table's head between two more and its rule, one below it, how many more there are, and the last
    // line of the screen, which stays free.
    private const int LinesAround = 8;

    /// <summary>Runs <paramref name="body"/>, which draws as often as it likes.</summary>
    public static void Run(Action<Action<IReadOnlyList<RatedTunnel>>> body)
    {
        IAnsiConsole console = AnsiConsole.Console;
        console.AlternateScreen(() => console.Live(new Text("")).AutoClear(true).Overflow(VerticalOverflow.Crop)
            .Start(live => body(tunnels => live.UpdateTarget(Render(tunnels, console.Profile.Height, DateTimeOffset.Now)))));
    }

    /// <summary>The picture for a screen of so many lines.</summary>
    public static IRenderable Render(IReadOnlyList<RatedTunnel> tunnels, int height, DateTimeOffset now)
    {
        int shown = Math.Max(1, height - LinesAround);
        string time = now.ToString("HH:mm:ss", CultureInfo.InvariantCulture);
        var rows = new List<IRenderable>
        {
            new Text($"pvpn status   {time}   {tunnels.Count} tunnel{(tunnels.Count == 1 ? "" : "s")}   Ctrl-C to leave") { Overflow = Overflow.Ellipsis },
            new Text(""),
        };
        if (tunnels.Count == 0) rows.Add(new Text("no tunnels"));
        else rows.Add(Table([.. tunnels.Take(shown)], now));
        if (tunnels.Count > shown) rows.Add(new Text($"and {tunnels.Count - shown} more"));
        return new Rows(rows);
    }

    private static Table Table(IReadOnlyList<RatedTunnel> tunnels, DateTimeOffset now)
    {
        // The names give way to the longest state, while there is one that has it.
        int state = Math.Max(7, tunnels.Max(t => t.Status.State.Length));
        var table = new Table().Border(TableBorder.Simple).Collapse();
        table.AddColumn(new TableColumn("TUNNEL"));
        table.AddColumn(new TableColumn("STATE").Width(state));
        table.AddColumn(new TableColumn("UP").RightAligned().Width(6));
        table.AddColumn(new TableColumn("OUT").RightAligned().Width(12));
        table.AddColumn(new TableColumn("IN").RightAligned().Width(12));
        table.AddColumn(new TableColumn("DROPPED").RightAligned().Width(8));
        foreach (RatedTunnel t in tunnels)
        {
            bool blocked = StatusText.IsBlocked(t.Status);
            table.AddRow(
                Cell(StatusText.Name(t.Status)),
                new Text(blocked ? "blocked" : StderrLoggerProvider.OneLine(t.Status.State), new Style(blocked ? Color.Red : t.Status.State == "up" ? Color.Green : Color.Yellow)),
                Cell(Amount.Age(t.Status.Since, now)),
                Cell(Amount.Rate(t.BytesOutPerSecond)),
                Cell(Amount.Rate(t.BytesInPerSecond)),
                Cell(StatusText.Dropped(t.Status).ToString(CultureInfo.InvariantCulture)));
        }
        return table;
    }

    private static Text Cell(string text) => new(text) { Overflow = Overflow.Ellipsis };
}
