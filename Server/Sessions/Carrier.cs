using PersonalVpn.Linux;

namespace PersonalVpn.Server.Sessions;

/// <summary>What a connection comes in by that did not come to a port of this server's: a TLS session with a gateway that relays it.</summary>
/// <param name="Stream">The session; its bytes are the client's.</param>
/// <param name="Transport">The connection below it.</param>
/// <param name="Gateway">Name of the gateway, for the log.</param>
internal sealed record Carrier(Stream Stream, NonBlockingStream Transport, string Gateway);
