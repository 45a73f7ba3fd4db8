namespace PersonalVpn.Tunnel.Protocol;

/// <summary>
/// RELAY, instead of OPEN: <c>text host, u16 port</c>. The server connects there; from its RELAYED on, both directions of this TLS
/// session are that connection's bytes and no frames any more, until either side ends.
/// </summary>
public sealed record RelayMessage(string Host, ushort Port)
{
    /// <summary>Encodes the frame.</summary>
    public byte[] Encode() => new WireWriter(FrameType.Relay).Text(Host).U16(Port).Finish();

    /// <summary>Decodes a body or throws <see cref="ProtocolException"/>.</summary>
    public static RelayMessage Decode(ReadOnlySpan<byte> body)
    {
        var r = new WireReader(body);
        var m = new RelayMessage(r.Text(ProtocolConstants.MaxName), r.U16());
        r.End();
        return m;
    }
}

/// <summary>RELAYED: the connection stands. Empty: where it went is the hop's business. A refusal is a CLOSE.</summary>
public static class RelayedMessage
{
    /// <summary>Encodes the frame.</summary>
    public static byte[] Encode() => new WireWriter(FrameType.Relayed).Finish();
}
