using PersonalVpn.Cli.Terminal;
using Xunit;

namespace PersonalVpn.Unit.CliTests;

/// <summary>The rules of the two questions pvpn asks, as ssh has them; the terminal itself is in the kernel tests.</summary>
public sealed class PromptTests
{
    private const string Fingerprint = "SHA256:PzsVdvh0KpJIaYYiQIG/LpzddpGlI0W7nu8Q/aZ8AqI";

    [Theory]
    [InlineData("yes", true)]
    [InlineData(" YES ", true)]
    [InlineData(Fingerprint, true)]
    [InlineData("no", false)]
    [InlineData("No", false)]
    [InlineData("", false)]
    [InlineData("y", null)]
    [InlineData("SHA256:PzsVdvh0KpJIaYYiQIG/LpzddpGlI0W7nu8Q/aZ8Aq", null)]
    [InlineData("sha256:pzsvdvh0kpjiayyiqig/lpzddpgli0w7nu8q/az8aqi", null)]
    [InlineData("SHA256:", null)]
    public void A_server_is_accepted_by_yes_or_its_whole_fingerprint(string typed, bool? expected) =>
        Assert.Equal(expected, HostKeyPrompt.Judge(typed, Fingerprint));

    [Theory]
    [InlineData(null, false, false, false)]
    [InlineData(null, true, true, false)]
    [InlineData("", true, true, false)]
    [InlineData("prefer", true, true, true)]
    [InlineData("prefer", false, false, true)]
    [InlineData("force", false, true, true)]
    [InlineData("FORCE", false, true, true)]
    [InlineData("never", true, false, false)]
    public void Askpass_needs_a_display_unless_forced(string? require, bool display, bool may, bool prefers)
    {
        Assert.Equal(may, PassphrasePrompt.MayAskProgram(require, display));
        Assert.Equal(prefers, PassphrasePrompt.PrefersProgram(require));
    }
}
