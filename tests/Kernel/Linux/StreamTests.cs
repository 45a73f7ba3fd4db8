using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using PersonalVpn.Linux;

namespace PersonalVpn.Kernel.Linux;

/// <summary>The streams under SslStream, over real TCP on loopback.</summary>
public sealed class StreamTests : IDisposable
{
    private const int Megabyte = 1 << 20;
    private readonly EventLoop _loop = new();
    private readonly X509Certificate2 _certificate;

    public StreamTests()
    {
        using RSA key = RSA.Create(2048);
        CertificateRequest request = new("CN=test", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        using X509Certificate2 made = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        _certificate = X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
        _loop.Start("test-loop");
    }

    public void Dispose()
    {
        _loop.Dispose();
        _certificate.Dispose();
    }

    [Fact]
    public async Task Tls_carries_50_MB_each_way_at_once()
    {
        (LinuxSocket a, LinuxSocket b) = Pair();
        await using NonBlockingStream left = new(a, _loop);
        await using NonBlockingStream right = new(b, _loop);
        await using SslStream client = new(left, true), server = new(right, true);
        await Handshake(client, server).WaitAsync(TimeSpan.FromSeconds(20));
        left.RunContinuationsAsynchronously = right.RunContinuationsAsynchronously = false; // bulk: inline on the loop
        await Task.WhenAll(Pump(client, left, 1), Pump(server, right, 2), Check(client, 2), Check(server, 1)).WaitAsync(TimeSpan.FromSeconds(60));
    }

    [Fact]
    public async Task An_end_that_waits_and_one_that_does_not_understand_each_other()
    {
        (LinuxSocket a, LinuxSocket b) = Pair();
        await using NonBlockingStream left = new(a, _loop);
        await using NonBlockingStream right = new(b, _loop, pendingLimit: 16 * Megabyte);
        await using SslStream client = new(left, true), server = new(right, true);
        Task serverSide = Task.Factory.StartNew(
            () =>
            {
                server.AuthenticateAsServer(ServerOptions());
                byte[] buffer = new byte[Megabyte];
                int total = 0;
                while (total < 10 * Megabyte)
                {
                    int n = server.Read(buffer);
                    if (n == 0) break;
                    total += n;
                    server.Write(buffer.AsSpan(0, n));
                    server.Flush();
                    right.Flush();
                }
            },
            TaskCreationOptions.LongRunning);
        await client.AuthenticateAsClientAsync(ClientOptions()).WaitAsync(TimeSpan.FromSeconds(20));
        left.RunContinuationsAsynchronously = false;
        await Task.WhenAll(Pump(client, left, 3, 10), Check(client, 3, 10), serverSide).WaitAsync(TimeSpan.FromSeconds(60));
    }

    [Fact]
    public async Task Reading_allocates_nothing()
    {
        (LinuxSocket a, LinuxSocket b) = Pair();
        await using NonBlockingStream left = new(a, _loop);
        using (b)
        {
            TaskCompletionSource<long> allocated = new(TaskCreationOptions.RunContinuationsAsynchronously);
            left.RunContinuationsAsynchronously = false;
            _loop.Post(() => Read(left, allocated).ContinueWith(
                t => allocated.TrySetException(t.Exception!), default, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default));
            for (int i = 0; i < 300; i++)
            {
                b.Send([1]);
                await Task.Delay(1);
                if (allocated.Task.IsCompleted) break;
            }

            Assert.Equal(0, await allocated.Task.WaitAsync(TimeSpan.FromSeconds(5)));
        }

        static async Task Read(NonBlockingStream stream, TaskCompletionSource<long> result)
        {
            byte[] buffer = new byte[100];
            long start = 0;
            for (int i = 0; i < 100; i++)
            {
                if (i == 50) start = GC.GetAllocatedBytesForCurrentThread();
                if (await stream.ReadAsync(buffer) == 0) throw new InvalidDataException("the end came early");
            }

            result.SetResult(GC.GetAllocatedBytesForCurrentThread() - start);
        }
    }

    [Fact]
    public async Task Writing_never_blocks_and_what_waits_goes_out_when_the_peer_reads()
    {
        (LinuxSocket a, LinuxSocket b) = Pair();
        TaskCompletionSource drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using NonBlockingStream left = new(a, _loop, pendingLimit: 32 * Megabyte);
        left.Drained = () => drained.TrySetResult();
        using (b)
        {
            byte[] data = new byte[24 * Megabyte];
            Random.Shared.NextBytes(data);
            left.Write(data);
            Assert.False(left.Push());
            Assert.InRange(left.PendingBytes, 1, data.Length - 1);
            byte[] got = new byte[data.Length];
            for (int at = 0; at < got.Length;)
            {
                int n = b.Receive(got.AsSpan(at));
                Assert.True(n > 0);
                at += n;
            }

            Assert.True(data.AsSpan().SequenceEqual(got));
            await drained.Task.WaitAsync(TimeSpan.FromSeconds(5));
            Assert.Equal(0, left.PendingBytes);
        }
    }

    [Fact]
    public void Too_much_waiting_is_an_error_and_not_memory()
    {
        (LinuxSocket a, LinuxSocket b) = Pair();
        using NonBlockingStream left = new(a, _loop, pendingLimit: 100_000);
        using (b)
        {
            IOException e = Assert.Throws<IOException>(() => left.Write(new byte[100_001]));
            Assert.Equal("the peer does not read: more than 100000 bytes would wait to be sent", e.Message);
        }
    }

    [Fact]
    public async Task The_end_and_a_reset_are_seen()
    {
        (LinuxSocket a, LinuxSocket b) = Pair();
        await using (NonBlockingStream left = new(a, _loop))
        {
            ValueTask<int> read = left.ReadAsync(new byte[10]);
            b.Send([1, 2]);
            b.ShutdownSend();
            Assert.Equal(2, await read.AsTask().WaitAsync(TimeSpan.FromSeconds(5)));
            Assert.Equal(0, await left.ReadAsync(new byte[10]).AsTask().WaitAsync(TimeSpan.FromSeconds(5)));
            Assert.Equal(0, await left.ReadAsync(new byte[10]).AsTask().WaitAsync(TimeSpan.FromSeconds(5)));
            b.Dispose();
        }

        (a, b) = Pair();
        await using (NonBlockingStream left = new(a, _loop))
        {
            Task<int> read = left.ReadAsync(new byte[10]).AsTask();
            b.SetAbortOnClose();
            b.Dispose();
            LinuxException e = await Assert.ThrowsAsync<LinuxException>(() => read.WaitAsync(TimeSpan.FromSeconds(5)));
            Assert.Equal(Errno.ECONNRESET, e.Error);
            Assert.ThrowsAny<IOException>(() =>
            {
                left.Write([1]);
                left.Push();
            });
        }
    }

    [Fact]
    public async Task A_waiting_read_ends_when_the_stream_is_closed_or_the_caller_gives_up()
    {
        (LinuxSocket a, LinuxSocket b) = Pair();
        using (b)
        {
            NonBlockingStream left = new(a, _loop);
            using CancellationTokenSource source = new();
            Task<int> read = left.ReadAsync(new byte[10], source.Token).AsTask();
            await source.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => read.WaitAsync(TimeSpan.FromSeconds(5)));

            b.Send([7]); // nothing is lost by giving up
            byte[] buffer = new byte[10];
            Assert.Equal(1, await left.ReadAsync(buffer).AsTask().WaitAsync(TimeSpan.FromSeconds(5)));
            Assert.Equal(7, buffer[0]);

            read = left.ReadAsync(buffer).AsTask();
            await left.DisposeAsync();
            await Assert.ThrowsAsync<ObjectDisposedException>(() => read.WaitAsync(TimeSpan.FromSeconds(5)));
        }
    }

