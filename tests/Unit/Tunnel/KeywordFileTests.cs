using Microsoft.Extensions.Logging;
using PersonalVpn.Packets;
using PersonalVpn.Tunnel.Configuration;
using PersonalVpn.Tunnel.Diagnostics;
using PersonalVpn.Unit.Support;
using PersonalVpn.Unit.UserAuthTests;
using PersonalVpn.UserAuth;
using Xunit;

namespace PersonalVpn.Unit.TunnelTests;

public sealed class KeywordFileTests
{
    [Theory]
    [InlineData("Port 443", "Port", "443")]
    [InlineData("  Port\t 443  ", "Port", "443")]
    [InlineData("Port=443", "Port", "443")]
    [InlineData("Port = 443", "Port", "443")]
    [InlineData("Port", "Port", "")]
    [InlineData("Route 10.0.0.0/8 # the office", "Route", "10.0.0.0/8")]
    [InlineData("HostKey /etc/a#b", "HostKey", "/etc/a#b")] // as in ssh: a comment begins at a word
    [InlineData("Banner \"/etc/a b # c\"", "Banner", "/etc/a b # c")]
    [InlineData("Banner \"\"", "Banner", "")]
    [InlineData("Match User alice,bob", "Match", "User alice,bob")]
    public void One_line(string text, string keyword, string value)
    {
        KeywordLine line = ConfigText.Line(text);
        Assert.Equal((keyword, value), (line.Keyword, line.Value));
        Assert.True(line.Is(keyword.ToUpperInvariant()));
    }

    [Fact]
    public void Comments_and_empty_lines_count_as_lines()
    {
        List<KeywordLine> lines = KeywordFile.Parse("a.conf", "# first\r\n\r\n  # third\r\nPort 1\n\nUser x");
        Assert.Equal([4, 6], lines.Select(l => l.Line));
        Assert.All(lines, l => Assert.Equal("a.conf", l.File));
    }

    [Fact]
    public void Words() => Assert.Equal(["alice", "bob"], ConfigText.Line("AllowUsers \t alice   bob ").Words);

