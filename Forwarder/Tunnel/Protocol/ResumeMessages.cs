using System.Security.Cryptography;
using System.Text;

namespace PersonalVpn.Tunnel.Protocol;

/// <summary>What a client needs to log in once more without a key.</summary>
/// <param name="Sealed">The ticket, readable by the server that made it alone.</param>
/// <param name="Secret">32 bytes that prove possession; never sent by the client. Whoever holds one zeroes it when it is done.</param>
public sealed record ResumptionTicket(byte[] Sealed, byte[] Secret)
{
    /// <summary>Bytes of a secret and of a proof.</summary>
    public const int SecretSize = 32;

    /// <summary>
    /// The proof for one connection: <c>HMAC-SHA256(secret, "personalvpn-resume-v1" | u8 version | server nonce | client nonce |
    /// certificate hash | user name)</c>. Everything before the name has a fixed length. Bound to both nonces and to the server's
    /// certificate, as a key's signature is: what one server was told is worth nothing to another, nor a second time.
    /// </summary>
    /// <param name="secret">The ticket's secret.</param>
    /// <param name="version">Protocol version of this connection.</param>
    /// <param name="serverNonce">32 bytes of HELLO_REPLY.</param>
    /// <param name="clientNonce">32 bytes of HELLO.</param>
    /// <param name="certificateHash">SHA-256 of the server's certificate.</param>
    /// <param name="user">User name of HELLO.</param>
    public static byte[] Prove(ReadOnlySpan<byte> secret, byte version, ReadOnlySpan<byte> serverNonce, ReadOnlySpan<byte> clientNonce,
        ReadOnlySpan<byte> certificateHash, string user)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(serverNonce.Length, ProtocolConstants.NonceSize);
        ArgumentOutOfRangeException.ThrowIfNotEqual(clientNonce.Length, ProtocolConstants.NonceSize);
        ArgumentOutOfRangeException.ThrowIfNotEqual(certificateHash.Length, SHA256.HashSizeInBytes);
        using var hmac = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, secret);
        hmac.AppendData("personalvpn-resume-v1"u8);
        hmac.AppendData([version]);
        hmac.AppendData(serverNonce);
        hmac.AppendData(clientNonce);
        hmac.AppendData(certificateHash);
        hmac.AppendData(Encoding.UTF8.GetBytes(user));
        return hmac.GetHashAndReset();
    }
}

/// <summary>RESUME, instead of AUTH: <c>bytes ticket, 32 proof</c> (<see cref="ResumptionTicket.Prove"/>). Answered by AUTH_RESULT.</summary>
public sealed record ResumeMessage(byte[] Sealed, byte[] Proof)
{
    /// <summary>Encodes the frame.</summary>
    public byte[] Encode() => new WireWriter(FrameType.Resume).Bytes(Sealed).Fixed(Proof).Finish();

    /// <summary>Decodes a body or throws <see cref="ProtocolException"/>.</summary>
    public static ResumeMessage Decode(ReadOnlySpan<byte> body)
    {
        var r = new WireReader(body);
        var m = new ResumeMessage(r.Bytes(ProtocolConstants.MaxTicket).ToArray(), r.Fixed(ResumptionTicket.SecretSize).ToArray());
        r.End();
        return m;
    }
}

/// <summary>
/// TICKET, after every AUTH_RESULT that accepted: <c>u8 n, n x (bytes ticket, 32 secret)</c>. None when the server resumes nothing;
/// more than one because an answer may be lost with the connection, and its ticket with it.
/// </summary>
public sealed record TicketMessage(IReadOnlyList<ResumptionTicket> Tickets)
{
    /// <summary>Encodes the frame.</summary>
    public byte[] Encode()
    {
        WireWriter w = new WireWriter(FrameType.Ticket).U8(checked((byte)Tickets.Count));
        foreach (ResumptionTicket t in Tickets) w.Bytes(t.Sealed).Fixed(t.Secret);
        return w.Finish();
    }

    /// <summary>Decodes a body or throws <see cref="ProtocolException"/>.</summary>
    public static TicketMessage Decode(ReadOnlySpan<byte> body)
    {
        var r = new WireReader(body);
        int n = r.U8();
        if (n > ProtocolConstants.MaxTickets) throw new ProtocolException("TICKET brings too many tickets");
        var tickets = new List<ResumptionTicket>(n);
        for (int i = 0; i < n; i++)
            tickets.Add(new ResumptionTicket(r.Bytes(ProtocolConstants.MaxTicket).ToArray(), r.Fixed(ResumptionTicket.SecretSize).ToArray()));
        r.End();
        return new TicketMessage(tickets);
    }
}
