namespace PersonalVpn.Tunnel.Protocol;

/// <summary>
/// The four bytes before every frame body:
/// <code>
///  0               1               2               3
///  +---------------+-----------------------------------------------+
///  |  type         |  length of the body, network order            |
///  +---------------+-----------------------------------------------+
/// </code>
/// </summary>
public static class FrameHeader
{
    /// <summary>Writes the header.</summary>
    public static void Write(Span<byte> destination, FrameType type, int bodyLength)
    {
        destination[3] = (byte)bodyLength;
        destination[2] = (byte)(bodyLength >> 8);
        destination[1] = (byte)(bodyLength >> 16);
        destination[0] = (byte)type;
    }

    /// <summary>The length field.</summary>
    public static int BodyLength(ReadOnlySpan<byte> header) => header[1] << 16 | header[2] << 8 | header[3];

    /// <summary>The largest body a frame of this type may have, or -1 for a type that does not exist.</summary>
    public static int MaxBody(FrameType type) => type switch
    {
        FrameType.Packet => ProtocolConstants.OffloadSize + ProtocolConstants.MaxPacketSize,
        FrameType.Ping or FrameType.Pong => 8,
        FrameType.Hello or FrameType.Auth or FrameType.Open or FrameType.Close or
            FrameType.Relay or FrameType.Resume or FrameType.Register or FrameType.HelloReply or FrameType.AuthResult or FrameType.Config or
            FrameType.Ticket => ProtocolConstants.MaxControlBody,
        FrameType.Relayed or FrameType.Registered => 0,
        FrameType.Accept or FrameType.Incoming => ProtocolConstants.CallTokenSize,
        _ => -1,
    };
}
