namespace PersonalVpn.Cli.Session;

/// <summary>
/// Where the user's packets come from and go to on this host. Packets are PACKET frames as on the wire, so that they are handed on
/// without being touched. Used by the packet loop's thread alone.
/// </summary>
internal interface IPacketPort
{
    /// <summary>The descriptor to watch for packets.</summary>
    int Fd { get; }

    /// <summary>Takes one packet if there is one; never waits.</summary>
    /// <param name="frame">Room for the largest frame.</param>
    /// <returns>Length of the frame; 0 when there is none; negative when the port is closed.</returns>
    int Receive(Span<byte> frame);

    /// <summary>Delivers one packet. A packet that is refused is gone.</summary>
    /// <param name="frame">A whole PACKET frame from the server; its bytes may be changed.</param>
    /// <returns>False when the port is closed.</returns>
    bool Send(Span<byte> frame);
}
