using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using PersonalVpn.Kernel.Support;
using PersonalVpn.Tunnel.Protocol;
using PersonalVpn.Tunnel.Tls;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Kernel.Lab;

/// <summary>A client of the gateway that has logged in and then says what it likes, frame by frame.</summary>
public sealed class RawLogin : IDisposable
{
    private readonly SslStream _tls;

    private RawLogin(SslStream tls)
    {
        _tls = tls;
        Control = new ControlChannel(tls, new FrameBuffer());
    }

    /// <summary>The frames.</summary>
    public ControlChannel Control { get; }

    /// <summary>Connects from the shared host and logs in.</summary>
    public static async Task<RawLogin> OpenAsync(LabFixture lab, string user, string keyFile)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        NetworkNamespace.Run(lab.Prefix + "host", () =>
        {
            socket.Dispose();
            socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            socket.Connect(LabFixture.Gateway, 443);
        });
        var login = new RawLogin(new SslStream(new NetworkStream(socket, ownsSocket: true)));
        var certificate = new ServerCertificateObserver();
        await login._tls.AuthenticateAsClientAsync(TlsSettings.Client(LabFixture.Gateway, certificate));
        Assert.True(PrivateKeyFile.TryLoad(keyFile, null, out IUserIdentity? key, out string error), error);
        byte[] nonce = RandomNumberGenerator.GetBytes(ProtocolConstants.NonceSize);
        await login.Control.SendAsync(new HelloMessage(ProtocolConstants.Version, ProtocolConstants.Version, user, nonce, "test").Encode(), default);
        HelloReplyMessage reply = HelloReplyMessage.Decode((await login.Control.ReceiveAsync(FrameType.HelloReply, default)).Body);
        byte[] data = AuthChallenge.BuildSignedData((byte)reply.Version, reply.Nonce, nonce, TlsSettings.CertificateHash(certificate.Der), user, key!.PublicKey);
        Assert.True(key.TrySign(data, out string algorithm, out byte[] signature, out error), error);
        await login.Control.SendAsync(new AuthMessage(algorithm, key.PublicKey.Blob.ToArray(), signature).Encode(), default);
        Assert.True(AuthResultMessage.Decode((await login.Control.ReceiveAsync(FrameType.AuthResult, default)).Body).Accepted);
        return login;
    }

    /// <summary>Says something; the body of the answer. (0x85 is a ticket for resumption, which may come at any time.)</summary>
    public async Task<byte[]> AskAsync(byte[] frame, FrameType answer)
    {
        await Control.SendAsync(frame, default);
        return await NextAsync(answer);
    }

    /// <summary>The next frame's body.</summary>
    public async Task<byte[]> NextAsync(FrameType expected)
    {
        while (true)
        {
            (FrameType type, byte[] body) = await Control.ReceiveAsync(expected, default, (FrameType)0x85).WaitAsync(TimeSpan.FromSeconds(15));
            if (type == expected) return body;
        }
    }

    /// <summary>What the server says when it refuses.</summary>
    public async Task<string> RefusedAsync(byte[] frame, FrameType answer) => (await Assert.ThrowsAsync<PeerClosedException>(() => AskAsync(frame, answer))).Message;

    /// <summary>Ends the connection.</summary>
    public void Dispose() => _tls.Dispose();
}
