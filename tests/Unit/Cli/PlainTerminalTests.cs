using System.Diagnostics;
using Xunit;

namespace PersonalVpn.Unit.CliTests;

/// <summary>What the built program writes to a terminal.</summary>
public sealed class PlainTerminalTests
{
    [Theory]
    [InlineData("pvpn")]
    [InlineData("pvpnd")]
    [InlineData("pvpn-server")]
    public void Nothing_but_the_text(string program)
    {
        // script(1) gives it a terminal.
        string command = $"dotnet '{Path.Combine(AppContext.BaseDirectory, program + ".dll")}' --version";
        var start = new ProcessStartInfo("script", ["-qec", command, "/dev/null"]) { RedirectStandardInput = true, RedirectStandardOutput = true };
        start.Environment["TERM"] = "xterm";
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
        Assert.Matches($"^{program} [0-9.]+\r\n$", output);
    }
}
