namespace PersonalVpn.Tunnel.Protocol;

/// <summary>What both ends must agree on (docs/protocol.md). Specification first, then limits of this implementation.</summary>
public static class ProtocolConstants
{
    // ---- the specification -------------------------------------------------------------------------------------

    /// <summary>The protocol version. Negotiated in HELLO: the highest both sides know. 1 was without TICKET.</summary>
    public const ushort Version = 2;

    /// <summary>ALPN protocol id (RFC 7301) that tells a tunnel from a browser on the same port.</summary>
    public const string Alpn = "pvpn/1";

    /// <summary>The default TCP port: looks like, and is, ordinary TLS.</summary>
    public const int DefaultPort = 443;

    /// <summary>Bytes of a nonce in HELLO and HELLO_REPLY.</summary>
    public const int NonceSize = 32;

    /// <summary>Bytes of the token in INCOMING and ACCEPT.</summary>
    public const int CallTokenSize = 16;

    /// <summary>type(1) + length(3).</summary>
    public const int FrameHeaderSize = 4;

    /// <summary>Offload metadata that precedes every packet.</summary>
    public const int OffloadSize = 8;

    /// <summary>Frame header and offload metadata: what stands before the first byte of an IP packet.</summary>
    public const int PacketPrefixSize = FrameHeaderSize + OffloadSize;

    /// <summary>Largest IP packet in a frame: an IPv6 header and a full 16-bit payload length.</summary>
    public const int MaxPacketSize = 40 + 65535;

    /// <summary>Largest PACKET frame, header included.</summary>
    public const int MaxPacketFrameSize = PacketPrefixSize + MaxPacketSize;

    /// <summary>Largest body of any other frame.</summary>
    public const int MaxControlBody = 16 * 1024;

    // ---- limits of this implementation -------------------------------------------------------------------------

    /// <summary>Longest user name, bytes of UTF-8.</summary>
    public const int MaxUserName = 64;

    /// <summary>Longest software or host name, bytes of UTF-8.</summary>
    public const int MaxName = 255;

    /// <summary>Longest banner or close text, bytes of UTF-8.</summary>
    public const int MaxText = 2048;

    /// <summary>Longest public key or signature: RSA 16384 bits with room to spare.</summary>
    public const int MaxKeyBlob = 4096;

    /// <summary>Most routes in one CONFIG, and most destinations in one OPEN.</summary>
    public const int MaxRoutes = 256;

    /// <summary>Most addresses a client may ask the server to avoid.</summary>
    public const int MaxAvoid = 16;

    /// <summary>Signatures a client may try in one connection (sshd's MaxAuthTries).</summary>
    public const int MaxAuthTries = 6;

    /// <summary>Longest resumption ticket, bytes.</summary>
    public const int MaxTicket = 1024;

    /// <summary>Most tickets in one TICKET.</summary>
    public const int MaxTickets = 8;

    /// <summary>The MTU inside the tunnel. The transport is a byte stream, so the inner path alone limits it.</summary>
    public const int DefaultMtu = 1500;
}
