using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Kernel.UserAuthTests;

/// <summary>
/// Sockets of several real users in one namespace, seen through /proc/PID/net:
/// <code>
/// own network namespace: lo 127.0.0.1, 10.77.0.1, 10.77.0.2, ::1     users 61001 and 61002 (no accounts needed)
/// </code>
/// </summary>
public sealed class ProcfsOwnerTests : IDisposable
{
    private const byte Tcp = 6, Udp = 17, Icmp = 1;
    private const uint Alice = 61001, Bob = 61002;
    private readonly string _namespace = $"pvown-{Environment.ProcessId}-{Guid.NewGuid():N}"[..24];
    private readonly List<Process> _processes = [];

    public ProcfsOwnerTests()
    {
        Run("ip", "netns", "add", _namespace);
        Run("ip", "-n", _namespace, "link", "set", "lo", "up");
        Run("ip", "-n", _namespace, "addr", "add", "10.77.0.1/32", "dev", "lo");
        Run("ip", "-n", _namespace, "addr", "add", "10.77.0.2/32", "dev", "lo");
    }

    public void Dispose()
    {
        foreach (Process process in _processes)
        {
            process.Kill();
            process.WaitForExit();
            process.Dispose();
        }
        Run("ip", "netns", "del", _namespace);
    }

    [Fact]
    public void One_users_udp_socket_is_hers_and_a_shared_port_is_nobodys()
    {
        ProcfsEvidence evidence = Start(Alice, "s=socket(AF_INET,SOCK_DGRAM); s.setsockopt(SOL_SOCKET,SO_REUSEADDR,1); s.bind(('10.77.0.1',5000)); s.connect(('10.77.0.2',80))");
        Assert.True(evidence.Lookup(Tuple(Udp, 5000, 80)).IsOwnedBy(Alice));
        Start(Bob, "s=socket(AF_INET,SOCK_DGRAM); s.setsockopt(SOL_SOCKET,SO_REUSEADDR,1); s.bind(('10.77.0.1',5000)); s.connect(('10.77.0.2',81))");
        Assert.Equal(OwnerVerdict.Ambiguous, evidence.Lookup(Tuple(Udp, 5000, 80)).Verdict);
    }

    [Fact]
    public void The_same_port_on_two_addresses_belongs_to_two_users()
    {
        ProcfsEvidence evidence = Start(Alice, "s=socket(AF_INET,SOCK_DGRAM); s.bind(('10.77.0.1',5000))");
        Start(Bob, "s=socket(AF_INET,SOCK_DGRAM); s.bind(('10.77.0.2',5000))");
        Assert.True(evidence.Lookup(Tuple(Udp, 5000, 80)).IsOwnedBy(Alice));
        Assert.True(evidence.Lookup(Tuple(Udp, 5000, 80) with { LocalAddress = 0x0A4D0002 }).IsOwnedBy(Bob));
    }

    [Fact]
    public void Both_ends_of_a_connection_have_their_own_owner_and_a_dual_stack_listener_is_found()
    {
        ProcfsEvidence evidence = Start(Bob, "s=socket(AF_INET6,SOCK_STREAM); s.setsockopt(IPPROTO_IPV6,IPV6_V6ONLY,0); s.bind(('::',8000)); s.listen()", "c,_=s.accept()");
        Start(Alice, "s=socket(AF_INET,SOCK_STREAM); s.bind(('10.77.0.1',5000)); s.connect(('10.77.0.2',8000))");
        Assert.True(evidence.Lookup(Tuple(Tcp, 5000, 8000)).IsOwnedBy(Alice));
        SocketTuple other = new(Tcp, false, 0x0A4D0002, 8000, 0x0A4D0001, 5000);
        Poll(() => evidence.Lookup(other).IsOwnedBy(Bob)); // until it is accepted it is nobody's
    }

    [Fact]
    public void Ping_sockets_and_raw_sockets_are_told_apart()
    {
        Run("ip", "netns", "exec", _namespace, "sysctl", "-qw", "net.ipv4.ping_group_range=0 2147483647");
        ProcfsEvidence evidence = Start(Alice, "s=socket(AF_INET,SOCK_DGRAM,IPPROTO_ICMP); s.bind(('10.77.0.1',777))");
        Start(0, "s=socket(AF_INET,SOCK_RAW,IPPROTO_ICMP)");
        Start(0, "s=socket(AF_INET,SOCK_RAW,IPPROTO_RAW)");
        Assert.True(evidence.Lookup(Tuple(Icmp, 777, 0)).IsOwnedBy(Alice));
        Assert.True(evidence.Lookup(Tuple(Icmp, 778, 0)).IsOwnedBy(0));
        Assert.True(evidence.Lookup(Tuple(47, 0, 0)).IsOwnedBy(0));
    }

    [Fact]
    public void A_thread_in_another_namespace_sees_its_own_tables()
    {
        using var outside = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        outside.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        SocketTuple tuple = SocketTuple.From(Udp, (IPEndPoint)outside.LocalEndPoint!, new IPEndPoint(IPAddress.Loopback, 9));
        var evidence = new ProcfsEvidence();
        Assert.True(evidence.Lookup(tuple).IsOwnedBy(0));
        OwnerVerdict? moved = null;
        OwnerVerdict? process = null;
        var thread = new Thread(() =>
        {
            const int CloneNewNet = 0x40000000;
            if (Unshare(CloneNewNet) == 0)
            {
                moved = evidence.Lookup(tuple).Verdict;
                process = new ProcfsEvidence("/proc/self/net").Lookup(tuple).Verdict;
            }
        });
        thread.Start();
        thread.Join();
        Assert.Equal(OwnerVerdict.NotFound, moved);
        Assert.Equal(OwnerVerdict.Owner, process); // the main thread's namespace: not what a moved thread may ask
    }

    [DllImport("libc", EntryPoint = "unshare", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Unshare(int flags);

    private static SocketTuple Tuple(byte protocol, ushort localPort, ushort remotePort) =>
        new(protocol, false, 0x0A4D0001, localPort, 0x0A4D0002, remotePort);

    private static void Poll(Func<bool> condition)
    {
        for (int i = 0; i < 200; i++)
        {
            if (condition())
            {
                return;
            }
            Thread.Sleep(10);
        }
        Assert.Fail("did not come true within 2 s");
    }

    private static void Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{program} {string.Join(' ', arguments)}: {error}");
    }

    /// <summary>Opens sockets as a user, waits until they are open, and leaves the process behind for the test's end.</summary>
    private ProcfsEvidence Start(uint uid, string code, string after = "")
    {
        Process process = Process.Start(new ProcessStartInfo(
            "ip",
            ["netns", "exec", _namespace, "setpriv", "--reuid", $"{uid}", "--regid", $"{uid}", "--clear-groups",
                "/usr/bin/python3", "-c", $"from socket import *\nimport time\n{code}\nprint('ready',flush=True)\n{after}\ntime.sleep(60)\n"])
        {
            RedirectStandardOutput = true,
        })!;
        _processes.Add(process);
        Assert.Equal("ready", process.StandardOutput.ReadLine());
        return new ProcfsEvidence($"/proc/{process.Id}/net"); // ip and setpriv exec: it is python's id
    }
}
