using System.CommandLine;
using PersonalVpn.Cli;
using PersonalVpn.Unit.Support;
using PersonalVpn.Unit.UserAuthTests;
using Xunit;

namespace PersonalVpn.Unit.CliTests;

public sealed class CommandLineTests : IDisposable
{
    private readonly TempDirectory _home = new();

    public void Dispose() => _home.Dispose();

    [Fact]
    public void Options_as_in_ssh()
    {
        ParseResult r = CommandLine.Build([]).Parse(["-v", "-i", "a", "-i", "b", "-l", "alice", "-p", "8443", "-o", "X=1", "-oY=2", "gw", "10.0.0.0/8", "default", "-f"]);
        Assert.Empty(r.Errors);
        Assert.Equal("gw", r.GetValue<string>("gateway"));
        Assert.Equal(["10.0.0.0/8", "default"], r.GetValue<string[]>("destination")!);
        Assert.Equal(["a", "b"], r.GetValue<string[]>("-i")!);
        Assert.Equal(["X=1", "Y=2"], r.GetValue<string[]>("-o")!);
        Assert.Equal(("alice", "8443", true, true, false), (r.GetValue<string>("-l"), r.GetValue<string>("-p"), r.GetValue<bool>("-v"), r.GetValue<bool>("-f"), r.GetValue<bool>("-vv")));
        Assert.True(CommandLine.Build([]).Parse(["-vv", "gw"]).GetValue<bool>("-vv"));
    }

    [Theory]
    [InlineData("--nonsense", "gw")]
    [InlineData("gw", "-p")]
    [InlineData("-i")]
    [InlineData("status", "--yaml")]
    [InlineData("check")]
    public void Usage_errors_are_one_line(params string[] arguments)
    {
        ParseResult r = CommandLine.Build([]).Parse(arguments);
        Assert.NotEmpty(r.Errors);
        string line = CommandLine.Explain(r.Errors);
        Assert.EndsWith("; see pvpn --help", line, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', line);
    }

    [Fact]
    public void Help() => Golden.Check("help.golden.txt", Good("--help"));

    [Theory]
    [InlineData("status")]
    [InlineData("down")]
    [InlineData("check")]
    public void Help_of_subcommands(string command) => Golden.Check($"help-{command}.golden.txt", Good(command, "--help"));

    [Fact]
    public void Version() => Assert.Matches(@"^pvpn \d+\.\d+\.\d+\n$", Good("--version"));

    [Theory]
    [InlineData("which gateway?")]
    [InlineData("no command after --", "gw", "--")]
    [InlineData("the port must be a number", "-p", "x", "gw")]
    [InlineData("the port must be a number", "gw:x")]
    [InlineData("destination '10.0.0.1/8'", "gw", "10.0.0.1/8")]
    [InlineData("-f goes with no command", "-f", "gw", "--", "true")]
    [InlineData("'@gw': the user name before @ is empty", "@gw")] // and not the name of a file with arguments
    [InlineData("unknown keyword 'Prot'; did you mean Port?", "-o", "Prot=1", "gw")]
    [InlineData("-o needs one Keyword=value", "-l", "alice\nPort=1", "gw")]
    public void Usage_errors_exit_2(string problem, params string[] arguments) => Failed(2, problem, arguments);

    /// <summary>What follows -- belongs to the command, options and all.</summary>
    [Fact]
    public void The_commands_own_options_are_not_ours() =>
        Failed(255, "the forwarder is not running (/nonexistent/s)", "-F", "none", "-o", "ForwarderSocket=/nonexistent/s", "gw", "--", "true", "--help", "--version", "--");

    [Theory]
    [InlineData("status")]
    [InlineData("down")]
    [InlineData("check", "192.0.2.1")]
    public void Without_a_forwarder(params string[] arguments) =>
        Failed(255, "the forwarder is not running (/nonexistent/s); ask the administrator to start it", [.. arguments, "-o", "ForwarderSocket=/nonexistent/s"]);

    private string Good(params string[] arguments)
    {
        (int code, string output, string error) = ProgramRun.Run("pvpn", _home.Root, arguments);
        Assert.Equal((0, ""), (code, error));
        return output;
    }

    private void Failed(int expected, string problem, params string[] arguments)
    {
        (int code, string output, string error) = ProgramRun.Run("pvpn", _home.Root, arguments);
        Assert.Equal((expected, ""), (code, output));
        Assert.StartsWith("pvpn: ", error, StringComparison.Ordinal);
        Assert.Contains(problem, error, StringComparison.Ordinal);
        Assert.Single(error.TrimEnd('\n').Split('\n'));
    }
}
