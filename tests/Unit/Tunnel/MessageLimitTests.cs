using PersonalVpn.Packets;
using PersonalVpn.Tunnel.Protocol;
using PersonalVpn.Unit.Support;
using Xunit;

namespace PersonalVpn.Unit.TunnelTests;

/// <summary>What a peer may not send. Each refusal is a <see cref="ProtocolException"/> with a text that can be logged as it is.</summary>
public sealed class MessageLimitTests
{
    private static readonly byte[] Nonce = new byte[32];

    private delegate object Decoder(ReadOnlySpan<byte> body);

    private static readonly Dictionary<FrameType, (byte[] Body, Decoder Decode)> Messages = new()
    {
        [FrameType.Hello] = (Body(new HelloMessage(1, 1, "alice", Nonce, "pvpn").Encode()), b => HelloMessage.Decode(b)),
        [FrameType.HelloReply] = (Body(new HelloReplyMessage(1, Nonce, "s", "b").Encode()), b => HelloReplyMessage.Decode(b)),
        [FrameType.Auth] = (Body(new AuthMessage("ssh-rsa", [1], [2]).Encode()), b => AuthMessage.Decode(b)),
        [FrameType.AuthResult] = (Body(new AuthResultMessage(true, 1).Encode()), b => AuthResultMessage.Decode(b)),
        [FrameType.Open] = (Body(new OpenMessage([IpAddr.Parse("10.0.0.1")], [IpPrefix.AllV6]).Encode()), b => OpenMessage.Decode(b)),
        [FrameType.Config] = (Body(new ConfigMessage(IpAddr.Parse("10.0.0.1"), IpAddr.Parse("fd00::1"), 1500, 1, 1, [IpPrefix.AllV4]).Encode()), b => ConfigMessage.Decode(b)),
        [FrameType.Close] = (Body(new CloseMessage(CloseReason.Normal, "bye").Encode()), b => CloseMessage.Decode(b)),
        [FrameType.Ping] = (Body(PingMessage.Encode(FrameType.Ping, 1)), b => PingMessage.Decode(b)),
    };

    public static TheoryData<FrameType> Types => [.. Messages.Keys];

