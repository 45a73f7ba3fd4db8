using System.Buffers;
using System.Globalization;
using System.Net.Security;
using System.Text;
using Microsoft.Extensions.Logging;
using PersonalVpn.Linux;
using PersonalVpn.Server.Relay;

namespace PersonalVpn.Server.Web;

/// <summary>
/// A browser, or a probe, on the tunnels' port: a few requests of HTTP/1.1 (RFC 9112), GET and HEAD, then the end. Never more than
/// <see cref="MaxHead"/> of a request and <see cref="MaxPending"/> of an answer are held; each request must be whole within
/// <see cref="RequestTime"/>, however slowly its bytes drip, and each piece of an answer taken within <see cref="TakeTime"/>.
/// </summary>
/// <param name="stream">The TLS session, or the connection itself where the client speaks in the clear.</param>
/// <param name="transport">The connection; it belongs to the caller.</param>
/// <param name="peer">For the log.</param>
/// <param name="root">WebRoot, or null.</param>
/// <param name="log">One line a request.</param>
internal sealed partial class WebConnection(Stream stream, NonBlockingStream transport, string peer, string? root, ILogger log)
{
    private const int MaxHead = 8 * 1024;
    private const int MaxRequests = 16;
    private const int PieceBytes = 64 * 1024;
    private const int MaxPending = 256 * 1024;
    private const int MaxLineInLog = 200;

    private static readonly TimeSpan RequestTime = TimeSpan.FromSeconds(8);
    private static readonly TimeSpan IdleTime = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan TakeTime = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LingerTime = TimeSpan.FromSeconds(1);

    private readonly ILogger _log = log;
    private readonly SendRoom _room = new(transport, onPool: true);
    private readonly byte[] _buffer = new byte[MaxHead];
    private int _have;
    private bool _asked;

    private bool IsClear => stream is not SslStream;

    /// <summary>Answers until the client has enough; the connection's failures end it and nothing else.</summary>
    public async Task RunAsync()
    {
        int answered = 0;
        try
        {
            for (bool more = true; more && answered < MaxRequests; answered++)
            {
                HttpRequest? request = await ReadAsync(answered == 0 ? RequestTime : IdleTime).ConfigureAwait(false);
                if (request is null) break;
                more = request.KeepAlive && answered + 1 < MaxRequests && !IsClear;
                using WebAnswer answer = Answer(request);
                _asked = true;
                LogRequest(peer, Short(request.Line), answer.Status);
                await SendAsync(request, answer, more).ConfigureAwait(false);
            }
            if (!_asked) LogNothing(peer);
            await EndAsync().ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException or TimeoutException or OperationCanceledException)
        {
            if (!_asked) LogNothing(peer);
            LogLost(peer, e.Message);
        }
    }

    private WebAnswer Answer(HttpRequest request)
    {
        // As nginx says it; whoever reads it knows what to do.
        if (IsClear) return WebContent.Error(400, null, request.Status is 0 or 405 ? "The plain HTTP request was sent to HTTPS port" : null);
        if (request.Status != 0) return WebContent.Error(request.Status, request.Status == 405 ? "Allow: GET, HEAD" : null);
        try
        {
            return WebContent.Of(root, request.Path);
        }
        catch (LinuxException e)
        {
            LogRoot(e.Message);
            return WebContent.Error(500);
        }
    }

    // Null when the client has finished, or took too long.
    private async Task<HttpRequest?> ReadAsync(TimeSpan time)
    {
        using var limit = new CancellationTokenSource(time);
        while (true)
        {
            if (TryTake(out HttpRequest? request)) return request;
            if (_have == MaxHead) return HttpRequest.Refuse(_buffer.AsSpan(0, _have).Contains((byte)'\n') ? 431 : 414, Line());
            int n;
            try { n = await stream.ReadAsync(_buffer.AsMemory(_have), limit.Token).ConfigureAwait(false); }
            catch (OperationCanceledException) { return null; }
            if (n == 0) return null;
            // The first bytes of a next request end the idle time.
            if (_have == 0) limit.CancelAfter(RequestTime);
            _have += n;
        }
    }

