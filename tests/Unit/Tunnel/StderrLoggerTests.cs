using PersonalVpn.Tunnel.Diagnostics;
using Xunit;

namespace PersonalVpn.Unit.TunnelTests;

public sealed class StderrLoggerTests
{
    [Theory]
    [InlineData("plain é text", "plain é text")]
    [InlineData("", "")]
    [InlineData("alice\npvpnd: ready", "alice pvpnd: ready")]
    [InlineData("a\r\nb\tc", "a  b c")]
    [InlineData("\u001b[2J\u0007\0", "?[2J??")]
    [InlineData("\u0085\u009b31m\u007f", "??31m?")]
    public void What_a_stranger_sent_stays_on_its_line(string text, string line) => Assert.Equal(line, StderrLoggerProvider.OneLine(text));

    [Fact]
    public void A_clean_text_is_not_copied()
    {
        string text = new('x', 10);
        Assert.Same(text, StderrLoggerProvider.OneLine(text));
    }
}
