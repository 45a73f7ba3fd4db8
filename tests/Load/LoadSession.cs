using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using PersonalVpn.Linux;
using PersonalVpn.Packets;
using PersonalVpn.Tunnel.Protocol;
using PersonalVpn.Tunnel.Tls;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Load;

/// <summary>One logged-in session of the load generator: no packets of a host, only those it makes.</summary>
internal sealed class LoadSession : IDisposable
{
    private const int PendingLimit = 256 * 1024;

    private readonly NonBlockingStream _transport;
    private readonly SslStream _tls;
    private readonly ControlChannel _control;
    private readonly Lock _sendGate = new();
    private TaskCompletionSource<long>? _pong;
    private TaskCompletionSource<long>? _echo;
    private long _received;
    private bool _disposed;

    private LoadSession(NonBlockingStream transport, SslStream tls)
    {
        _transport = transport;
        _tls = tls;
        _control = new ControlChannel(tls, new FrameBuffer());
    }

    public IpAddr Address { get; private set; }
    public long BytesSent { get; private set; }
    public long PacketsReceived => Interlocked.Read(ref _received);

    /// <summary>Connects, logs in, gets an address.</summary>
    public static async Task<LoadSession> OpenAsync(Settings settings, IUserIdentity key, EventLoop loop)
    {
        IPEndPoint server = settings.Server;
        LinuxSocket socket = LinuxSocket.CreateTcp(server.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6);
        socket.Connect(server, TimeSpan.FromSeconds(20));
        socket.SetNoDelay();
        var transport = new NonBlockingStream(socket, loop);
        var session = new LoadSession(transport, new SslStream(transport, leaveInnerStreamOpen: true));
        try
        {
            await session.LogInAsync(settings.User, key, server.Address.ToString()).ConfigureAwait(false);
        }
        catch
        {
            session.Dispose();
            throw;
        }
        return session;
    }

    /// <summary>Reads what comes until the end.</summary>
    public async Task ReceiveAsync()
    {
        FrameBuffer frames = _control.Buffer;
        _transport.RunContinuationsAsynchronously = false;
        try
        {
            while (true)
            {
                while (frames.TryNext(out FrameType type, out Span<byte> frame) == FrameStatus.Frame) Take(type, frame);
                if (frames.IsEmpty) await _tls.ReadAsync(Memory<byte>.Empty).ConfigureAwait(false);
                int n = await _tls.ReadAsync(frames.Space()).ConfigureAwait(false);
                if (n == 0) throw new IOException("the server closed the connection");
                frames.Advance(n);
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException)
        {
            if (!_disposed) Console.Error.WriteLine($"{Address}: {e.Message}");
        }
    }

    /// <summary>Sends a batch of frames, unless too much waits already.</summary>
    public bool TrySend(ReadOnlySpan<byte> batch)
    {
        if (_transport.PendingBytes > PendingLimit) return false;
        Send(batch);
        BytesSent += batch.Length;
        return true;
    }

    /// <summary>Ticks from PING to PONG.</summary>
    public Task<long> PingAsync()
    {
        _pong = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
        Send(PingMessage.Encode(FrameType.Ping, (ulong)Stopwatch.GetTimestamp()));
        return _pong.Task;
    }

    /// <summary>Ticks of an ICMP echo to a host of the inner network; -1 when it was lost.</summary>
    public async Task<long> EchoAsync(IpAddr to)
    {
        _echo = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
        long began = Stopwatch.GetTimestamp();
        Send(Frames.Echo(Address, to));
        return await Task.WhenAny(_echo.Task, Task.Delay(1000)).ConfigureAwait(false) == _echo.Task ? _echo.Task.Result - began : -1;
    }

    public void Dispose()
    {
        _disposed = true;
        _tls.Dispose();
        _transport.Dispose();
    }

    private void Send(ReadOnlySpan<byte> bytes)
    {
        lock (_sendGate)
        {
            _tls.Write(bytes);
            _transport.Push();
        }
    }

    private void Take(FrameType type, ReadOnlySpan<byte> frame)
    {
        switch (type)
        {
            case FrameType.Packet:
                Interlocked.Increment(ref _received);
                // An echo reply of ICMP (protocol 1, type 0) behind a header of 20 bytes.
                if (_echo is { } echo && frame[ProtocolConstants.PacketPrefixSize + 9] == 1 && frame[ProtocolConstants.PacketPrefixSize + 20] == 0)
                    echo.TrySetResult(Stopwatch.GetTimestamp());
                break;
            case FrameType.Ping:
                Send(PingMessage.Encode(FrameType.Pong, PingMessage.Decode(frame[ProtocolConstants.FrameHeaderSize..])));
                break;
            case FrameType.Pong:
                _pong?.TrySetResult(Stopwatch.GetTimestamp() - (long)PingMessage.Decode(frame[ProtocolConstants.FrameHeaderSize..]));
                break;
            default:
                throw new IOException($"frame {type}");
        }
    }

    private async Task LogInAsync(string user, IUserIdentity key, string host)
    {
        var certificate = new ServerCertificateObserver();
        await _tls.AuthenticateAsClientAsync(TlsSettings.Client(host, certificate)).ConfigureAwait(false);
        byte[] nonce = RandomNumberGenerator.GetBytes(ProtocolConstants.NonceSize);
        await _control.SendAsync(new HelloMessage(ProtocolConstants.Version, ProtocolConstants.Version, user, nonce, "pvpn-load").Encode(), default).ConfigureAwait(false);
        (_, byte[] body) = await _control.ReceiveAsync(FrameType.HelloReply, default).ConfigureAwait(false);
        HelloReplyMessage reply = HelloReplyMessage.Decode(body);
        byte[] data = AuthChallenge.BuildSignedData((byte)reply.Version, reply.Nonce, nonce, TlsSettings.CertificateHash(certificate.Der), user, key.PublicKey);
        if (!key.TrySign(data, out string algorithm, out byte[] signature, out string error)) throw new IOException(error);
        await _control.SendAsync(new AuthMessage(algorithm, key.PublicKey.Blob.ToArray(), signature).Encode(), default).ConfigureAwait(false);
        (_, body) = await _control.ReceiveAsync(FrameType.AuthResult, default).ConfigureAwait(false);
        if (!AuthResultMessage.Decode(body).Accepted) throw new IOException("login refused");
        await _control.ReceiveAsync(FrameType.Ticket, default).ConfigureAwait(false);
        await _control.SendAsync(new OpenMessage([], []).Encode(), default).ConfigureAwait(false);
        (_, body) = await _control.ReceiveAsync(FrameType.Config, default).ConfigureAwait(false);
        Address = ConfigMessage.Decode(body).AddressV4 ?? throw new IOException("no IPv4 address");
    }
}
