namespace PersonalVpn.Tunnel.Protocol;

/// <summary>The first byte of a frame. 0x01..0x0f from the client, 0x81..0x8f from the server, 0x10..0x1f either way.</summary>
public enum FrameType : byte
{
    /// <summary>Never sent.</summary>
    None = 0,

    /// <summary>Client: versions, user name, nonce.</summary>
    Hello = 0x01,

    /// <summary>Client: key and signature.</summary>
    Auth = 0x02,

    /// <summary>Client: destinations wanted, addresses to avoid. May be repeated until the first packet.</summary>
    Open = 0x03,

    /// <summary>Client, instead of Open: a place to relay this session's bytes to.</summary>
    Relay = 0x04,

    /// <summary>Client, instead of Auth: a resumption ticket and the proof that it is the client's own.</summary>
    Resume = 0x05,

    /// <summary>Client that is a server itself, instead of Open: the name under which others may reach it through this one.</summary>
    Register = 0x06,

    /// <summary>Client that registered, in a connection of its own: takes the caller that an Incoming announced.</summary>
    Accept = 0x07,

    /// <summary>Either: offload metadata and one IP packet (or TCP superpacket).</summary>
    Packet = 0x10,

    /// <summary>Either: are you there?</summary>
    Ping = 0x11,

    /// <summary>Either: the same eight bytes back.</summary>
    Pong = 0x12,

    /// <summary>Either: the reason for what follows, the end of the connection.</summary>
    Close = 0x1f,

    /// <summary>Server: version chosen, nonce, banner.</summary>
    HelloReply = 0x81,

    /// <summary>Server: accepted or not, tries left.</summary>
    AuthResult = 0x82,

    /// <summary>Server: inner addresses, MTU, keep-alive, routes.</summary>
    Config = 0x83,

    /// <summary>Server: the relayed connection stands; what follows are its bytes.</summary>
    Relayed = 0x84,

    /// <summary>Server, after an AUTH_RESULT that accepted: tickets for later logins of the same session.</summary>
    Ticket = 0x85,

    /// <summary>Server: the name is the client's.</summary>
    Registered = 0x86,

    /// <summary>Server, to a client that registered: somebody asks for it; the token for Accept.</summary>
    Incoming = 0x87,
}

/// <summary>Why a connection ends; the text beside it says what to do.</summary>
public enum CloseReason : ushort
{
    /// <summary>Asked for by the user or by a clean shutdown.</summary>
    Normal = 0,

    /// <summary>A frame or message was malformed, oversized or out of order.</summary>
    ProtocolError = 1,

    /// <summary>No common protocol version.</summary>
    Version = 2,

    /// <summary>User authentication failed or was not completed in time.</summary>
    AuthenticationFailed = 3,

    /// <summary>A destination asked for is not permitted.</summary>
    NotPermitted = 4,

    /// <summary>The address pool is used up, or the address wanted is taken.</summary>
    NoAddress = 5,

    /// <summary>MaxSessions or MaxSessionsPerUser is reached.</summary>
    TooManySessions = 6,

    /// <summary>An administrator ended the session.</summary>
    Disconnected = 7,

    /// <summary>The server shuts down.</summary>
    ShuttingDown = 8,

    /// <summary>The peer did not answer keep-alives.</summary>
    Timeout = 9,

    /// <summary>Something inside the server failed; its log says what.</summary>
    InternalError = 10,

    /// <summary>A hop cannot reach the next gateway now; later it may.</summary>
    Unreachable = 11,

    /// <summary>Another connection resumed this session.</summary>
    Resumed = 12,
}
