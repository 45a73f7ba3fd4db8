using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using PersonalVpn.Linux;
using PersonalVpn.Packets;
using PersonalVpn.Server;
using PersonalVpn.Server.Configuration;
using PersonalVpn.Server.Resume;
using PersonalVpn.Server.Inject;
using PersonalVpn.Server.Sessions;
using PersonalVpn.Tunnel.Protocol;
using PersonalVpn.Tunnel.Tls;
using PersonalVpn.Unit.Support;
using PersonalVpn.UserAuth;
using Xunit;

namespace PersonalVpn.Unit.ServerTests;

/// <summary>A packet through a session allocates nothing: event loop, TLS, frames, checks, and the way back.</summary>
[Collection("Allocation")]
public sealed class SessionAllocationTests : IDisposable
{
    private const int Warm = 3000, Counted = 3000;

    // What the process does besides (a timer, the test's own waiting) is far below one object per packet.
    private const double MostPerPacket = 20;

    private readonly EventLoop _loop = new();
    private readonly EventLoop _clientLoop = new();
    private readonly CountingInjector _injector = new();
    private readonly byte[] _frame = Frame(Packet.Udp("10.77.0.2", 40000, "10.99.2.2", 9, 200));
    private readonly LinuxSocket _near;
    private readonly Session _session;
    private readonly SslStream _client;

    public SessionAllocationTests()
    {
        _loop.Start("loop");
        _clientLoop.Start("client");
        using LinuxSocket listener = LinuxSocket.CreateTcp(false);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        _near = LinuxSocket.CreateTcp(false);
        _near.Connect(listener.LocalEndPoint!);
        LinuxSocket far = listener.Accept();
        _near.SetNoDelay();
        far.SetNoDelay();
        var transport = new NonBlockingStream(far, _loop);
        var tls = new SslStream(transport);
        _client = new SslStream(new NonBlockingStream(_near, _clientLoop));
        Task serverSide = tls.AuthenticateAsServerAsync(TlsSettings.Server(Certificate()));
        _client.AuthenticateAsClient(TlsSettings.Client("localhost", new ServerCertificateObserver()));
        Assert.True(serverSide.Wait(10_000));
        var config = new ServerConfig { Default = new UserSettings { Routes = [IpPrefix.Parse("10.99.2.0/24")] } };
        _session = new Session(1, "alice", "test", UserPolicy.For(config, "alice", AuthorizedKeyOptions.None), tls, transport)
        {
            Lease = new Lease { Id = new string('0', 32), User = "alice", Key = AuthorizedKeyLines.PublicKey },
            AddressV4 = IpAddr.Parse("10.77.0.2"),
        };
        transport.RunContinuationsAsynchronously = false;
        _loop.Post(() => _ = _session.ReceiveAsync(new FrameBuffer(), _injector, _loop, IpAddr.Parse("10.77.0.1"), IpAddr.Parse("fd77::1")));
    }

    [Fact]
    public void Up()
    {
        for (int i = 0; i < Warm; i++) SendOne();
        AllocatesNothing(SendOne);
    }

    [Fact]
    public void Down()
    {
        byte[] buffer = new byte[65536];
        for (int i = 0; i < Warm; i++) ReceiveOne(buffer);
        AllocatesNothing(() => ReceiveOne(buffer));
    }

    public void Dispose()
    {
        _session.Dispose();
        _client.Dispose();
        _loop.Dispose();
        _clientLoop.Dispose();
        _injector.Dispose();
    }

    // The counter is the process's: what the runtime and other tests allocate meanwhile is in it, so the quietest of some rounds counts.
    private static void AllocatesNothing(Action packet)
    {
        double least = double.MaxValue;
        for (int round = 0; round < 5 && least >= MostPerPacket; round++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true);
            for (int i = 0; i < Counted; i++) packet();
            least = Math.Min(least, (GC.GetTotalAllocatedBytes(precise: true) - before) / (double)Counted);
        }
        Assert.True(least < MostPerPacket, $"{least:0.0} bytes are allocated for each packet");
    }

    private void SendOne()
    {
        long wanted = _injector.Count + 1;
        _client.Write(_frame);
        _client.Flush();
        Assert.True(SpinWait.SpinUntil(_injector.Reached(wanted), 5000));
    }

    private void ReceiveOne(byte[] buffer)
    {
        Assert.True(_session.TryAppend(_frame));
        _session.Flush();
        for (int got = 0; got < _frame.Length;) got += _client.Read(buffer, 0, buffer.Length);
    }

    private static byte[] Frame(Packet packet)
    {
        byte[] frame = new byte[ProtocolConstants.PacketPrefixSize + packet.Bytes.Length];
        FrameHeader.Write(frame, FrameType.Packet, frame.Length - ProtocolConstants.FrameHeaderSize);
        packet.Bytes.CopyTo(frame, ProtocolConstants.PacketPrefixSize);
        return frame;
    }

    private static SslStreamCertificateContext Certificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        X509Certificate2 made = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        return SslStreamCertificateContext.Create(made, null, offline: true);
    }

    private sealed class CountingInjector : IInjector
    {
        private readonly Func<bool> _reached;
        private long _count, _wanted;

        public CountingInjector() => _reached = () => Interlocked.Read(ref _count) >= _wanted;

        public long Count => Interlocked.Read(ref _count);

        // The same delegate again and again: the test itself must not allocate.
        public Func<bool> Reached(long count)
        {
            _wanted = count;
            return _reached;
        }

        public void Flush() { }

        public InjectResult Send(Span<byte> frame, in PacketInfo info, in OffloadMetadata offload, SessionCounters counters)
        {
            Interlocked.Increment(ref _count);
            return InjectResult.Sent;
        }

        public void Dispose() { }
    }
}

/// <summary>What counts the process' allocations runs alone.</summary>
[CollectionDefinition("Allocation", DisableParallelization = true)]
public sealed class AllocationCollection;
