using System.Text;
using PersonalVpn.Packets;

namespace PersonalVpn.Tunnel.Protocol;

/// <summary>HELLO, the client's first frame: <c>u16 min, u16 max, text user, 32 nonce, text software</c>.</summary>
public sealed record HelloMessage(ushort MinVersion, ushort MaxVersion, string User, byte[] Nonce, string Software)
{
    /// <summary>Encodes the frame.</summary>
    public byte[] Encode() => new WireWriter(FrameType.Hello)
        .U16(MinVersion).U16(MaxVersion).Text(User).Fixed(Nonce).Text(Software).Finish();

    /// <summary>Decodes a body or throws <see cref="ProtocolException"/>.</summary>
    public static HelloMessage Decode(ReadOnlySpan<byte> body)
    {
        var r = new WireReader(body);
        var m = new HelloMessage(r.U16(), r.U16(), r.Text(ProtocolConstants.MaxUserName),
            r.Fixed(ProtocolConstants.NonceSize).ToArray(), r.Text(ProtocolConstants.MaxName));
        r.End();
        return m;
    }
}

/// <summary>HELLO_REPLY: <c>u16 version, 32 nonce, text software, text banner</c>.</summary>
public sealed record HelloReplyMessage(ushort Version, byte[] Nonce, string Software, string Banner)
{
    /// <summary>Encodes the frame.</summary>
    public byte[] Encode() => new WireWriter(FrameType.HelloReply).U16(Version).Fixed(Nonce).Text(Software).Text(Banner).Finish();

    /// <summary>Decodes a body or throws <see cref="ProtocolException"/>.</summary>
    public static HelloReplyMessage Decode(ReadOnlySpan<byte> body)
    {
        var r = new WireReader(body);
        var m = new HelloReplyMessage(r.U16(), r.Fixed(ProtocolConstants.NonceSize).ToArray(),
            r.Text(ProtocolConstants.MaxName), r.Text(ProtocolConstants.MaxText));
        r.End();
        return m;
    }
}

/// <summary>AUTH: <c>text algorithm, bytes key blob, bytes signature</c> (what is signed: docs/protocol.md, "User authentication").</summary>
public sealed record AuthMessage(string Algorithm, byte[] KeyBlob, byte[] Signature)
{
    /// <summary>Encodes the frame.</summary>
    public byte[] Encode() => new WireWriter(FrameType.Auth).Text(Algorithm).Bytes(KeyBlob).Bytes(Signature).Finish();

    /// <summary>Decodes a body or throws <see cref="ProtocolException"/>.</summary>
    public static AuthMessage Decode(ReadOnlySpan<byte> body)
    {
        var r = new WireReader(body);
        var m = new AuthMessage(r.Text(ProtocolConstants.MaxName), r.Bytes(ProtocolConstants.MaxKeyBlob).ToArray(),
            r.Bytes(ProtocolConstants.MaxKeyBlob).ToArray());
        r.End();
        return m;
    }
}

/// <summary>AUTH_RESULT: <c>u8 accepted, u8 tries left</c>. One answer for every cause of refusal.</summary>
public sealed record AuthResultMessage(bool Accepted, byte TriesLeft)
{
    /// <summary>Encodes the frame.</summary>
    public byte[] Encode() => new WireWriter(FrameType.AuthResult).U8(Accepted ? (byte)1 : (byte)0).U8(TriesLeft).Finish();

    /// <summary>Decodes a body or throws <see cref="ProtocolException"/>.</summary>
    public static AuthResultMessage Decode(ReadOnlySpan<byte> body)
    {
        var r = new WireReader(body);
        byte accepted = r.U8();
        if (accepted > 1) throw new ProtocolException("AUTH_RESULT is neither yes nor no");
        var m = new AuthResultMessage(accepted == 1, r.U8());
        r.End();
        return m;
    }
}

/// <summary>
/// OPEN: <c>u8 n, n x address to avoid, u16 n, n x prefix wanted</c>. No prefix = what the server pushes. Avoided addresses
/// are those already in use on the client's host.
/// </summary>
public sealed record OpenMessage(IReadOnlyList<IpAddr> Avoid, IReadOnlyList<IpPrefix> Destinations)
{
    /// <summary>Encodes the frame.</summary>
    public byte[] Encode()
    {
        var w = new WireWriter(FrameType.Open).U8(checked((byte)Avoid.Count));
        foreach (IpAddr a in Avoid) w.Address(a);
        w.U16(checked((ushort)Destinations.Count));
        foreach (IpPrefix p in Destinations) w.Prefix(p);
        return w.Finish();
    }