    private bool TryTake(out HttpRequest? request)
    {
        request = null;
        Span<byte> have = _buffer.AsSpan(0, _have);
        // Empty lines before a request are those of old clients (RFC 9112 section 2.2).
        int start = 0;
        while (start < have.Length && have[start] is (byte)'\r' or (byte)'\n') start++;
        for (int at = start; at < have.Length; at++)
        {
            if (have[at] != '\n') continue;
            int next = at + 1 < have.Length && have[at + 1] == '\r' ? at + 2 : at + 1;
            if (next >= have.Length || have[next] != '\n') continue;
            request = HttpRequest.Parse(have[start..at]);
            have[(next + 1)..].CopyTo(have);
            _have -= next + 1;
            return true;
        }
        // What can be no request is not waited for.
        if (have.Length > start && have[start] is < (byte)'A' or > (byte)'Z')
        {
            request = HttpRequest.Refuse(400, Line());
            return true;
        }
        return false;
    }

    private async Task SendAsync(HttpRequest request, WebAnswer answer, bool more)
    {
        long length = answer.File is { } file ? RandomAccess.GetLength(file) : answer.Body.Length;
        string head = string.Create(CultureInfo.InvariantCulture,
            $"HTTP/1.1 {answer.Status} {WebContent.Phrase(answer.Status)}\r\nDate: {DateTime.UtcNow:R}\r\nContent-Type: {answer.ContentType}\r\nContent-Length: {length}\r\n" +
            $"{(answer.Field is { } field ? field + "\r\n" : "")}Connection: {(more ? "keep-alive" : "close")}\r\n\r\n");
        byte[] start = Encoding.ASCII.GetBytes(head);
        await WriteAsync(request.IsHead || answer.File is not null ? start : [.. start, .. answer.Body]).ConfigureAwait(false);
        if (request.IsHead || answer.File is not { } content) return;
        byte[] piece = ArrayPool<byte>.Shared.Rent(PieceBytes);
        try
        {
            for (long at = 0; at < length;)
            {
                int n = await RandomAccess.ReadAsync(content, piece.AsMemory(0, (int)Math.Min(PieceBytes, length - at)), at).ConfigureAwait(false);
                // Shorter than promised: the end of the connection is the only way left to say so.
                if (n == 0) throw new IOException("the file became shorter while it was sent");
                await WriteAsync(piece.AsMemory(0, n)).ConfigureAwait(false);
                at += n;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(piece);
        }
    }

    private async Task WriteAsync(ReadOnlyMemory<byte> bytes)
    {
        await stream.WriteAsync(bytes).ConfigureAwait(false);
        transport.Push();
        while (transport.PendingBytes > MaxPending) await _room.WaitAsync().WaitAsync(TakeTime).ConfigureAwait(false);
    }

    // What the client still sends is read: closing upon it would reset the connection, and the answer with it.
    private async Task EndAsync()
    {
        if (stream is SslStream tls) await tls.ShutdownAsync().ConfigureAwait(false);
        transport.Push();
        while (transport.PendingBytes > 0) await _room.WaitAsync().WaitAsync(TakeTime).ConfigureAwait(false);
        transport.Socket.ShutdownSend();
        using var limit = new CancellationTokenSource(LingerTime);
        while (await transport.ReadAsync(_buffer, limit.Token).ConfigureAwait(false) > 0) { }
    }

    private string Line()
    {
        ReadOnlySpan<byte> have = _buffer.AsSpan(0, _have).TrimStart("\r\n"u8);
        int end = have.IndexOfAny((byte)'\r', (byte)'\n');
        return Encoding.Latin1.GetString(have[..Math.Min(MaxLineInLog + 1, end < 0 ? have.Length : end)]);
    }

    private static string Short(string line) => line.Length <= MaxLineInLog ? line : line[..MaxLineInLog] + "...";

    [LoggerMessage(820, LogLevel.Information, "web: {Peer} \"{Request}\" {Status}")]
    private partial void LogRequest(string peer, string request, int status);

    [LoggerMessage(821, LogLevel.Information, "web: {Peer} asked for nothing")]
    private partial void LogNothing(string peer);

    [LoggerMessage(822, LogLevel.Debug, "web: {Peer} was lost: {Problem}")]
    private partial void LogLost(string peer, string problem);

    [LoggerMessage(823, LogLevel.Error, "WebRoot: {Problem}")]
    private partial void LogRoot(string problem);
}
