using System.Diagnostics;
using Xunit;

namespace PersonalVpn.Unit.UserAuthTests;

/// <summary>Runs the real ssh and openssl tools.</summary>
internal static class Tool
{
    public static string Run(string program, params string[] arguments) => Run(program, new Dictionary<string, string>(), arguments);

    public static string Run(string program, IReadOnlyDictionary<string, string> environment, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }
        using Process process = Process.Start(start)!;
        process.StandardInput.Close();
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        Assert.True(process.WaitForExit(60_000), $"{program} did not end");
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)}: exit {process.ExitCode}: {error.Result}");
        return output;
    }
}
