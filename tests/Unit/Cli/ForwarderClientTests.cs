using PersonalVpn.Cli;
using PersonalVpn.Cli.Local;
using PersonalVpn.Linux;
using PersonalVpn.Tunnel.Local;
using PersonalVpn.Unit.UserAuthTests;
using Xunit;

namespace PersonalVpn.Unit.CliTests;

/// <summary>Answers of a forwarder that is not as it should be.</summary>
public sealed class ForwarderClientTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    /// <summary>Descriptors that come with an answer which is not used are closed.</summary>
    [Theory]
    [InlineData("nonsense")]
    [InlineData("""{"code":"Denied","error":"no"}""")]
    [InlineData("too long")]
    public async Task Descriptors_of_a_bad_answer_do_not_stay_open(string answer)
    {
        string marker = _directory.Write("marker", "");
        using LinuxSocket listener = LinuxSocket.ListenUnix(_directory["s"], 0b110_000_000);
        Task server = Task.Run(() =>
        {
            using LinuxSocket peer = listener.Accept(out _)!;
            peer.Receive(new byte[ForwarderProtocol.MaxMessage]);
            using var file = File.OpenHandle(marker);
            int fd = (int)file.DangerousGetHandle();
            byte[] message = answer == "too long" ? new byte[ForwarderProtocol.MaxMessage + 1] : System.Text.Encoding.UTF8.GetBytes(answer);
            peer.SendWithFds(message, [fd, fd]);
        });
        using ForwarderClient client = ForwarderClient.Connect(_directory["s"]);
        Exception? e = Record.Exception(() => client.Ask(new ForwarderRequest { Operation = ForwarderOperation.Open }, -1, out _));
        Assert.True(e is UserError or ForwarderRefusedException, $"{e}");
        await server;
        Assert.DoesNotContain(marker, Directory.GetFileSystemEntries("/proc/self/fd").Select(p => new FileInfo(p).LinkTarget));
    }
}
