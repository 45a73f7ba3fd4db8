using System.Diagnostics;

namespace PersonalVpn.Kernel.Support;

/// <summary>Runs programs and hands their output over; a failure says what was run and what it said.</summary>
public static class Shell
{
    /// <summary>Runs a program with arguments separated by blanks (no quoting) and returns its standard output.</summary>
    public static string Run(string commandLine, int timeoutMs = 30_000)
    {
        string[] words = commandLine.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return Exec(timeoutMs, words);
    }

    /// <summary>Runs a program with exact arguments and returns its standard output.</summary>
    public static string Exec(int timeoutMs, params string[] words)
    {
        using Process process = Start(words);
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> errors = process.StandardError.ReadToEndAsync();
        if (!process.WaitForExit(timeoutMs))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"'{string.Join(' ', words)}' did not end in {timeoutMs} ms");
        }

        string text = output.Result;
        return process.ExitCode == 0
            ? text
            : throw new InvalidOperationException($"'{string.Join(' ', words)}' ended {process.ExitCode}: {errors.Result}{text}");
    }

    /// <summary>Starts a program; the caller ends and disposes it.</summary>
    public static Process Start(params string[] words)
    {
        ProcessStartInfo info = new(words[0])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (string word in words[1..]) info.ArgumentList.Add(word);
        return Process.Start(info) ?? throw new InvalidOperationException($"cannot start {words[0]}");
    }

    /// <summary>Waits until something is so, looking every few milliseconds; fails with the name of what did not happen.</summary>
    public static void WaitUntil(string what, Func<bool> condition, int timeoutMs = 5_000)
    {
        long end = Environment.TickCount64 + timeoutMs;
        while (!condition())
        {
            if (Environment.TickCount64 > end) throw new TimeoutException($"did not happen within {timeoutMs} ms: {what}");
            Thread.Sleep(5);
        }
    }
}
