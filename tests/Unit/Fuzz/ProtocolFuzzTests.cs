using System.Text;
using PersonalVpn.Packets;
using PersonalVpn.Tunnel.Local;
using PersonalVpn.Tunnel.Protocol;
using Xunit;

namespace PersonalVpn.Unit.Fuzz;

/// <summary>What a peer on the wire, or a local process on the control socket, may send: refused in an orderly way or understood.</summary>
public sealed class ProtocolFuzzTests
{
    private static readonly byte[][] Frames =
    [
        new HelloMessage(1, 1, "alice", new byte[32], "pvpn/0.1").Encode(),
        new HelloReplyMessage(1, new byte[32], "pvpn-server/0.1", "Welcome\n").Encode(),
        new AuthMessage("rsa-sha2-512", new byte[279], new byte[256]).Encode(),
        new AuthResultMessage(true, 5).Encode(),
        new OpenMessage([IpAddr.Parse("10.77.0.2"), IpAddr.Parse("fd77::2")], [IpPrefix.Parse("10.0.0.0/8"), IpPrefix.Parse("fd00::/8")]).Encode(),
        new ConfigMessage(IpAddr.Parse("10.77.0.2"), IpAddr.Parse("fd77::2"), 1500, 15, 3, [IpPrefix.AllV4, IpPrefix.AllV6]).Encode(),
        new CloseMessage(CloseReason.NotPermitted, "10.0.0.0/8 is not permitted").Encode(),
        PingMessage.Encode(FrameType.Ping, 42),
        PingMessage.Encode(FrameType.Pong, 42),
        new RegisterMessage("office").Encode(),
        CallMessage.Encode(FrameType.Accept, new byte[16]),
        CallMessage.Encode(FrameType.Incoming, new byte[16]),
    ];

    /// <summary>A body that is understood means the same when written again: nothing is read in two ways.</summary>
    [Fact]
    public void Messages()
    {
        var mutator = new Mutator(1, [.. Frames.Select(f => f[4..])]);
        int understood = 0;
        for (int i = 0, rounds = Mutator.Rounds(10_000); i < rounds; i++)
        {
            byte[] body = mutator.Next();
            foreach (byte[] original in Frames)
            {
                byte[]? again = Recode((FrameType)original[0], body);
                if (again is null) continue;
                understood++;
                Assert.Equal(body, again[4..]);
            }
        }
        Assert.True(understood > 500, $"only {understood} messages were still messages: the mutations are too wild");
    }

    [Fact]
    public void Streams_of_frames()
    {
        var mutator = new Mutator(2, Frames);
        for (int i = 0, rounds = Mutator.Rounds(2_000); i < rounds; i++)
        {
            byte[] stream = [.. Enumerable.Range(0, mutator.Random.Next(1, 6)).SelectMany(_ => mutator.Random.Next(3) == 0 ? mutator.Next() : Frames[mutator.Random.Next(Frames.Length)])];
            var buffer = new FrameBuffer();
            int used = 0;
            for (int at = 0; at < stream.Length;)
            {
                int n = Math.Min(mutator.Random.Next(1, 500), stream.Length - at);
                stream.AsMemory(at, n).CopyTo(buffer.Space());
                buffer.Advance(n);
                at += n;
                FrameStatus status;
                while ((status = buffer.TryNext(out FrameType type, out Span<byte> frame)) == FrameStatus.Frame)
                {
                    Assert.Equal(frame.Length - 4, FrameHeader.BodyLength(frame));
                    Assert.True(frame.Length - 4 <= FrameHeader.MaxBody(type));
                    Assert.True(frame.SequenceEqual(stream.AsSpan(used, frame.Length)));
                    used += frame.Length;
                    Recode(type, frame[4..].ToArray());
                }
                if (status == FrameStatus.Malformed) break;
            }
        }
    }

    [Fact]
    public void Requests_on_the_control_socket()
    {
        byte[][] corpus =
        [
            ForwarderProtocol.Encode(new ForwarderRequest
            {
                Operation = ForwarderOperation.Open, Gateway = "gw:8443", User = "alice", AddressV4 = "10.77.0.2", AddressV6 = "fd77::2",
                Routes = ["10.0.0.0/8", "fd00::/8"], Mtu = 1500, Transport = "tls", Chain = ["hop"],
            }),
            ForwarderProtocol.Encode(new ForwarderRequest { Operation = ForwarderOperation.Check, Destination = "10.1.2.3" }),
            ForwarderProtocol.Encode(new ForwarderRequest { Operation = ForwarderOperation.Down, All = true }),
            ForwarderProtocol.Encode(new ForwarderReply { Code = ForwarderError.Denied, Error = "no", Device = "pvpn0", Verdict = CheckVerdict.Blocked, Tunnels = [] }),
        ];
        var mutator = new Mutator(3, corpus, "{", "}", "[", "]", "null", "true", "1e999", "-0", "\"operation\":", "\"\\ud800\"", "\"\\u0000\"", "\ufeff", ",", "\\");
        int understood = 0;
        for (int i = 0, rounds = Mutator.Rounds(20_000); i < rounds; i++)
        {
            byte[] message = mutator.Next();
            if (ForwarderProtocol.DecodeRequest(message) is { } request)
            {
                understood++;
                Assert.NotNull(ForwarderProtocol.DecodeRequest(ForwarderProtocol.Encode(request)));
            }
            if (ForwarderProtocol.DecodeReply(message) is { } reply) Assert.NotNull(ForwarderProtocol.Encode(reply));
        }
        Assert.True(understood > 100, $"only {understood} requests were still requests: the mutations are too wild");
    }

    // Decoded and encoded again, or null when it was refused; any other exception fails the test.
    private static byte[]? Recode(FrameType type, byte[] body)
    {
        try
        {
            return type switch
            {
                FrameType.Hello => HelloMessage.Decode(body).Encode(),
                FrameType.HelloReply => HelloReplyMessage.Decode(body).Encode(),
                FrameType.Auth => AuthMessage.Decode(body).Encode(),
                FrameType.AuthResult => AuthResultMessage.Decode(body).Encode(),
                FrameType.Open => OpenMessage.Decode(body).Encode(),
                FrameType.Config => ConfigMessage.Decode(body).Encode(),
                FrameType.Close => CloseMessage.Decode(body).Encode(),
                FrameType.Register => RegisterMessage.Decode(body).Encode(),
                FrameType.Accept or FrameType.Incoming => CallMessage.Encode(type, CallMessage.Decode(body)),
                FrameType.Ping or FrameType.Pong => PingMessage.Encode(type, PingMessage.Decode(body)),
                _ => null,
            };
        }
        catch (ProtocolException e)
        {
            Assert.DoesNotContain(e.Message, char.IsControl);
            Assert.InRange(Encoding.UTF8.GetByteCount(e.Message), 1, 300);
            return null;
        }
    }
}
