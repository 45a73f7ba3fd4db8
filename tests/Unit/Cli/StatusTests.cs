using PersonalVpn.Cli.Status;
using PersonalVpn.Tunnel.Local;
using Spectre.Console;
using Xunit;

namespace PersonalVpn.Unit.CliTests;

/// <summary>How tunnels look: as text, with rates, and as the live view on a small screen.</summary>
public sealed class StatusTests
{
    private static readonly TunnelStatus One = new()
    {
        Gateway = "gateway.example.org", User = "alice", Uid = 1001, State = "up", Address = "10.77.0.2", Routes = ["10.0.0.0/8"], Transport = "tls",
        Since = "2026-01-02T03:04:05Z", BytesIn = 4096, BytesOut = 2048, PacketsIn = 3, PacketsOut = 4,
        PacketsDropped = new Dictionary<string, long> { ["notOwner"] = 5, ["fragment"] = 2 }, Chain = [], Device = "pvpn0",
    };

    [Fact]
    public void A_tunnel_that_is_down_shows_no_address()
    {
        Assert.Contains("address  10.77.0.2 on pvpn0", Text(One), StringComparison.Ordinal);
        string down = Text(One with { State = "down" });
        Assert.DoesNotContain("10.77.0.2", down, StringComparison.Ordinal);
        Assert.Contains("down (destinations blocked; pvpn again, or pvpn down to let them go in the clear)", down, StringComparison.Ordinal);
        Assert.Equal("no tunnels\n", Text());
    }

    [Fact]
    public void The_owner_has_a_name_where_the_host_knows_one()
    {
        Assert.Contains("\n  owner    root (uid 0)\n", Text(One with { Uid = 0 }), StringComparison.Ordinal);
        Assert.Contains("\n  owner    uid 4000000001\n", Text(One with { Uid = 4000000001 }), StringComparison.Ordinal);
    }

    [Fact]
    public void The_gateways_on_the_way_are_named_if_there_are_any()
    {
        Assert.DoesNotContain("through", Text(One), StringComparison.Ordinal);
        Assert.Contains("\n  through  a, b:8443\n", Text(One with { Chain = ["a", "b:8443"] }), StringComparison.Ordinal);
    }

    [Fact]
    public void Rates_are_what_was_added_by_the_time_between()
    {
        var clock = new Clock();
        var rates = new TunnelRates(clock);
        RatedTunnel first = rates.Next([One]).Single();
        Assert.Equal((null, null), (first.BytesOutPerSecond, first.BytesInPerSecond));
        clock.Seconds = 2;
        RatedTunnel second = rates.Next([One with { BytesOut = 4048, BytesIn = 4096 }]).Single();
        Assert.Equal((1000, 0), (second.BytesOutPerSecond, second.BytesInPerSecond));
        // another tunnel on a device of the same name
        Assert.Null(rates.Next([One with { Since = "2026-01-02T04:00:00Z" }]).Single().BytesOutPerSecond);
        Assert.Contains("alice@gateway.example.org up out 1000 B/s in 0 B/s dropped 7", Assert.Single(StatusText.Lines([second])), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("2026-01-02T03:04:05Z", "0s")]
    [InlineData("2026-01-02T03:03:00Z", "1m05s")]
    [InlineData("2026-01-02T01:02:05Z", "2h02m")]
    [InlineData("2025-12-31T00:04:05Z", "2d03h")]
    [InlineData("2026-01-02T03:05:05Z", "0s")] // clocks differ
    [InlineData("x", "-")]
    public void Ages(string since, string age) => Assert.Equal(age, Amount.Age(since, DateTimeOffset.Parse("2026-01-02T03:04:05Z", System.Globalization.CultureInfo.InvariantCulture)));

    [Fact]
    public void A_tunnel_that_reconnects_says_what_that_means()
    {
        string text = Text(One with { State = "reconnecting" });
        Assert.Contains("reconnecting (destinations blocked until it is back)\n", text, StringComparison.Ordinal);
        Assert.Contains("10.77.0.2 on pvpn0", text, StringComparison.Ordinal); // it stays
    }

    [Theory]
    [InlineData(1, "up")]
    [InlineData(100, "up")]
    [InlineData(100, "reconnecting")]
    public void The_view_fits_a_screen_of_80_by_24(int count, string state)
    {
        RatedTunnel[] tunnels = [.. Enumerable.Range(0, count).Select(i => new RatedTunnel(One with { State = state, Gateway = $"a-very-long-name-of-a-gateway-{i}.example.org" }, 123_456_789, 1023))];
        var text = new StringWriter();
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors, Out = new AnsiConsoleOutput(text) });
        console.Profile.Width = 80;
        console.Write(StatusView.Render(tunnels, 24, DateTimeOffset.UnixEpoch));
        string[] lines = text.ToString().TrimEnd('\n').Split('\n');
        Assert.InRange(lines.Length, 1, 23);
        Assert.All(lines, l => Assert.InRange(l.TrimEnd().Length, 0, 80));
        Assert.Contains("117.7 MiB/s", text.ToString(), StringComparison.Ordinal);
        Assert.Contains("1023 B/s", text.ToString(), StringComparison.Ordinal);
        Assert.Contains(" " + state + " ", text.ToString(), StringComparison.Ordinal);
        if (count > 20) Assert.StartsWith("and ", lines[^1], StringComparison.Ordinal);
    }

    private static string Text(params TunnelStatus[] tunnels)
    {
        var to = new StringWriter();
        StatusText.Write(tunnels, to);
        return to.ToString();
    }

    private sealed class Clock : TimeProvider
    {
        public int Seconds { get; set; }
        public override long TimestampFrequency => 1;
        public override long GetTimestamp() => Seconds;
    }
}
