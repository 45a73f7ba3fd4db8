using PersonalVpn.Unit.Support;
using PersonalVpn.Unit.UserAuthTests;
using Xunit;

namespace PersonalVpn.Unit.CliTests;

/// <summary>What ends a tunnel, or looks at one, does not depend on a configuration that is about opening one.</summary>
public sealed class BrokenConfigTests : IDisposable
{
    private readonly TempDirectory _home = new();

    public BrokenConfigTests() => Directory.CreateDirectory(_home[".config/pvpn"]);

    public void Dispose() => _home.Dispose();

    [Theory]
    [InlineData("status")]
    [InlineData("down", "--all")]
    [InlineData("check", "192.0.2.1")]
    public void Subcommands_go_on_and_say_so(params string[] command)
    {
        _home.Write(".config/pvpn/config", "ForwarderSocket /from/the/file\nProt 1\n");
        (int code, string output, string error) = ProgramRun.Run("pvpn", _home.Root, [.. command, "-o", "ForwarderSocket=/nonexistent/s"]);
        Assert.Equal((255, ""), (code, output));
        Assert.Equal(
        [
            $"pvpn: {_home[".config/pvpn/config"]}:2: unknown keyword 'Prot'; did you mean Port? (this command goes on without that file)",
            "pvpn: the forwarder is not running (/nonexistent/s); ask the administrator to start it: systemctl start pvpnd",
        ], error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        // One that is good counts.
        _home.Write(".config/pvpn/config", "ForwarderSocket /from/the/file\n");
        Assert.Contains("/from/the/file", ProgramRun.Run("pvpn", _home.Root, command).Error, StringComparison.Ordinal);
        // The command line is judged as ever.
        Assert.Equal(2, ProgramRun.Run("pvpn", _home.Root, [.. command, "-o", "Prot=1"]).Code);
    }
}