    [Fact]
    public async Task Shutdown_wakes_a_blocking_reader()
    {
        (LinuxSocket a, LinuxSocket b) = Pair();
        using (b)
        using (NonBlockingStream stream = new(a, _loop))
        {
            Task<int> reader = Task.Run(() => stream.Read(new byte[10]));
            await Task.Delay(50);
            Assert.False(reader.IsCompleted);
            a.Shutdown();
            Assert.Equal(0, await reader.WaitAsync(TimeSpan.FromSeconds(5)));
        }
    }

    [Fact]
    public async Task The_loop_runs_what_is_posted_in_order_and_timers_when_due()
    {
        List<int> order = [];
        TaskCompletionSource done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using IDisposable never = _loop.PostDelayed(TimeSpan.FromMilliseconds(20), () => order.Add(99));
        never.Dispose();
        _loop.PostDelayed(TimeSpan.FromMilliseconds(60), done.SetResult);
        _loop.PostDelayed(TimeSpan.FromMilliseconds(30), () => order.Add(3));
        _loop.Post(() => order.Add(1));
        _loop.Post(() => order.Add(_loop.IsLoopThread ? 2 : -1));
        await done.Task.WaitAsync(TimeSpan.FromSeconds(5));
        Assert.Equal([1, 2, 3], order);
        Assert.False(_loop.IsLoopThread);
    }