    /// <summary>Decodes a body or throws <see cref="ProtocolException"/>.</summary>
    public static OpenMessage Decode(ReadOnlySpan<byte> body)
    {
        var r = new WireReader(body);
        int n = r.U8();
        if (n > ProtocolConstants.MaxAvoid) throw new ProtocolException("OPEN avoids too many addresses");
        var avoid = new List<IpAddr>(n);
        for (int i = 0; i < n; i++) avoid.Add(r.Address() ?? throw new ProtocolException("OPEN avoids no address"));
        List<IpPrefix> destinations = ConfigMessage.ReadPrefixes(ref r);
        r.End();
        return new OpenMessage(avoid, destinations);
    }
}

/// <summary>
/// CONFIG: <c>address v4 or none, address v6 or none, u16 mtu, u16 keep-alive seconds, u8 keep-alive count, u16 n, n x route</c>.
/// </summary>
public sealed record ConfigMessage(IpAddr? AddressV4, IpAddr? AddressV6, ushort Mtu, ushort KeepAliveSeconds, byte KeepAliveCount,
    IReadOnlyList<IpPrefix> Routes)
{
    /// <summary>Encodes the frame.</summary>
    public byte[] Encode()
    {
        var w = new WireWriter(FrameType.Config).Address(AddressV4).Address(AddressV6).U16(Mtu)
            .U16(KeepAliveSeconds).U8(KeepAliveCount).U16(checked((ushort)Routes.Count));
        foreach (IpPrefix p in Routes) w.Prefix(p);
        return w.Finish();
    }

    /// <summary>Decodes a body or throws <see cref="ProtocolException"/>.</summary>
    public static ConfigMessage Decode(ReadOnlySpan<byte> body)
    {
        var r = new WireReader(body);
        IpAddr? v4 = r.Address(), v6 = r.Address();
        if (v4 is { IsV6: true } || v6 is { IsV6: false }) throw new ProtocolException("CONFIG has an address of the wrong family");
        ushort mtu = r.U16(), seconds = r.U16();
        byte count = r.U8();
        List<IpPrefix> routes = ReadPrefixes(ref r);
        r.End();
        return new ConfigMessage(v4, v6, mtu, seconds, count, routes);
    }

    internal static List<IpPrefix> ReadPrefixes(ref WireReader r)
    {
        int n = r.U16();
        if (n > ProtocolConstants.MaxRoutes) throw new ProtocolException($"{n} routes where at most {ProtocolConstants.MaxRoutes} are allowed");
        var prefixes = new List<IpPrefix>(n);
        for (int i = 0; i < n; i++) prefixes.Add(r.Prefix());
        return prefixes;
    }
}

/// <summary>CLOSE: <c>u16 reason, text</c>.</summary>
public sealed record CloseMessage(CloseReason Reason, string Text)
{
    /// <summary>Encodes the frame; a text that is too long loses its end.</summary>
    public byte[] Encode() => new WireWriter(FrameType.Close).U16((ushort)Reason).Text(Sendable(Text)).Finish();

    // The reason must arrive, whatever the text was made from: what the peer would refuse is left out.
    private static string Sendable(string text)
    {
        var builder = new StringBuilder(Math.Min(text.Length, ProtocolConstants.MaxText));
        int bytes = 0;
        foreach (Rune rune in text.EnumerateRunes())
        {
            bytes += rune.Utf8SequenceLength;
            if (bytes > ProtocolConstants.MaxText) break;
            builder.Append(Rune.IsControl(rune) && rune.Value != '\n' ? " " : rune.ToString());
        }
        return builder.ToString();
    }

    /// <summary>Decodes a body or throws <see cref="ProtocolException"/>.</summary>
    public static CloseMessage Decode(ReadOnlySpan<byte> body)
    {
        var r = new WireReader(body);
        var m = new CloseMessage((CloseReason)r.U16(), r.Text(ProtocolConstants.MaxText));
        r.End();
        return m;
    }
}

/// <summary>PING and PONG: eight bytes that come back unchanged.</summary>
public static class PingMessage
{
    /// <summary>Encodes either frame.</summary>
    public static byte[] Encode(FrameType type, ulong token) => new WireWriter(type).U64(token).Finish();

    /// <summary>Decodes either body or throws <see cref="ProtocolException"/>.</summary>
    public static ulong Decode(ReadOnlySpan<byte> body)
    {
        var r = new WireReader(body);
        ulong token = r.U64();
        r.End();
        return token;
    }
}
