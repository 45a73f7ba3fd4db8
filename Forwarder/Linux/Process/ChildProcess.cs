using System.Collections;
using System.Runtime.InteropServices;
using System.Text;
using PersonalVpn.Linux.Abi;

namespace PersonalVpn.Linux;

/// <summary>
/// A program whose standard input and output are one end of a socket of ours, which System.Diagnostics.Process cannot give it. Its
/// standard error is ours. It shares our terminal and process group, so it may ask there (a passphrase); but the terminal's
/// Ctrl-C, Ctrl-\ and hang-up do not reach it (it starts with SIGINT, SIGQUIT and SIGHUP blocked): it ends when we say so, after
/// what it carries was brought to an end. Disposing ends it.
/// </summary>
public sealed unsafe class ChildProcess : IDisposable
{
    // Room for glibc's posix_spawn_file_actions_t, posix_spawnattr_t and sigset_t; the ABI test compares.
    private const int StructureBytes = 512;
    private const int LastWordMs = 1000;

    private readonly Lock _gate = new();
    private int? _status;

    private ChildProcess(int id) => Id = id;

    /// <summary>Its process number; nobody else's as long as this object has not seen its end.</summary>
    public int Id { get; }

    /// <summary>Starts a program.</summary>
    /// <param name="path">Absolute.</param>
    /// <param name="arguments">From argv[0] on.</param>
    /// <param name="standard">Becomes its standard input and output; stays the caller's to close.</param>
    /// <param name="outlivesStandardError">True: whoever reads our standard error will go away, and what is written then is no reason to die (SIGPIPE stays ignored).</param>
    /// <exception cref="LinuxException">It cannot be started.</exception>
    public static ChildProcess Start(string path, IReadOnlyList<string> arguments, LinuxSocket standard, bool outlivesStandardError)
    {
        ArgumentNullException.ThrowIfNull(standard);
        byte* actions = stackalloc byte[StructureBytes], attributes = stackalloc byte[StructureBytes];
        byte* blocked = stackalloc byte[StructureBytes], usual = stackalloc byte[StructureBytes];
        Must(Native.FileActionsInit(actions), "posix_spawn_file_actions_init");
        try
        {
            Must(Native.SpawnAttrInit(attributes), "posix_spawnattr_init");
            try
            {
                Must(Native.FileActionsDup2(actions, standard.Fd, 0), "posix_spawn_file_actions_adddup2");
                Must(Native.FileActionsDup2(actions, standard.Fd, 1), "posix_spawn_file_actions_adddup2");
                _ = Native.SigEmptySet(blocked);
                foreach (int signal in new[] { SignalH.SIGHUP, SignalH.SIGINT, SignalH.SIGQUIT }) _ = Native.SigAddSet(blocked, signal);
                _ = Native.SigEmptySet(usual);
                // The runtime ignores it, and what is ignored stays so in a program that is started.
                if (!outlivesStandardError) _ = Native.SigAddSet(usual, SignalH.SIGPIPE);
                Must(Native.SpawnAttrSetSigMask(attributes, blocked), "posix_spawnattr_setsigmask");
                Must(Native.SpawnAttrSetSigDefault(attributes, usual), "posix_spawnattr_setsigdefault");
                Must(Native.SpawnAttrSetFlags(attributes, SpawnH.POSIX_SPAWN_SETSIGMASK | SpawnH.POSIX_SPAWN_SETSIGDEF), "posix_spawnattr_setflags");
                return new ChildProcess(Spawn(path, actions, attributes, arguments));
            }
            finally
            {
                _ = Native.SpawnAttrDestroy(attributes);
            }
        }
        finally
        {
            _ = Native.FileActionsDestroy(actions);
        }
    }

    /// <summary>Its exit status once it has ended (128 + n when a signal n ended it), else null.</summary>
    public int? ExitStatus
    {
        get
        {
            lock (_gate)
            {
                if (_status is not null) return _status;
                int status = 0, n;
                do n = LinuxHandle.Result(Native.WaitPid(Id, &status, WaitH.WNOHANG));
                while (n == -Errno.EINTR);
                if (n == 0) return null;
                // n < 0: somebody else has taken its status; then it has ended, too.
                _status = n < 0 ? 255 : (status & 0x7f) == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f);
                return _status;
            }
        }
    }

    /// <summary>Waits for its end.</summary>
    /// <param name="timeoutMs">At most this long.</param>
    /// <returns>False when the time is up.</returns>
    public bool WaitForExit(int timeoutMs)
    {
        for (long end = Environment.TickCount64 + timeoutMs; ExitStatus is null; Thread.Sleep(5))
            if (Environment.TickCount64 >= end) return false;
        return true;
    }

    /// <summary>SIGTERM, and SIGKILL when it has not ended a second later.</summary>
    public void Dispose()
    {
        Signal(SignalH.SIGTERM);
        if (WaitForExit(LastWordMs)) return;
        Signal(SignalH.SIGKILL);
        WaitForExit(LastWordMs);
    }

    private void Signal(int signal)
    {
        // Its number is its own until its status has been taken, which happens under the same lock.
        lock (_gate)
            if (_status is null) _ = Native.Kill(Id, signal);
    }

    private static int Spawn(string path, byte* actions, byte* attributes, IReadOnlyList<string> arguments)
    {
        IEnumerable<string> environment = Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().Select(v => $"{v.Key}={v.Value}");
        using var argv = new TextArray(arguments);
        using var envp = new TextArray(environment);
        int pid;
        fixed (byte* program = Encoding.UTF8.GetBytes(path + "\0"))
            Must(Native.PosixSpawn(&pid, program, actions, attributes, argv.Pointers, envp.Pointers), $"start {path}");
        return pid;
    }

    private static void Must(int error, string operation)
    {
        if (error != 0) throw new LinuxException(operation, error);
    }

    // char *const[] with its end.
    private sealed class TextArray : IDisposable
    {
        private readonly int _count;

        public TextArray(IEnumerable<string> texts)
        {
            string[] all = [.. texts];
            _count = all.Length;
            Pointers = (byte**)NativeMemory.AllocZeroed((nuint)(_count + 1), (nuint)sizeof(byte*));
            for (int i = 0; i < _count; i++) Pointers[i] = (byte*)Marshal.StringToCoTaskMemUTF8(all[i]);
        }

        public byte** Pointers { get; }

        public void Dispose()
        {
            for (int i = 0; i < _count; i++) Marshal.FreeCoTaskMem((nint)Pointers[i]);
            NativeMemory.Free(Pointers);
        }
    }
}
