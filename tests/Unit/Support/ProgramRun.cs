using System.Diagnostics;
using Xunit;

namespace PersonalVpn.Unit.Support;

/// <summary>Runs one of the project's programs, as built beside the tests, to its end.</summary>
internal static class ProgramRun
{
    /// <summary>Exit code and both outputs. HOME is <paramref name="home"/>; standard input is empty.</summary>
    public static (int Code, string Out, string Error) Run(string program, string home, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, program + ".dll"), .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["HOME"] = home;
        start.Environment.Remove("SSH_AUTH_SOCK");
        foreach (string name in new[] { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY" }) start.Environment.Remove(name);
        using Process process = Process.Start(start)!;
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(60_000))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{program} {string.Join(' ', arguments)} did not end within a minute");
        }
        return (process.ExitCode, output.Result, error.Result);
    }
}
