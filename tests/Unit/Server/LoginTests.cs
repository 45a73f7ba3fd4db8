using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging.Abstractions;
using PersonalVpn.Server;
using PersonalVpn.Server.Configuration;
using PersonalVpn.Server.Resume;
using PersonalVpn.Server.Sessions;
using PersonalVpn.Tunnel.Protocol;
using PersonalVpn.Tunnel.Tls;
using PersonalVpn.Unit.Support;
using PersonalVpn.UserAuth;
using Xunit;

namespace PersonalVpn.Unit.ServerTests;

/// <summary>A login whose client goes away at the worst moment.</summary>
public sealed class LoginTests : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly string _directory = Directory.CreateTempSubdirectory("pvpn-login-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task A_client_that_goes_before_it_is_answered_keeps_no_lease()
    {
        string keys = Path.Combine(_directory, "alice");
        await File.WriteAllTextAsync(keys, AuthorizedKeyLines.Key + "\n");
        File.SetUnixFileMode(keys, OwnerOnly);
        using HostKey hostKey = HostKey.Load(Path.Combine(_directory, "host_key.pem"), null);
        ServerConfig config = new ServerConfigReader().Build(ConfigText.Lines());
        using var registry = new SessionRegistry(config, LeaseBook.InMemory(new byte[32], NullLogger.Instance), []);
        var server = new ServerContext(config, hostKey, new UserAuthenticator(Path.Combine(_directory, "%u"), strictModes: false), registry, "", NullLogger.Instance);
        Lease lease = registry.Begin("alice", AuthorizedKeyLines.PublicKey, 1);
        IReadOnlyList<ResumptionTicket> tickets = registry.Issue(lease);
        registry.Abandon(lease, 1, over: false);

        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var client = new TcpClient();
        await client.ConnectAsync((IPEndPoint)listener.LocalEndpoint);
        using TcpClient accepted = await listener.AcceptTcpClientAsync();
        var wire = new Breakable(accepted.GetStream());
        await using var far = new SslStream(wire);
        await using var near = new SslStream(client.GetStream());
        var certificate = new ServerCertificateObserver();
        await Task.WhenAll(far.AuthenticateAsServerAsync(TlsSettings.Server(hostKey.TlsContext)), near.AuthenticateAsClientAsync(TlsSettings.Client("localhost", certificate)));
        Task<LoggedIn> login = Login.RunAsync(new ControlChannel(far, new FrameBuffer()), server, 2, IPAddress.Loopback, (_, why) => Assert.Fail(why), CancellationToken.None);

        var control = new ControlChannel(near, new FrameBuffer());
        byte[] nonce = RandomNumberGenerator.GetBytes(ProtocolConstants.NonceSize);
        await control.SendAsync(new HelloMessage(ProtocolConstants.Version, ProtocolConstants.Version, "alice", nonce, "test").Encode(), default);
        HelloReplyMessage reply = HelloReplyMessage.Decode((await control.ReceiveAsync(FrameType.HelloReply, default)).Body);
        wire.IsBroken = true;
        byte[] proof = ResumptionTicket.Prove(tickets[0].Secret, (byte)reply.Version, reply.Nonce, nonce, hostKey.CertificateHash, "alice");
        await control.SendAsync(new ResumeMessage(tickets[0].Sealed, proof).Encode(), default);

        await Assert.ThrowsAsync<IOException>(() => login.WaitAsync(TimeSpan.FromSeconds(10)));
        // Its time runs: addresses that nobody comes back for are given to others.
        Assert.Equal(0, lease.Holder);
        Assert.NotNull(lease.EndedAt);
    }

    /// <summary>A connection that takes nothing any more.</summary>
    private sealed class Breakable(NetworkStream inner) : Stream
    {
        public bool IsBroken { get; set; }

        public override bool CanRead => true;
        public override bool CanWrite => true;
        public override bool CanSeek => false;
        public override long Length => throw new NotSupportedException();
        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count) => inner.Read(buffer, offset, count);
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => inner.ReadAsync(buffer, cancellationToken);
        public override void Write(byte[] buffer, int offset, int count)
        {
            if (IsBroken) throw new IOException("broken pipe");
            inner.Write(buffer, offset, count);
        }
        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            IsBroken ? throw new IOException("broken pipe") : inner.WriteAsync(buffer, cancellationToken);
        public override void Flush() => inner.Flush();
        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
