using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.ExceptionServices;
using PersonalVpn.Linux;

namespace PersonalVpn.Kernel.Support;

/// <summary>
/// A network namespace of a test's own, with lo up. Code enters it on a thread of its own (setns acts on one thread): sockets,
/// netlink and TUN devices opened there belong to it for good and may be used from any thread afterwards.
/// </summary>
public sealed class NetworkNamespace : IDisposable
{
    private static readonly ConcurrentDictionary<string, bool> s_living = new();
    private static int s_count;

    // A test whose constructor fails is never disposed: what is left is removed when the process ends.
    static NetworkNamespace() => AppDomain.CurrentDomain.ProcessExit += (_, _) =>
    {
        foreach (string name in s_living.Keys) Shell.Run($"ip netns delete {name}");
    };

    private NetworkNamespace(string name) => Name = name;

    /// <summary>Its name under /run/netns, unique on the machine.</summary>
    public string Name { get; }

    /// <summary>Makes one.</summary>
    /// <param name="label">Short word that tells it apart in `ip netns`.</param>
    public static NetworkNamespace Create(string label)
    {
        string name = string.Create(
            CultureInfo.InvariantCulture, $"pvpnt-{Environment.ProcessId}-{Interlocked.Increment(ref s_count)}-{label}");
        Shell.Run($"ip netns add {name}");
        s_living[name] = true;
        NetworkNamespace made = new(name);
        made.Exec("ip link set lo up");
        return made;
    }

    /// <summary>Moves the calling thread, which must be the caller's own and end soon, into a namespace.</summary>
    public static void Enter(string name) => Namespaces.EnterNetwork($"/run/netns/{name}");

    /// <summary>Runs code in a namespace on a fresh thread and waits for it; its exception comes out here.</summary>
    public static void Run(string name, Action action)
    {
        ExceptionDispatchInfo? failure = null;
        Thread thread = new(() =>
        {
            try
            {
                Enter(name);
                action();
            }
            catch (Exception e)
            {
                failure = ExceptionDispatchInfo.Capture(e);
            }
        });
        thread.Start();
        thread.Join();
        failure?.Throw();
    }

    /// <summary>Runs code in this namespace.</summary>
    public void Run(Action action) => Run(Name, action);

    /// <summary>Makes something in this namespace: a socket, a device.</summary>
    public T Run<T>(Func<T> function)
    {
        T? result = default;
        Run(Name, () => { result = function(); });
        return result!;
    }

    /// <summary>Runs a program in this namespace (arguments separated by blanks) and returns its output.</summary>
    public string Exec(string commandLine, int timeoutMs = 30_000) => Shell.Run($"ip netns exec {Name} {commandLine}", timeoutMs);

    /// <summary>Starts a program in this namespace; the caller ends it.</summary>
    public Process Start(params string[] words) => Shell.Start(["ip", "netns", "exec", Name, .. words]);

    /// <summary>Starts a program in this namespace as another user.</summary>
    public Process StartAs(uint uid, params string[] words)
    {
        string id = uid.ToString(CultureInfo.InvariantCulture);
        return Start(["setpriv", "--reuid", id, "--regid", id, "--clear-groups", .. words]);
    }

    /// <summary>Lays a cable (veth) between two namespaces; both ends up.</summary>
    public static void Connect(NetworkNamespace a, string deviceA, NetworkNamespace b, string deviceB)
    {
        Shell.Run($"ip link add {deviceA} netns {a.Name} type veth peer name {deviceB} netns {b.Name}");
        a.Exec($"ip link set {deviceA} up");
        b.Exec($"ip link set {deviceB} up");
    }

    /// <summary>Takes the name away; the kernel frees the namespace when its last socket is closed.</summary>
    public void Dispose()
    {
        if (s_living.TryRemove(Name, out _)) Shell.Run($"ip netns delete {Name}");
    }
}
