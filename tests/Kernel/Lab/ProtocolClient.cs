using System.Buffers.Binary;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using PersonalVpn.Kernel.Support;
using PersonalVpn.Tunnel.Protocol;
using PersonalVpn.Tunnel.Tls;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Kernel.Lab;

/// <summary>A resumption ticket as a client got it.</summary>
public sealed record Ticket(byte[] Sealed, byte[] Secret);

/// <summary>
/// A client of pvpn-server on the lab's shared host that says what a test wants it to say, in the order that a test wants. Frames of
/// resumption are made and read here by docs/protocol.md, not by the code under test.
/// </summary>
public sealed class ProtocolClient : IAsyncDisposable
{
    /// <summary>Frames of docs/protocol.md, section 2.</summary>
    public const byte Resume = 0x05, Close = 0x1f, AuthResult = 0x82, Config = 0x83, Relayed = 0x84, TicketFrame = 0x85;

    private const byte HelloReply = 0x81;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    private readonly Socket _socket;
    private readonly SslStream _tls;
    private readonly string _user;
    private readonly byte[] _clientNonce = RandomNumberGenerator.GetBytes(32);
    private byte[] _serverNonce = [], _certificateHash = [];
    private byte _version;

    private ProtocolClient(Socket socket, string user)
    {
        _socket = socket;
        _user = user;
        _tls = new SslStream(new NetworkStream(socket));
    }

    /// <summary>The tickets of the last TICKET.</summary>
    public IReadOnlyList<Ticket> Tickets { get; private set; } = [];

    /// <summary>The reason of a CLOSE that came instead of an answer; null when none did.</summary>
    public CloseMessage? Refusal { get; private set; }

    /// <summary>Connects as a user, up to the server's HELLO_REPLY.</summary>
    /// <param name="lab">The lab.</param>
    /// <param name="user">User name of the HELLO.</param>
    /// <param name="port">Where the server listens.</param>
    public static async Task<ProtocolClient> ConnectAsync(LabFixture lab, string user, int port = 443)
    {
        Socket? socket = null;
        NetworkNamespace.Run(lab.Prefix + "host", () =>
        {
            socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            socket.Connect(IPAddress.Parse(LabFixture.Gateway), port);
        });
        var client = new ProtocolClient(socket!, user);
        try
        {
            await client.GreetAsync();
        }
        catch
        {
            await client.DisposeAsync();
            throw;
        }
        return client;
    }

    /// <summary>Connects, logs in by the key that the lab gave the user, and takes the tickets.</summary>
    public static async Task<ProtocolClient> LogInAsync(LabFixture lab, string user, int port = 443)
    {
        ProtocolClient client = await ConnectAsync(lab, user, port);
        Assert.True(await client.AuthenticateAsync(lab), $"{user} was refused");
        return client;
    }

    /// <summary>AUTH by the key that the lab gave the user; with true the tickets have come.</summary>
    public async Task<bool> AuthenticateAsync(LabFixture lab)
    {
        Assert.True(PrivateKeyFile.TryLoad($"{lab.State}/home/{_user}/.ssh/id_rsa", _ => null, out IUserIdentity? key, out string problem), problem);
        using (key)
        {
            byte[] data = AuthChallenge.BuildSignedData(_version, _serverNonce, _clientNonce, _certificateHash, _user, key.PublicKey);
            Assert.True(key.TrySign(data, out string algorithm, out byte[] signature, out problem), problem);
            await SendAsync(new AuthMessage(algorithm, key.PublicKey.Blob.ToArray(), signature).Encode());
        }
        return await AnswerAsync();
    }

    /// <summary>RESUME with a ticket; with true new tickets have come.</summary>
    public async Task<bool> ResumeAsync(Ticket ticket)
    {
        await SendAsync(ResumeFrame(ticket));
        return await AnswerAsync();
    }

    /// <summary>The RESUME for this connection.</summary>
    public byte[] ResumeFrame(Ticket ticket)
    {
        byte[] proven = [.. Encoding.ASCII.GetBytes("personalvpn-resume-v1"), _version, .. _serverNonce, .. _clientNonce, .. _certificateHash, .. Encoding.UTF8.GetBytes(_user)];
        byte[] proof = HMACSHA256.HashData(ticket.Secret, proven);
        return Frame(Resume, [(byte)(ticket.Sealed.Length >> 8), (byte)ticket.Sealed.Length, .. ticket.Sealed, .. proof]);
    }

