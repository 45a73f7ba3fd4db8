using System.ComponentModel;
using System.Diagnostics;
using PersonalVpn.Linux;

namespace PersonalVpn.Daemon.Tunnels;

/// <summary>Runs one of the host's own network tools: no shell, a fixed path, no waiting beyond a time limit.</summary>
internal static class SystemCommand
{
    private static readonly TimeSpan TimeLimit = TimeSpan.FromSeconds(10);

    /// <summary>Null on success, otherwise the program's complaint in one line.</summary>
    public static string? Run(string program, string? input, params string[] arguments) => Run(program, input, out _, arguments);

    /// <summary>The same, with what it wrote to stdout.</summary>
    public static string? Run(string program, string? input, out string output, params string[] arguments)
    {
        output = "";
        var start = new ProcessStartInfo(HostProgram.Find(program), arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardError = true,
            RedirectStandardOutput = true,
            UseShellExecute = false,
        };
        start.Environment["PATH"] = HostProgram.Path;
        try
        {
            using Process process = Process.Start(start)!;
            // Disposing a Process leaves the pipes that were read to the garbage collector, and a daemon makes little garbage.
            using StreamReader stderr = process.StandardError, stdout = process.StandardOutput;
            Task<string> errors = stderr.ReadToEndAsync(), text = stdout.ReadToEndAsync();
            if (input is not null) process.StandardInput.Write(input);
            process.StandardInput.Close();
            if (!process.WaitForExit(TimeLimit))
            {
                process.Kill();
                return $"no answer within {TimeLimit.TotalSeconds:0} s";
            }
            output = text.Result;
            return process.ExitCode == 0 ? null : errors.Result.Trim().ReplaceLineEndings(" ");
        }
        catch (Win32Exception e)
        {
            return $"{program}: {e.Message}";
        }
        catch (IOException e)
        {
            return $"{program}: {e.Message}";
        }
    }
}
