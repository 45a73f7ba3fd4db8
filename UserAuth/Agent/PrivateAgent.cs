using System.ComponentModel;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using Mono.Unix.Native;

namespace PersonalVpn.UserAuth;

/// <summary>
/// An ssh-agent of this process's own, for keys that only OpenSSH can decrypt (its passphrases go through bcrypt_pbkdf, which no
/// library at hand has). ssh-add asks the user for the passphrase itself: neither it nor the key ever comes into this process.
/// </summary>
/// <remarks>
/// <code>
/// pvpn ──pipe──► sh: waits for the pipe's end, then kill AGENT
///                 └─ parent of ssh-agent, which made a directory of mode 0700 with its socket and takes both away at its end
/// </code>
/// However this process ends, SIGKILL included, the kernel closes the pipe, and the agent ends with everything that was its own.
/// Should the shell be killed as well, the agent sees within ten seconds that its parent is gone.
/// </remarks>
public sealed class PrivateAgent : IDisposable
{
    // Ctrl-C at a terminal goes to the shell and its cat, too; they end by the pipe alone, in order.
    private const string Script = "trap '' INT QUIT TSTP; echo \"$SSH_AUTH_SOCK\"; cat >/dev/null; kill \"$SSH_AGENT_PID\"";

    private const string AskpassRequire = "SSH_ASKPASS_REQUIRE";

    /// <summary>An SSH_ASKPASS that answers wrongly is asked by ssh-add again and again, without end.</summary>
    private static readonly TimeSpan UnattendedLimit = TimeSpan.FromMinutes(2);

    private readonly Process _keeper;
    private readonly string _socket;

    private PrivateAgent(Process keeper, string socket)
    {
        _keeper = keeper;
        _socket = socket;
    }

    /// <summary>Starts an agent, has ssh-add load one key, and hands the key out; the agent ends with the identity.</summary>
    /// <param name="path">The key's file, which the caller has judged.</param>
    /// <param name="terminal">Whether a person at a terminal can be asked; else the wait is bounded.</param>
    /// <param name="identity">The key; dispose it.</param>
    /// <param name="error">One line that says what is wrong and what to do.</param>
    /// <param name="environment">Variables for OpenSSH's programs beside this process's own.</param>
    public static bool TryLoad(
        string path, bool terminal, [NotNullWhen(true)] out IUserIdentity? identity, out string error,
        IReadOnlyDictionary<string, string>? environment = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        identity = null;
        PrivateAgent? agent = null;
        try
        {
            if (!TryStart(environment, out agent, out error) || !agent.TryAdd(Path.GetFullPath(path), terminal, environment, out error))
            {
                return false;
            }
            if (!new AgentClient(agent._socket).TryListIdentities(out IReadOnlyList<IUserIdentity> keys, out IReadOnlyList<string> leftOut, out error))
            {
                return false;
            }
            if (keys.Count == 0)
            {
                error = $"key '{path}': {(leftOut.Count > 0 ? leftOut[0] : "ssh-add loaded nothing")}";
                return false;
            }
            identity = new OwningIdentity(keys[0], path, agent);
            agent = null;
            return true;
        }
        finally
        {
            agent?.Dispose();
        }
    }

    /// <summary>Ends the agent and waits until it is gone.</summary>
    public void Dispose()
    {
        _keeper.StandardInput.Close();
        _keeper.WaitForExit();
        _keeper.Dispose();
        // ssh-agent takes its socket away when the signal reaches it, a moment after the shell has sent it.
        for (int i = 0; i < 100 && File.Exists(_socket); i++)
        {
            Thread.Sleep(10);
        }
    }

    private static bool TryStart(
        IReadOnlyDictionary<string, string>? environment, [NotNullWhen(true)] out PrivateAgent? agent, out string error)
    {
        agent = null;
        var start = new ProcessStartInfo(InPath("ssh-agent"), ["/bin/sh", "-c", Script])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        if (!TryRun(start, environment, out Process? keeper, out error))
        {
            return false;
        }
        string socket = keeper.StandardOutput.ReadLine() ?? "";
        if (socket.Length > 0)
        {
            agent = new PrivateAgent(keeper, socket);
            return true;
        }
        keeper.StandardInput.Close();
        error = $"ssh-agent could not be started: {LastLine(keeper.StandardError.ReadToEnd())}";
        keeper.WaitForExit();
        keeper.Dispose();
        return false;
    }