    [Fact]
    public async Task A_handlers_exception_is_reported_and_the_loop_goes_on()
    {
        TaskCompletionSource<Exception> reported = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using EventLoop loop = new(reported.SetResult);
        loop.Start("guarded");
        loop.Post(() => throw new InvalidDataException("x"));
        Assert.IsType<InvalidDataException>(await reported.Task.WaitAsync(TimeSpan.FromSeconds(5)));
        TaskCompletionSource alive = new(TaskCreationOptions.RunContinuationsAsynchronously);
        loop.Post(alive.SetResult);
        await alive.Task.WaitAsync(TimeSpan.FromSeconds(5));
    }

    private static (LinuxSocket A, LinuxSocket B) Pair()
    {
        using LinuxSocket listener = LinuxSocket.CreateTcp(false);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        LinuxSocket a = LinuxSocket.CreateTcp(false);
        a.Connect(listener.LocalEndPoint!);
        LinuxSocket b = listener.Accept();
        a.SetNoDelay();
        b.SetNoDelay();
        return (a, b);
    }

    private static byte[] Pattern(int seed, int block)
    {
        byte[] bytes = new byte[Megabyte];
        new Random((seed * 1000) + block).NextBytes(bytes);
        return bytes;
    }

    /// <summary>Writes blocks; never lets more than some wait, as callers are meant to.</summary>
    private static Task Pump(SslStream tls, NonBlockingStream stream, int seed, int blocks = 50) => Task.Run(async () =>
    {
        for (int i = 0; i < blocks; i++)
        {
            while (stream.PendingBytes > Megabyte) await Task.Delay(1);
            await tls.WriteAsync(Pattern(seed, i));
            stream.Push();
        }
    });

    private static Task Check(SslStream tls, int seed, int blocks = 50) => Task.Run(async () =>
    {
        byte[] got = new byte[Megabyte];
        for (int i = 0; i < blocks; i++)
        {
            await tls.ReadExactlyAsync(got);
            Assert.True(Pattern(seed, i).AsSpan().SequenceEqual(got), $"block {i} differs");
        }
    });

    private Task Handshake(SslStream client, SslStream server) =>
        Task.WhenAll(client.AuthenticateAsClientAsync(ClientOptions()), server.AuthenticateAsServerAsync(ServerOptions()));

    private SslServerAuthenticationOptions ServerOptions() =>
        new() { ServerCertificate = _certificate, EnabledSslProtocols = SslProtocols.Tls13 };

    private SslClientAuthenticationOptions ClientOptions() => new()
    {
        TargetHost = "test",
        EnabledSslProtocols = SslProtocols.Tls13,
        RemoteCertificateValidationCallback = (_, certificate, _, _) =>
            certificate!.GetCertHashString() == _certificate.GetCertHashString(),
    };
}
