using System.Net.Security;

namespace PersonalVpn.Tunnel.Protocol;

/// <summary>
/// Reads and writes control frames one at a time over an authenticated TLS stream, for the part of a connection before
/// packets flow. What was read beyond the last frame stays in <see cref="Buffer"/>, which the packet path takes over.
/// </summary>
public sealed class ControlChannel(SslStream tls, FrameBuffer buffer)
{
    /// <summary>The bytes read so far and not yet used.</summary>
    public FrameBuffer Buffer { get; } = buffer;

    /// <summary>Writes a finished frame and pushes it out.</summary>
    public async Task SendAsync(byte[] frame, CancellationToken cancel)
    {
        await tls.WriteAsync(frame, cancel).ConfigureAwait(false);
        await tls.FlushAsync(cancel).ConfigureAwait(false);
    }

    /// <summary>
    /// Reads the next frame, which must be of type <paramref name="expected"/> or one of <paramref name="alternatives"/>; a CLOSE becomes
    /// a <see cref="PeerClosedException"/>, the end of the stream an <see cref="EndOfStreamException"/>.
    /// </summary>
    public async Task<(FrameType Type, byte[] Body)> ReceiveAsync(FrameType expected, CancellationToken cancel, params FrameType[] alternatives)
    {
        while (true)
        {
            switch (Buffer.TryNext(out FrameType type, out Span<byte> frame))
            {
                case FrameStatus.Frame:
                    byte[] body = frame[ProtocolConstants.FrameHeaderSize..].ToArray();
                    if (type == FrameType.Close && expected != FrameType.Close)
                    {
                        CloseMessage close = CloseMessage.Decode(body);
                        throw new PeerClosedException(close.Reason, close.Text);
                    }
                    if (type != expected && !alternatives.Contains(type))
                        throw new ProtocolException($"frame {type} where {expected} was expected");
                    return (type, body);
                case FrameStatus.Malformed:
                    throw new ProtocolException($"frame of unknown type or too long (type 0x{(byte)type:x2})");
                default:
                    int n = await tls.ReadAsync(Buffer.Space(), cancel).ConfigureAwait(false);
                    if (n == 0) throw new EndOfStreamException("the peer closed the connection");
                    Buffer.Advance(n);
                    break;
            }
        }
    }
}

/// <summary>The peer sent CLOSE; the message is its text.</summary>
public sealed class PeerClosedException : Exception
{
    /// <summary>Creates the error from the peer's CLOSE.</summary>
    public PeerClosedException(CloseReason reason, string text) : base(text) => Reason = reason;

    /// <summary>Creates the error with a text alone.</summary>
    public PeerClosedException(string message) : base(message) { }

    /// <summary>Creates the error with its text and cause.</summary>
    public PeerClosedException(string message, Exception inner) : base(message, inner) { }

    /// <summary>Creates the error without a text; prefer one.</summary>
    public PeerClosedException() { }

    /// <summary>What the peer said.</summary>
    public CloseReason Reason { get; }
}
