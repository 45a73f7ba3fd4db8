using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using PersonalVpn.Cli.Connect.Dial;
using PersonalVpn.Linux;
using Xunit;

namespace PersonalVpn.Unit.CliTests.Dial;

/// <summary>Programs that carry the connection: real ones.</summary>
public sealed class ProxyCommandTests
{
    [Fact]
    public void Its_standard_input_and_output_are_the_connection()
    {
        using ProxyCommand command = ProxyCommand.Start("cat", outlivesStandardError: false);
        command.Socket.Send("there and back"u8);
        Assert.Equal("there and back", Receive(command.Socket, 14));
        Assert.Null(command.Trouble);
    }

    [Fact]
    public void It_is_the_shells_text_and_takes_the_shells_place()
    {
        // exec: the first word's process is ours; SIGINT, SIGQUIT and SIGHUP do not reach it.
        using ProxyCommand command = ProxyCommand.Start("sh -c 'echo $PPID; grep SigIgn /proc/self/status; echo \"$0\"; cat' 'a  b'", outlivesStandardError: false);
        string said = Receive(command.Socket, 40);
        string[] lines = said.Split('\n');
        Assert.Equal(Environment.ProcessId.ToString(CultureInfo.InvariantCulture), lines[0]);
        ulong ignored = ulong.Parse(lines[1].Split('\t')[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        Assert.Equal(0b111ul, ignored & 0b111);
        Assert.Equal("a  b", lines[2]);
    }

    [Fact]
    public void Its_end_is_seen_and_named()
    {
        using ProxyCommand command = ProxyCommand.Start("sh -c 'exit 7'", outlivesStandardError: false);
        Assert.Equal(0, command.Socket.Receive(new byte[1]));
        Assert.StartsWith("the ProxyCommand ended with status 7 before the gateway had answered", command.Trouble, StringComparison.Ordinal);
    }

    [Fact]
    public void It_ends_with_the_connection_also_when_it_does_not_want_to()
    {
        foreach (string text in new[] { "sleep 1000", "sh -c 'trap \"\" TERM; echo; while :; do sleep 1; done'" })
        {
            ProxyCommand command = ProxyCommand.Start("sh -c 'echo $$; exec \"$@\"' x " + text, outlivesStandardError: false);
            int pid = int.Parse(Receive(command.Socket, 2).Split('\n')[0], CultureInfo.InvariantCulture);
            if (text.Contains("trap", StringComparison.Ordinal)) Receive(command.Socket, 1);
            var watch = Stopwatch.StartNew();
            command.Dispose();
            Assert.InRange(watch.ElapsedMilliseconds, 0, 2500);
            Assert.False(Directory.Exists($"/proc/{pid}"));
        }
    }

    [Fact]
    public void Nothing_but_the_connection_is_open_in_it()
    {
        using var secret = File.OpenRead("/etc/hostname");
        using ProxyCommand command = ProxyCommand.Start("sh -c 'ls -l /proc/self/fd; echo end'", outlivesStandardError: false);
        Assert.DoesNotContain("/etc/hostname", Receive(command.Socket, 10_000), StringComparison.Ordinal);
    }

    [Fact]
    public void The_sockets_of_its_children_are_found()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        int port = ((IPEndPoint)listener.LocalEndPoint!).Port;
        using LinuxSocket unrelated = LinuxSocket.CreateTcp(v6: false);
        using var child = Process.Start(new ProcessStartInfo("/bin/bash", ["-c", $"bash -c 'exec 5<>/dev/tcp/127.0.0.1/{port}; echo ready; sleep 1000'; true"]) { RedirectStandardOutput = true })!;
        try
        {
            Assert.Equal("ready", child.StandardOutput.ReadLine());
            IReadOnlyList<LinuxSocket> sockets = ProcessSockets.Take(child.Id, out string? problem);
            Assert.Null(problem);
            SocketDescription tcp = Assert.Single(sockets.Select(s => s.Describe()), d => d.IsTcp);
            Assert.True(tcp.IsConnectedTcp && !tcp.IsFreshTcp);
            Assert.Equal(port, tcp.Remote!.Port);
            foreach (LinuxSocket s in sockets) s.Dispose();
        }
        finally
        {
            child.Kill(entireProcessTree: true);
        }
    }

    private static string Receive(LinuxSocket socket, int atLeast)
    {
        var text = new StringBuilder();
        byte[] buffer = new byte[4096];
        while (text.Length < atLeast && socket.Poll(forWrite: false, 5000) && socket.Receive(buffer) is > 0 and var n) text.Append(Encoding.UTF8.GetString(buffer, 0, n));
        return text.ToString();
    }
}
