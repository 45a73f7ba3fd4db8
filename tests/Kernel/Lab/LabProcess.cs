using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace PersonalVpn.Kernel.Lab;

/// <summary>What a finished command said.</summary>
/// <param name="ExitCode">Its exit status; 128 + signal when it was killed.</param>
/// <param name="Output">All of stdout.</param>
/// <param name="Error">All of stderr.</param>
public sealed record CommandResult(int ExitCode, string Output, string Error)
{
    /// <summary>The lines of stderr that are not empty.</summary>
    public string[] ErrorLines => Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Fails the test with everything the command said unless it ended with 0.</summary>
    public CommandResult Succeeded()
    {
        Assert.True(ExitCode == 0, $"exit status {ExitCode}\nstdout: {Output}\nstderr: {Error}");
        return this;
    }
}

/// <summary>
/// A program running in the lab. Its pid is recorded where Scripts/lab.sh looks, so that `lab.sh down` finds it
/// even when the test run itself was killed.
/// </summary>
public sealed class LabProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _output = new();
    private readonly StringBuilder _error = new();
    private readonly string _pidFile;
    private readonly TaskCompletionSource _outputEnd = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _errorEnd = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private bool _disposed;

    private LabProcess(Process process, string name, string pidFile)
    {
        _process = process;
        Id = process.Id;
        Name = name;
        _pidFile = pidFile;
    }

    /// <summary>The name given at the start, for messages.</summary>
    public string Name { get; }

    /// <summary>The program's own pid: the wrappers that enter the namespace replace themselves.</summary>
    public int Id { get; }

    /// <summary>True once nobody, no child left behind either, holds the program's stdout and stderr.</summary>
    public bool OutputIsClosed => _outputEnd.Task.IsCompleted && _errorEnd.Task.IsCompleted;

    /// <summary>True once the program has ended.</summary>
    public bool HasExited => _disposed || _process.HasExited;

    /// <summary>Stdout so far.</summary>
    public string Output { get { lock (_output) return _output.ToString(); } }

    /// <summary>Stderr so far.</summary>
    public string Error { get { lock (_error) return _error.ToString(); } }

    /// <summary>Starts a command in a node of the lab or as one of its users.</summary>
    /// <param name="lab">The lab.</param>
    /// <param name="name">For messages and the pid file.</param>
    /// <param name="who">host, gw, inner, alice, bob or carol.</param>
    /// <param name="command">Program and arguments.</param>
    public static LabProcess Start(LabFixture lab, string name, string who, params IEnumerable<string> command)
    {
        var start = new ProcessStartInfo(LabFixture.EnterScript)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            UseShellExecute = false,
        };
        start.Environment["LAB_STATE"] = lab.State;
        start.ArgumentList.Add(who);
        foreach (string argument in command)
            start.ArgumentList.Add(argument);
        var process = new Process { StartInfo = start };
        string pidFile = Path.Combine(lab.State, "pids", $"test-{name}-{Guid.NewGuid():N}");
        process.Start();
        var running = new LabProcess(process, name, pidFile);
        process.OutputDataReceived += (_, e) => Append(running._output, e.Data, running._outputEnd);
        process.ErrorDataReceived += (_, e) => Append(running._error, e.Data, running._errorEnd);
        process.StandardInput.Close();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        File.WriteAllText(pidFile, string.Create(CultureInfo.InvariantCulture, $"{process.Id} {StartTime(process.Id)}\n"));
        return running;
    }

    /// <summary>Waits until stderr has a line that starts with <paramref name="prefix"/> and returns that line.</summary>
    public Task<string> ErrorLineAsync(string prefix, double seconds = 15) =>
        LineAsync(() => Error, line => line.StartsWith(prefix, StringComparison.Ordinal), prefix, seconds);

    /// <summary>Waits until stderr has a line that contains <paramref name="text"/> and returns that line.</summary>
    public Task<string> ErrorLineContainingAsync(string text, double seconds = 15) =>
        LineAsync(() => Error, line => line.Contains(text, StringComparison.Ordinal), text, seconds);

    /// <summary>Sends a signal by name: TERM, INT, KILL, STOP.</summary>
    public void Signal(string name)
    {
        if (!HasExited)
            Kill(name);
    }

    /// <summary>Waits for the end and returns everything said. Fails the test when it does not end in time.</summary>
    public async Task<CommandResult> ExitAsync(double seconds = 15)
    {
        Assert.True(await EndsAsync(seconds), $"{Name} did not end within {seconds} s\nstdout: {Output}\nstderr: {Error}");
        // A child left behind may hold the pipes open; its output is not waited for for ever.
        await Task.WhenAny(Task.WhenAll(_outputEnd.Task, _errorEnd.Task), Task.Delay(1000));
        return new CommandResult(_process.ExitCode, Output, Error);
    }

    /// <summary>Ends the program: SIGTERM, and SIGKILL when it has not ended within five seconds.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_disposed)
            return;
        _disposed = true;
        if (!_process.HasExited)
        {
            Kill("TERM");
            if (!await EndsAsync(5))
            {
                Kill("KILL");
                await EndsAsync(5);
            }
        }
        File.Delete(_pidFile);
        _process.Dispose();
    }

    // Process.WaitForExitAsync also waits for the end of the pipes, which a background child may keep.
    private async Task<bool> EndsAsync(double seconds)
    {
        for (var watch = Stopwatch.StartNew(); !_process.HasExited; await Task.Delay(2))
        {
            if (watch.Elapsed.TotalSeconds > seconds)
                return false;
        }
        return true;
    }

    private void Kill(string name)
    {
        using Process kill = Process.Start("kill", [$"-{name}", Id.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    private async Task<string> LineAsync(Func<string> text, Func<string, bool> wanted, string what, double seconds)
    {
        var watch = Stopwatch.StartNew();
        while (true)
        {
            bool ended = _process.HasExited && _errorEnd.Task.IsCompleted;
            string? line = text().Split('\n').FirstOrDefault(wanted);
            if (line is not null)
                return line;
            if (ended || watch.Elapsed.TotalSeconds > seconds)
            {
                string state = ended ? $"ended with {_process.ExitCode}" : "is still running";
                Assert.Fail($"{Name} ({state}) never said '{what}' within {seconds} s\nstdout: {Output}\nstderr: {Error}");
            }
            await Task.Delay(5);
        }
    }

    private static void Append(StringBuilder to, string? line, TaskCompletionSource end)
    {
        if (line is null)
        {
            end.TrySetResult();
            return;
        }
        lock (to)
            to.Append(line).Append('\n');
    }

    // Field 22 of proc(5) /proc/PID/stat; counted from behind the command name, which may hold spaces.
    private static string StartTime(int pid)
    {
        try
        {
            string stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/stat"));
            return stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[19];
        }
        catch (IOException)
        {
            return "0"; // it has ended already: no process will ever match
        }
    }
}