    private bool TryAdd(string path, bool terminal, IReadOnlyDictionary<string, string>? environment, out string error)
    {
        var start = new ProcessStartInfo(InPath("ssh-add"), ["-q", "--", path])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment[AgentClient.SocketVariable] = _socket;
        // A stdin that is no terminal makes ssh-add ask the program that SSH_ASKPASS names; at a terminal ssh asks there.
        if (terminal && Environment.GetEnvironmentVariable(AskpassRequire)?.ToLowerInvariant() is not ("force" or "prefer"))
        {
            start.Environment[AskpassRequire] = "never";
        }
        if (!TryRun(start, environment, out Process? add, out error))
        {
            return false;
        }
        using (add)
        {
            // Our stdin belongs to the command: without a terminal ssh-add would take a line of it for the passphrase.
            add.StandardInput.Close();
            // Its questions go to /dev/tty; what it says on stderr is for the one line below.
            Task<string> said = add.StandardError.ReadToEndAsync();
            Task<string> output = add.StandardOutput.ReadToEndAsync();
            if (!add.WaitForExit(terminal ? Timeout.InfiniteTimeSpan : UnattendedLimit))
            {
                add.Kill(entireProcessTree: true);
                add.WaitForExit();
                error = $"key '{path}': ssh-add had no right passphrase after {UnattendedLimit.TotalMinutes:0} minutes; what does SSH_ASKPASS answer?";
                return false;
            }
            Task.WaitAll(said, output);
            if (add.ExitCode == 0)
            {
                return true;
            }
            string line = LastLine(said.Result);
            error = $"key '{path}' is encrypted and was not decrypted: {(line.Length > 0 ? "ssh-add says: " + line : "no passphrase was given")}"
                + $"; run pvpn at a terminal, set SSH_ASKPASS, or load it into your agent: ssh-add '{path}'";
            return false;
        }
    }

    private static bool TryRun(
        ProcessStartInfo start, IReadOnlyDictionary<string, string>? environment, [NotNullWhen(true)] out Process? process, out string error)
    {
        process = null;
        foreach ((string name, string value) in environment ?? new Dictionary<string, string>())
        {
            start.Environment[name] = value;
        }
        try
        {
            process = Process.Start(start);
            error = $"{start.FileName} could not be started";
            return process is not null;
        }
        catch (Win32Exception)
        {
            error = $"{Path.GetFileName(start.FileName)} is needed for a key with a passphrase in OpenSSH's format and cannot be run: apt install openssh-client"
                + " (or convert the key: ssh-keygen -p -m PKCS8 -f KEY)";
            return false;
        }
    }

    // By PATH alone: given a bare name, the class library would first take a file of the working directory, which may be anybody's.
    private static string InPath(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "/usr/bin:/bin").Split(':').Where(d => d.StartsWith('/'))
            .Select(d => Path.Combine(d, program)).FirstOrDefault(p => File.Exists(p) && Syscall.access(p, AccessModes.X_OK) == 0)
        ?? "/dev/null/" + program; // not to be found

    private static string LastLine(string text) => KeyPolicy.Printable(text.Trim().Split('\n')[^1].Trim(), 200);

    private sealed class OwningIdentity(IUserIdentity inner, string path, PrivateAgent agent) : IUserIdentity
    {
        public PublicKey PublicKey => inner.PublicKey;

        public string Description => path;

        public bool TrySign(ReadOnlySpan<byte> data, out string algorithm, out byte[] signature, out string error) =>
            inner.TrySign(data, out algorithm, out signature, out error);

        public void Dispose()
        {
            inner.Dispose();
            agent.Dispose();
        }
    }
}