    [Fact]
    public void Files_that_cannot_be_read_are_named()
    {
        using var directory = new TempDirectory();
        Assert.Equal($"{directory["none"]}: cannot be read: no such file", Assert.Throws<ConfigurationException>(() => KeywordFile.Read(directory["none"])).Message);
        Assert.StartsWith(directory.Root + ": cannot be read: ", Assert.Throws<ConfigurationException>(() => KeywordFile.Read(directory.Root)).Message, StringComparison.Ordinal);
        string huge = directory.Write("huge", new string('#', (1 << 20) + 1));
        Assert.Contains("larger than", Assert.Throws<ConfigurationException>(() => KeywordFile.Read(huge)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Prot", "Port")]
    [InlineData("usr", "User")]
    [InlineData("adresspool", "AddressPool")]
    [InlineData("LoginGrace", "LoginGraceTime")]
    [InlineData("Compression", null)]
    [InlineData("", null)]
    public void The_nearest_keyword(string wrong, string? near) =>
        Assert.Equal(near, NearestWord.Find(wrong, ["Port", "User", "AddressPool", "LoginGraceTime", "HostKey"]));

    [Fact]
    public void Unknown_keywords()
    {
        Assert.Equal("test.conf:1: unknown keyword 'Prot'; did you mean Port?", ConfigText.Line("Prot 1").Unknown(["Port"], "pvpn_config").Message);
        Assert.Equal("test.conf:1: unknown keyword 'Compression'; 'man pvpn_config' has the valid ones", ConfigText.Line("Compression yes").Unknown(["Port"], "pvpn_config").Message);
    }

    [Theory]
    [InlineData("1", 1)]
    [InlineData("65535", 65535)]
    public void Numbers(string text, int n) => Assert.Equal(n, ConfigText.Line("Port " + text).Number(1, 65535));

    [Theory]
    [InlineData("0")]
    [InlineData("65536")]
    [InlineData("99999999999999")]
    [InlineData("-1")]
    [InlineData("+1")]
    [InlineData("1.5")]
    [InlineData("0x10")]
    [InlineData("")]
    public void Not_numbers(string text) =>
        Assert.Equal($"test.conf:1: Port: '{text}' is not a number from 1 to 65535", Error(() => ConfigText.Line("Port " + text).Number(1, 65535)));

    [Theory]
    [InlineData("30", 30)]
    [InlineData("30s", 30)]
    [InlineData("2m", 120)]
    [InlineData("1H", 3600)]
    [InlineData("1d", 86400)]
    [InlineData("0", 0)]
    public void Times(string text, int seconds) => Assert.Equal(seconds, ConfigText.Line("T " + text).Time().TotalSeconds);

    [Theory]
    [InlineData("")]
    [InlineData("s")]
    [InlineData("1w")]
    [InlineData("1.5h")]
    [InlineData("-3")]
    [InlineData("1000001")]
    public void Not_times(string text) => Assert.Contains("is not a time", Error(() => ConfigText.Line("T " + text).Time()), StringComparison.Ordinal);

    [Fact]
    public void Yes_and_no()
    {
        Assert.True(ConfigText.Line("X YES").YesNo());
        Assert.False(ConfigText.Line("X no").YesNo());
        Assert.Equal("test.conf:1: X: 'true' is neither yes nor no", Error(() => ConfigText.Line("X true").YesNo()));
    }

    [Theory]
    [InlineData("kernel", OwnerLookupMode.Kernel)]
    [InlineData("SockDiag", OwnerLookupMode.SockDiag)]
    [InlineData("PROCFS", OwnerLookupMode.Procfs)]
    public void Choices(string text, OwnerLookupMode mode) => Assert.Equal(mode, ConfigText.Line("OwnerLookup " + text).Choice<OwnerLookupMode>());

    /// <summary>The class library would take numbers and lists for an enumeration.</summary>
    [Theory]
    [InlineData("1")]
    [InlineData("+1")]
    [InlineData("-0")]
    [InlineData("kernel,sockdiag")]
    [InlineData("proc")]
    [InlineData("")]
    public void Not_choices(string text) =>
        Assert.Equal($"test.conf:1: OwnerLookup: '{text}' is not one of kernel, sockdiag, procfs", Error(() => ConfigText.Line("OwnerLookup " + text).Choice<OwnerLookupMode>()));

    [Fact]
    public void Prefixes()
    {
        Assert.Equal(IpPrefix.Parse("10.0.0.0/8"), ConfigText.Line("Route 10.0.0.0/8").Prefix());
        Assert.Equal("test.conf:1: Route: '10.0.0.1/8' is not a CIDR block such as 10.0.0.0/8 (host bits must be zero)", Error(() => ConfigText.Line("Route 10.0.0.1/8").Prefix()));
    }

    [Theory]
    [InlineData("quiet", LogLevel.None)]
    [InlineData("ERROR", LogLevel.Error)]
    [InlineData("info", LogLevel.Information)]
    [InlineData("verbose", LogLevel.Debug)]
    [InlineData("debug3", LogLevel.Trace)]
    public void Log_levels(string text, LogLevel level) => Assert.Equal(level, LogLevels.Read(ConfigText.Line("LogLevel " + text)));

    [Fact]
    public void Not_a_log_level() =>
        Assert.Equal("test.conf:1: LogLevel: 'loud' is not one of quiet, error, warning, info, verbose, debug", Error(() => LogLevels.Read(ConfigText.Line("LogLevel loud"))));

    [Fact]
    public void A_text_must_be_there() => Assert.Equal("test.conf:1: User: needs a value", Error(() => ConfigText.Line("User").Text()));

    private static string Error(Action action) => Assert.Throws<ConfigurationException>(action).Message;

    private static string Error<T>(Func<T> function) => Assert.Throws<ConfigurationException>(() => { function(); }).Message;
}