    [Theory]
    [MemberData(nameof(Types))]
    public void A_message_cut_anywhere_is_refused(FrameType type)
    {
        (byte[] body, Decoder decode) = Messages[type];
        for (int length = 0; length < body.Length; length++) Refused(decode, body[..length]);
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void A_message_with_something_behind_it_is_refused(FrameType type)
    {
        (byte[] body, Decoder decode) = Messages[type];
        ProtocolException e = Refused(decode, [.. body, 0]);
        Assert.Equal("1 bytes too many in a message", e.Message);
    }

    [Fact]
    public void User_names_end_at_64_bytes()
    {
        string longest = new('é', 32);
        Assert.Equal(longest, HelloMessage.Decode(Hello(Hex.Text(longest))).User);
        Assert.Contains("66 bytes where at most 64", Refused(b => HelloMessage.Decode(b), Hello(Hex.Text(longest + "é"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Software_names_end_at_255_bytes() =>
        Refused(b => HelloMessage.Decode(b), Hex.Join([0, 1, 0, 1], Hex.Text("a"), Nonce, Hex.Text(new string('s', 256))));

    [Fact]
    public void Banners_and_close_texts_end_at_2048_bytes()
    {
        string longest = new('b', 2048);
        Assert.Equal(longest, HelloReplyMessage.Decode(Hex.Join([0, 1], Nonce, Hex.Text("s"), Hex.Text(longest))).Banner);
        Refused(b => HelloReplyMessage.Decode(b), Hex.Join([0, 1], Nonce, Hex.Text("s"), Hex.Text(longest + "b")));
        Refused(b => CloseMessage.Decode(b), Hex.Join([0, 1], Hex.Text(longest + "b")));
    }

    [Fact]
    public void Keys_and_signatures_end_at_4096_bytes()
    {
        byte[] longest = new byte[4096];
        Assert.Equal(longest, AuthMessage.Decode(Hex.Join(Hex.Text("a"), Hex.Counted(longest), Hex.Counted(longest))).Signature);
        Refused(b => AuthMessage.Decode(b), Hex.Join(Hex.Text("a"), Hex.Counted(new byte[4097]), Hex.Counted()));
        Refused(b => AuthMessage.Decode(b), Hex.Join(Hex.Text("a"), Hex.Counted(), Hex.Counted(new byte[4097])));
    }

    /// <summary>The limit is judged before the bytes are: a count alone is enough to be refused.</summary>
    [Fact]
    public void A_count_beyond_its_limit_is_refused_without_its_bytes()
    {
        Assert.Contains("65535 bytes where at most 255", Refused(b => AuthMessage.Decode(b), [0xff, 0xff]).Message, StringComparison.Ordinal);
        Assert.Contains("257 routes", Refused(b => OpenMessage.Decode(b), [0, 1, 1]).Message, StringComparison.Ordinal);
        Assert.Contains("65535 routes", Refused(b => ConfigMessage.Decode(b), [0, 0, 5, 0xdc, 0, 1, 1, 0xff, 0xff]).Message, StringComparison.Ordinal);
        Refused(b => OpenMessage.Decode(b), [17]);
    }

    [Fact]
    public void As_many_routes_and_avoided_addresses_as_allowed()
    {
        IpPrefix[] routes = [.. Enumerable.Range(0, 256).Select(i => IpPrefix.Parse($"fd00:{i:x}::/32"))];
        IpAddr[] avoid = [.. Enumerable.Range(0, 16).Select(i => IpAddr.Parse($"fd00::{i + 1:x}"))];
        byte[] frame = new OpenMessage(avoid, routes).Encode();
        Assert.True(frame.Length <= ProtocolConstants.MaxControlBody);
        OpenMessage back = OpenMessage.Decode(frame.AsSpan(4));
        Assert.Equal(routes, back.Destinations);
        Assert.Equal(avoid, back.Avoid);
    }

    [Theory]
    [InlineData("c3", "not UTF-8")] // cut off
    [InlineData("ff", "not UTF-8")]
    [InlineData("c080", "not UTF-8")] // overlong
    [InlineData("eda080", "not UTF-8")] // surrogate
    [InlineData("61 00 62", "control characters")]
    [InlineData("1b 5b 32 4a", "control characters")] // clears a terminal
    [InlineData("0d", "control characters")]
    [InlineData("c285", "control characters")] // next line
    public void Texts_are_clean_utf8(string bytes, string problem)
    {
        byte[] text = Hex.Bytes(bytes);
        Assert.Contains(problem, Refused(b => CloseMessage.Decode(b), Hex.Join([0, 1], Hex.Counted(text))).Message, StringComparison.Ordinal);
        Refused(b => HelloMessage.Decode(b), Hello(Hex.Counted(text)));
    }

    [Theory]
    [InlineData("04 0a000001 08", "host bits")]
    [InlineData("10 fd000000 00000000 00000000 00000001 40", "host bits")]
    [InlineData("04 0a000000 21", "prefix length of 33")]
    [InlineData("10 fd000000 00000000 00000000 00000000 81", "prefix length of 129")]
    [InlineData("00", "without an address")]
    [InlineData("06 0a0000000000 08", "an address of 6 bytes")]
    public void Prefixes_are_canonical(string prefix, string problem)
    {
        byte[] bytes = Hex.Bytes(prefix);
        Assert.Contains(problem, Refused(b => OpenMessage.Decode(b), Hex.Join([0, 0, 1], bytes)).Message, StringComparison.Ordinal);
        Assert.Contains(problem, Refused(b => ConfigMessage.Decode(b), Hex.Join([0, 0, 5, 0xdc, 0, 1, 1, 0, 1], bytes)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Config_has_each_family_in_its_place()
    {
        Refused(b => ConfigMessage.Decode(b), Hex.Bytes("10 fd000000 00000000 00000000 00000001 | 00 | 05dc 0001 01 0000"));
        Refused(b => ConfigMessage.Decode(b), Hex.Bytes("00 | 04 0a000001 | 05dc 0001 01 0000"));
    }

    [Fact]
    public void Open_avoids_addresses_not_nothing() => Refused(b => OpenMessage.Decode(b), Hex.Bytes("01 00 0000"));

    [Fact]
    public void Auth_result_is_yes_or_no() => Refused(b => AuthResultMessage.Decode(b), [2, 0]);

    /// <summary>A reason must arrive even where its text was made from something long or strange.</summary>
    [Fact]
    public void A_close_text_is_made_sendable()
    {
        string text = "routes:\t" + string.Concat(Enumerable.Repeat("é", 5000)) + "\0";
        CloseMessage back = CloseMessage.Decode(new CloseMessage(CloseReason.NotPermitted, text).Encode().AsSpan(4));
        Assert.StartsWith("routes: é", back.Text, StringComparison.Ordinal);
        Assert.Equal(2048, System.Text.Encoding.UTF8.GetByteCount(back.Text));
        CloseMessage broken = CloseMessage.Decode(new CloseMessage(CloseReason.Normal, "half \ud83d of a pair").Encode().AsSpan(4));
        Assert.Equal("half \ufffd of a pair", broken.Text);
    }

    private static byte[] Hello(byte[] user) => Hex.Join([0, 1, 0, 1], user, Nonce, Hex.Text("s"));

    private static byte[] Body(byte[] frame) => frame[4..];

    private static ProtocolException Refused(Decoder decode, byte[] body)
    {
        ProtocolException e = Assert.Throws<ProtocolException>(() => decode(body));
        Assert.DoesNotContain(e.Message, char.IsControl);
        return e;
    }
}