    /// <summary>The answer to AUTH or RESUME: accepted, with its tickets, or not; a CLOSE is a refusal, too.</summary>
    public async Task<bool> AnswerAsync()
    {
        (byte type, byte[] body) = await ReceiveAsync();
        if (type == Close)
        {
            Refusal = CloseMessage.Decode(body);
            return false;
        }
        Assert.Equal((AuthResult, 2), (type, body.Length));
        if (body[0] == 0) return false;
        (type, body) = await ReceiveAsync();
        Assert.Equal(TicketFrame, type);
        var tickets = new List<Ticket>();
        int at = 1;
        for (int i = 0; i < body[0]; i++)
        {
            int length = BinaryPrimitives.ReadUInt16BigEndian(body.AsSpan(at));
            tickets.Add(new Ticket(body[(at + 2)..(at + 2 + length)], body[(at + 2 + length)..(at + 2 + length + 32)]));
            at += 2 + length + 32;
        }
        Assert.Equal(body.Length, at);
        Tickets = tickets;
        return true;
    }

    /// <summary>OPEN for the pushed routes, and the CONFIG that answers it; null when a CLOSE did.</summary>
    public async Task<ConfigMessage?> OpenAsync(params string[] destinations)
    {
        await SendAsync(new OpenMessage([], [.. destinations.Select(Packets.IpPrefix.Parse)]).Encode());
        (byte type, byte[] body) = await ReceiveAsync();
        if (type == Close) Refusal = CloseMessage.Decode(body);
        return type == Config ? ConfigMessage.Decode(body) : null;
    }

    /// <summary>RELAY; false when a CLOSE answered it.</summary>
    public async Task<bool> RelayAsync(string host, ushort port)
    {
        await SendAsync(new RelayMessage(host, port).Encode());
        (byte type, byte[] body) = await ReceiveAsync();
        if (type == Close) Refusal = CloseMessage.Decode(body);
        return type == Relayed;
    }

    /// <summary>Whether the session answers a PING.</summary>
    public async Task<bool> IsAliveAsync()
    {
        try
        {
            await SendAsync(PingMessage.Encode(FrameType.Ping, 7));
            (byte type, _) = await ReceiveAsync();
            return type == (byte)FrameType.Pong;
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>The next frame.</summary>
    /// <exception cref="IOException">There is none any more.</exception>
    public async Task<(byte Type, byte[] Body)> ReceiveAsync()
    {
        using var limit = new CancellationTokenSource(Patience);
        byte[] head = new byte[4];
        await _tls.ReadExactlyAsync(head, limit.Token);
        byte[] body = new byte[(head[1] << 16) | (head[2] << 8) | head[3]];
        await _tls.ReadExactlyAsync(body, limit.Token);
        return (head[0], body);
    }

    /// <summary>Reads until the server ends the connection, and returns the types of what came before.</summary>
    public async Task<IReadOnlyList<byte>> EndAsync()
    {
        var types = new List<byte>();
        try
        {
            while (true) types.Add((await ReceiveAsync()).Type);
        }
        catch (IOException)
        {
            return types;
        }
    }

    /// <summary>Sends bytes.</summary>
    public async Task SendAsync(byte[] bytes)
    {
        using var limit = new CancellationTokenSource(Patience);
        await _tls.WriteAsync(bytes, limit.Token);
    }

    /// <summary>A frame of any type.</summary>
    public static byte[] Frame(byte type, byte[] body) => [type, (byte)(body.Length >> 16), (byte)(body.Length >> 8), (byte)body.Length, .. body];

    /// <summary>Ends as a user does: CLOSE, then the connection.</summary>
    public async Task CloseAsync()
    {
        await SendAsync(new CloseMessage(CloseReason.Normal, "the end").Encode());
        await EndAsync();
        await DisposeAsync();
    }

    /// <summary>The connection is lost: no CLOSE, no end of TLS, a reset.</summary>
    public ValueTask DisposeAsync()
    {
        _socket.Close(0);
        return ValueTask.CompletedTask;
    }

    private async Task GreetAsync()
    {
        var certificate = new ServerCertificateObserver();
        await _tls.AuthenticateAsClientAsync(TlsSettings.Client(LabFixture.Gateway, certificate));
        _certificateHash = SHA256.HashData(certificate.Der);
        await SendAsync(new HelloMessage(1, ProtocolConstants.Version, _user, _clientNonce, "test").Encode());
        (byte type, byte[] body) = await ReceiveAsync();
        Assert.Equal(HelloReply, type);
        HelloReplyMessage reply = HelloReplyMessage.Decode(body);
        (_version, _serverNonce) = ((byte)reply.Version, reply.Nonce);
    }
}
