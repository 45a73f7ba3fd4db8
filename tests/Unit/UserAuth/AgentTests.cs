using System.Diagnostics;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using PersonalVpn.UserAuth;
using Xunit;

namespace PersonalVpn.Unit.UserAuthTests;

[Collection(KeyCollection.Name)]
public sealed class AgentTests(KeyFixture keys)
{
    private static readonly byte[] Data = "challenge"u8.ToArray();

    [Fact]
    public void Lists_and_signs_with_a_real_agent()
    {
        using var directory = new TempDirectory();
        string socket = directory["agent"];
        string output = Tool.Run("ssh-agent", "-s", "-a", socket);
        int pid = int.Parse(Regex.Match(output, @"SSH_AGENT_PID=(\d+)").Groups[1].Value);
        try
        {
            var environment = new Dictionary<string, string> { [AgentClient.SocketVariable] = socket };
            foreach (string name in (string[])["rsa2048", "ecdsa256", "ecdsa384", "ecdsa521", "ed25519", "rsa4096", "rsa1024"])
            {
                Tool.Run("ssh-add", environment, "-q", keys[name]);
            }
            var agent = new AgentClient(socket);
            Assert.True(agent.TryListIdentities(out IReadOnlyList<IUserIdentity> identities, out IReadOnlyList<string> leftOut,
                out string error), error);
            Assert.Equal(
                ["rsa2048", "ecdsa256", "ecdsa384", "ecdsa521", "ed25519", "rsa4096"],
                identities.Select(i => new[] { "rsa2048", "ecdsa256", "ecdsa384", "ecdsa521", "ed25519",
                    "rsa4096" }.Single(n => keys.Public(n).Equals(i.PublicKey))));
            Assert.Single(leftOut);
            foreach (IUserIdentity identity in identities)
            {
                Assert.Equal("agent: test", identity.Description);
                Assert.True(identity.TrySign(Data, out string algorithm, out byte[] signature, out error), error);
                Assert.Equal(identity.PublicKey.Algorithm == KeyTypes.Rsa ? KeyTypes.RsaSha512 : identity.PublicKey.Algorithm, algorithm);
                Assert.True(identity.PublicKey.Verify(algorithm, Data, signature));
            }
            Tool.Run("ssh-add", environment, "-q", "-D");
            Assert.False(identities[0].TrySign(Data, out _, out _, out error));
            Assert.Contains("ssh-add -l", error, StringComparison.Ordinal);
        }
        finally
        {
            using Process process = Process.GetProcessById(pid);
            process.Kill();
            process.WaitForExit(5000);
        }
    }

    [Fact]
    public void An_agent_that_is_not_there_is_told()
    {
        using var directory = new TempDirectory();
        Assert.False(new AgentClient(directory["none"]).TryListIdentities(out _, out string error));
        Assert.Contains(directory["none"], error, StringComparison.Ordinal);
        Assert.False(new AgentClient("/" + new string('x', 200)).TryListIdentities(out _, out error));
        Assert.Contains("too long", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("00000000")] // empty message
    [InlineData("7fffffff0c")] // longer than any agent may send
    [InlineData("0000000105")] // failure
    [InlineData("000000050cffffffff")] // more keys than bytes
    [InlineData("000000050c00000001")] // a key is promised
    [InlineData("000000090c00000001ffffffff")]
    [InlineData("0000")] // closes early
    [InlineData("0000000106")]
    public async Task A_malformed_agent_ends_in_one_line(string hex)
    {
        using var directory = new TempDirectory();
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(directory["agent"]));
        listener.Listen();
        Task server = Task.Run(() =>
        {
            using Socket peer = listener.Accept();
            byte[] request = new byte[5];
            peer.Receive(request);
            peer.Send(Convert.FromHexString(hex));
        });
        Assert.False(new AgentClient(directory["agent"]).TryListIdentities(out _, out string error));
        Assert.Contains(directory["agent"], error, StringComparison.Ordinal);
        await server.WaitAsync(TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task A_signature_made_with_sha1_is_not_taken()
    {
        using var directory = new TempDirectory();
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(directory["agent"]));
        listener.Listen();
        byte[] answer = [14, 0, 0, 0, 16, 0, 0, 0, 7, .. "ssh-rsa"u8, 0, 0, 0, 1, 1];
        Task server = Task.Run(() =>
        {
            for (int i = 0; i < 2; i++) // SHA-512, then SHA-256 is tried
            {
                using Socket peer = listener.Accept();
                byte[] request = new byte[4096];
                peer.Receive(request);
                peer.Send([0, 0, 0, (byte)answer.Length, .. answer]);
            }
        });
        Assert.False(new AgentClient(directory["agent"]).TrySign(keys.Public("rsa2048"), Data, out _, out byte[] signature,
            out string error));
        Assert.Contains("ssh-rsa", error, StringComparison.Ordinal);
        Assert.Empty(signature);
        await server.WaitAsync(TimeSpan.FromSeconds(5));
    }
}
