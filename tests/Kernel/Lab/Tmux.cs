namespace PersonalVpn.Kernel.Lab;

/// <summary>A terminal of 80 columns and 24 lines that a test types into and reads: a tmux session of one of the lab's users.</summary>
public sealed class Tmux : IAsyncDisposable
{
    private readonly LabFixture _lab;
    private readonly string _user, _socket;

    private Tmux(LabFixture lab, string user, string socket) => (_lab, _user, _socket) = (lab, user, socket);

    /// <summary>Opens it with a shell that prompts with "$ ".</summary>
    public static async Task<Tmux> OpenAsync(LabFixture lab, string user, params string[] environment)
    {
        var tmux = new Tmux(lab, user, $"{lab.State}/home/{user}/tmux-{Guid.NewGuid():N}");
        (await tmux.RunAsync(["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", .. environment.SelectMany(e => new[] { "-e", e }), "-e", "PS1=$ ", "/bin/sh"])).Succeeded();
        await tmux.SeesAsync("$");
        return tmux;
    }

    /// <summary>Types a line and Enter.</summary>
    public async Task TypeAsync(string line)
    {
        (await RunAsync(["send-keys", "-l", line])).Succeeded();
        await PressAsync("Enter");
    }

    /// <summary>Presses a key by tmux's name for it: C-c, C-z, Enter.</summary>
    public async Task PressAsync(string key) => (await RunAsync(["send-keys", key])).Succeeded();

    /// <summary>What stands on the screen.</summary>
    public async Task<string> ScreenAsync() => (await RunAsync(["capture-pane", "-p"])).Succeeded().Output;

    /// <summary>Waits until a text stands on the screen, and returns all of it.</summary>
    public Task<string> SeesAsync(string text, double seconds = 10) => SeesAsync(s => s.Contains(text, StringComparison.Ordinal), $"'{text}'", seconds);

    /// <summary>Waits until the screen is as wanted, and returns it.</summary>
    public async Task<string> SeesAsync(Func<string, bool> wanted, string what, double seconds = 10)
    {
        var end = DateTime.UtcNow.AddSeconds(seconds);
        while (true)
        {
            string screen = await ScreenAsync();
            if (wanted(screen)) return screen;
            Assert.True(DateTime.UtcNow < end, $"not on the screen within {seconds} s: {what}\n{screen}");
            await Task.Delay(30);
        }
    }

    /// <summary>Closes the window: the terminal hangs up.</summary>
    public ValueTask DisposeAsync() => new(RunAsync(["kill-server"]));

    private Task<CommandResult> RunAsync(IEnumerable<string> arguments) => _lab.RunAsync(_user, ["tmux", "-S", _socket, .. arguments]);
}
