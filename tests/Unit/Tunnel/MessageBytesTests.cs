using PersonalVpn.Packets;
using PersonalVpn.Tunnel.Protocol;
using PersonalVpn.Unit.Support;
using Xunit;

namespace PersonalVpn.Unit.TunnelTests;

/// <summary>
/// The bytes of every control message, drawn. What is drawn here is what other implementations speak: a change is a new protocol
/// version.
/// <code>
///  type(1) length(3) | body
/// </code>
/// </summary>
public sealed class MessageBytesTests
{
    private static readonly byte[] Nonce = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];

    private const string NonceHex = "00010203 04050607 08090a0b 0c0d0e0f 10111213 14151617 18191a1b 1c1d1e1f";

    [Fact]
    public void Hello()
    {
        //           type length | min  max  | 5 "alice"          | nonce            | 4 "pvpn"
        byte[] wire = Hex.Bytes("01 000031 | 0001 0002 | 0005 616c696365 | " + NonceHex + " | 0004 7076706e");
        var message = new HelloMessage(1, 2, "alice", Nonce, "pvpn");
        Assert.Equal(wire, message.Encode());
        HelloMessage back = HelloMessage.Decode(wire.AsSpan(4));
        Assert.Equal((message.MinVersion, message.MaxVersion, message.User, message.Software), (back.MinVersion, back.MaxVersion, back.User, back.Software));
        Assert.Equal(Nonce, back.Nonce);
    }

    [Fact]
    public void Hello_reply()
    {
        //           type length | version | nonce             | 1 "s"    | 2 "hi"
        byte[] wire = Hex.Bytes("81 000029 | 0001 | " + NonceHex + " | 0001 73 | 0002 6869");
        Assert.Equal(wire, new HelloReplyMessage(1, Nonce, "s", "hi").Encode());
        HelloReplyMessage back = HelloReplyMessage.Decode(wire.AsSpan(4));
        Assert.Equal((1, "s", "hi"), (back.Version, back.Software, back.Banner));
        Assert.Equal(Nonce, back.Nonce);
    }

    [Fact]
    public void Auth()
    {
        //           type length | 7 "ssh-rsa"            | key blob   | signature
        byte[] wire = Hex.Bytes("02 000012 | 0007 7373682d727361 | 0003 010203 | 0002 fffe");
        Assert.Equal(wire, new AuthMessage("ssh-rsa", [1, 2, 3], [255, 254]).Encode());
        AuthMessage back = AuthMessage.Decode(wire.AsSpan(4));
        Assert.Equal("ssh-rsa", back.Algorithm);
        Assert.Equal([1, 2, 3], back.KeyBlob);
        Assert.Equal([255, 254], back.Signature);
    }

    [Fact]
    public void Resume()
    {
        //           type length | ticket      | proof
        byte[] wire = Hex.Bytes("05 000025 | 0003 aabbcc | " + NonceHex);
        Assert.Equal(wire, new ResumeMessage([0xaa, 0xbb, 0xcc], Nonce).Encode());
        ResumeMessage back = ResumeMessage.Decode(wire.AsSpan(4));
        Assert.Equal([0xaa, 0xbb, 0xcc], back.Sealed);
        Assert.Equal(Nonce, back.Proof);
    }

    [Fact]
    public void Ticket()
    {
        //           type length | n  | ticket  | secret            | ticket    | secret
        byte[] wire = Hex.Bytes("85 000048 | 02 | 0001 aa | " + NonceHex + " | 0002 bbcc | " + NonceHex);
        Assert.Equal(wire, new TicketMessage([new([0xaa], Nonce), new([0xbb, 0xcc], Nonce)]).Encode());
        TicketMessage back = TicketMessage.Decode(wire.AsSpan(4));
        Assert.Equal([0xbb, 0xcc], back.Tickets[1].Sealed);
        Assert.Equal(Nonce, back.Tickets[1].Secret);
        Assert.Equal(Hex.Bytes("85 000001 | 00"), new TicketMessage([]).Encode());
        Assert.Throws<ProtocolException>(() => TicketMessage.Decode(Hex.Bytes("09")));
    }

    [Theory]
    [InlineData(true, 5, "82 000002 | 01 05")]
    [InlineData(false, 0, "82 000002 | 00 00")]
    public void Auth_result(bool accepted, byte left, string drawing)
    {
        byte[] wire = Hex.Bytes(drawing);
        Assert.Equal(wire, new AuthResultMessage(accepted, left).Encode());
        Assert.Equal(new AuthResultMessage(accepted, left), AuthResultMessage.Decode(wire.AsSpan(4)));
    }

    [Fact]
    public void Open()
    {
        //           type length | 1 to avoid: 4 10.77.0.9 | 2 wanted: 4 10.0.0.0/8   | 16 fd00::/8
        byte[] wire = Hex.Bytes("03 000020 | 01 04 0a4d0009 | 0002 04 0a000000 08 | 10 fd000000 00000000 00000000 00000000 08");
        Assert.Equal(wire, new OpenMessage([IpAddr.Parse("10.77.0.9")], [IpPrefix.Parse("10.0.0.0/8"), IpPrefix.Parse("fd00::/8")]).Encode());
        OpenMessage back = OpenMessage.Decode(wire.AsSpan(4));
        Assert.Equal([IpAddr.Parse("10.77.0.9")], back.Avoid);
        Assert.Equal([IpPrefix.Parse("10.0.0.0/8"), IpPrefix.Parse("fd00::/8")], back.Destinations);
        Assert.Equal(Hex.Bytes("03 000003 00 0000"), new OpenMessage([], []).Encode());
    }

    [Fact]
    public void Config()
    {
        //           type length | 4 10.77.0.2 | no IPv6 | mtu 1500 | 15 s | 3 x | 1 route: 4 0.0.0.0/0
        byte[] wire = Hex.Bytes("83 000013 | 04 0a4d0002 | 00 | 05dc | 000f | 03 | 0001 04 00000000 00");
        var message = new ConfigMessage(IpAddr.Parse("10.77.0.2"), null, 1500, 15, 3, [IpPrefix.AllV4]);
        Assert.Equal(wire, message.Encode());
        ConfigMessage back = ConfigMessage.Decode(wire.AsSpan(4));
        Assert.Equal((message.AddressV4, message.AddressV6, message.Mtu, message.KeepAliveSeconds, message.KeepAliveCount),
            (back.AddressV4, back.AddressV6, back.Mtu, back.KeepAliveSeconds, back.KeepAliveCount));
        Assert.Equal([IpPrefix.AllV4], back.Routes);
    }

    [Fact]
    public void Config_with_both_families()
    {
        var message = new ConfigMessage(IpAddr.Parse("10.77.0.2"), IpAddr.Parse("fd77::2"), 9000, 0, 1, [IpPrefix.Parse("fc00::/7"), IpPrefix.Parse("10.0.0.1/32")]);
        ConfigMessage back = ConfigMessage.Decode(message.Encode().AsSpan(4));
        Assert.Equal((message.AddressV4, message.AddressV6), (back.AddressV4, back.AddressV6));
        Assert.Equal(message.Routes, back.Routes);
    }

    [Fact]
    public void Close()
    {
        byte[] wire = Hex.Bytes("1f 000006 | 0004 | 0002 6e6f");
        Assert.Equal(wire, new CloseMessage(CloseReason.NotPermitted, "no").Encode());
        Assert.Equal(new CloseMessage(CloseReason.NotPermitted, "no"), CloseMessage.Decode(wire.AsSpan(4)));
    }

    [Fact]
    public void Ping_and_pong()
    {
        byte[] wire = Hex.Bytes("11 000008 | 0102030405060708");
        Assert.Equal(wire, PingMessage.Encode(FrameType.Ping, 0x0102030405060708));
        Assert.Equal(Hex.Bytes("12 000008 | 0102030405060708"), PingMessage.Encode(FrameType.Pong, 0x0102030405060708));
        Assert.Equal(0x0102030405060708UL, PingMessage.Decode(wire.AsSpan(4)));
    }

    [Fact]
    public void Header_of_the_longest_frame()
    {
        byte[] header = new byte[4];
        FrameHeader.Write(header, FrameType.Packet, ProtocolConstants.OffloadSize + ProtocolConstants.MaxPacketSize);
        Assert.Equal(Hex.Bytes("10 01002f"), header);
        Assert.Equal(65583, FrameHeader.BodyLength(header));
    }

    /// <summary>The numbers are on the wire: each is written down once more here.</summary>
    [Fact]
    public void Relay()
    {
        //           type length | 3 "gw2"      | 443
        byte[] wire = Hex.Bytes("04 000007 | 0003 677732 | 01bb");
        Assert.Equal(wire, new RelayMessage("gw2", 443).Encode());
        Assert.Equal(new RelayMessage("gw2", 443), RelayMessage.Decode(wire.AsSpan(4)));
        Assert.Equal(Hex.Bytes("84 000000"), RelayedMessage.Encode());
    }

    [Fact]
    public void Register()
    {
        //           type length | 5 "inner"
        byte[] wire = Hex.Bytes("06 000007 | 0005 696e6e6572");
        Assert.Equal(wire, new RegisterMessage("inner").Encode());
        Assert.Equal(new RegisterMessage("inner"), RegisterMessage.Decode(wire.AsSpan(4)));
        Assert.Equal(Hex.Bytes("86 000000"), RegisteredMessage.Encode());
        byte[] token = [.. Enumerable.Range(0, 16).Select(i => (byte)i)];
        Assert.Equal(Hex.Bytes("87 000010 | 00010203 04050607 08090a0b 0c0d0e0f"), CallMessage.Encode(FrameType.Incoming, token));
        Assert.Equal(Hex.Bytes("07 000010 | 00010203 04050607 08090a0b 0c0d0e0f"), CallMessage.Encode(FrameType.Accept, token));
        Assert.Equal(token, CallMessage.Decode(token));
        Assert.Throws<ProtocolException>(() => CallMessage.Decode(token.AsSpan(1)));
        Assert.Throws<ProtocolException>(() => CallMessage.Decode([.. token, 0]));
    }

    [Fact]
    public void Reasons_and_types_keep_their_numbers()
    {
        Assert.Equal([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], Enum.GetValues<CloseReason>().Select(r => (int)r));
        Assert.Equal(["Normal", "ProtocolError", "Version", "AuthenticationFailed", "NotPermitted", "NoAddress", "TooManySessions", "Disconnected",
            "ShuttingDown", "Timeout", "InternalError", "Unreachable", "Resumed"], Enum.GetNames<CloseReason>());
        Assert.Equal([0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x10, 0x11, 0x12, 0x1f, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87], Enum.GetValues<FrameType>().Select(t => (int)t));
    }
}
