namespace PersonalVpn.Tunnel.Protocol;

/// <summary>
/// REGISTER, instead of OPEN: <c>text name</c>. The client is a server that nobody can connect to; from REGISTERED on, users of this
/// server may ask for it by that name, and it hears of each by an INCOMING. The connection carries PING, PONG and CLOSE beside.
/// </summary>
public sealed record RegisterMessage(string Name)
{
    /// <summary>Encodes the frame.</summary>
    public byte[] Encode() => new WireWriter(FrameType.Register).Text(Name).Finish();

    /// <summary>Decodes a body or throws <see cref="ProtocolException"/>.</summary>
    public static RegisterMessage Decode(ReadOnlySpan<byte> body)
    {
        var r = new WireReader(body);
        var m = new RegisterMessage(r.Text(ProtocolConstants.MaxName));
        r.End();
        return m;
    }
}

/// <summary>REGISTERED: the name is the client's. Empty. A refusal is a CLOSE.</summary>
public static class RegisteredMessage
{
    /// <summary>Encodes the frame.</summary>
    public static byte[] Encode() => new WireWriter(FrameType.Registered).Finish();
}

/// <summary>
/// INCOMING, and ACCEPT in the connection that answers it: 16 bytes, the token that joins the two. It is good once, for ten seconds,
/// for the user and key that registered.
/// </summary>
public static class CallMessage
{
    /// <summary>Encodes either frame.</summary>
    public static byte[] Encode(FrameType type, ReadOnlySpan<byte> token) => new WireWriter(type).Fixed(token).Finish();

    /// <summary>Decodes either body or throws <see cref="ProtocolException"/>.</summary>
    public static byte[] Decode(ReadOnlySpan<byte> body)
    {
        var r = new WireReader(body);
        byte[] token = r.Fixed(ProtocolConstants.CallTokenSize).ToArray();
        r.End();
        return token;
    }
}
