using System.Buffers;
using System.Net.Security;
using PersonalVpn.Linux;
using PersonalVpn.Server.Sessions;

namespace PersonalVpn.Server.Relay;

/// <summary>One end of a relay.</summary>
/// <param name="Stream">What is read and written: a TLS session, or the connection itself.</param>
/// <param name="Transport">The connection below.</param>
internal sealed record RelayEnd(Stream Stream, NonBlockingStream Transport)
{
    /// <summary>Says that no more comes from here, where there are words for it.</summary>
    public Task EndAsync() => Stream is SslStream tls ? tls.ShutdownAsync() : Task.CompletedTask;
}

/// <summary>
/// Bytes between a client's TLS session and a connection to the next gateway, or the TLS session of a server that registered; what they
/// mean is end-to-end TLS of the client's and nothing this server could read. Both directions run on the loop of the session, or each on
/// the loop of the connection that it waits for. Who does not take what is sent holds up the other
/// side's sender, and nobody else: no more than <see cref="MaxPending"/> waits here. The end of one direction is passed on as such.
/// </summary>
internal sealed class ByteRelay(RelayEnd client, RelayEnd target, EventLoop loop, SessionCounters counters)
{
    /// <summary>How long one direction may stay silent once the other has ended.</summary>
    public TimeSpan AloneTime { get; init; } = TimeSpan.FromSeconds(60);

    private const int BufferBytes = 64 * 1024;
    private const int MaxPending = 256 * 1024;

    // What one relay may have of the loop before the others: reads, not bytes, for small ones cost as much as large ones.
    private const int ReadsPerTurn = 2;

    /// <summary>Runs until both directions have ended, or one failed; answers why.</summary>
    public async Task<string> RunAsync()
    {
        var toTarget = new SendRoom(target.Transport);
        var toClient = new SendRoom(client.Transport);
        Task<string?> up = CopyAsync(client.Stream, target, toTarget, n => counters.Received(n, packets: 0));
        Task<string?> down = CopyAsync(target.Stream, client, toClient, n => counters.Sent(n, packets: 0));
        Task<string?> first = await Task.WhenAny(up, down).ConfigureAwait(false);
        if (await first.ConfigureAwait(false) is { } failure)
        {
            // The other direction may wait for ever: both sockets end.
            client.Transport.Socket.Shutdown();
            target.Transport.Socket.Shutdown();
            await Task.WhenAll(up, down).ConfigureAwait(false);
            return failure;
        }
        Task<string?> other = first == up ? down : up;
        if (await EndsAsync(other).ConfigureAwait(false)) return await other.ConfigureAwait(false) ?? "both sides ended";
        client.Transport.Socket.Shutdown();
        target.Transport.Socket.Shutdown();
        await other.ConfigureAwait(false);
        return "one side ended, and the other had nothing more to say";
    }

    // A next gateway that never ends its side would keep a session of a user's who has long gone, until the user has no more of them.
    private async Task<bool> EndsAsync(Task other)
    {
        while (true)
        {
            long moved = counters.BytesIn + counters.BytesOut;
            try
            {
                await other.WaitAsync(AloneTime).ConfigureAwait(false);
                return true;
            }
            catch (TimeoutException)
            {
                if (moved == counters.BytesIn + counters.BytesOut) return false;
            }
        }
    }

    // Null when the direction ended in order.
    private async Task<string?> CopyAsync(Stream from, RelayEnd to, SendRoom room, Action<int> count)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            for (int turn = 1; ; turn++)
            {
                int n = await from.ReadAsync(buffer).ConfigureAwait(false);
                if (n == 0) break;
                count(n);
                to.Stream.Write(buffer.AsSpan(0, n));
                room.Stream.Push();
                while (room.Stream.PendingBytes > MaxPending) await room.WaitAsync().ConfigureAwait(false);
                if (turn % ReadsPerTurn == 0) await new LoopYield(loop);
            }
            await to.EndAsync().ConfigureAwait(false);
            room.Stream.Push();
            while (room.Stream.PendingBytes > 0) await room.WaitAsync().ConfigureAwait(false);
            room.Stream.Socket.ShutdownSend();
            return null;
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException)
        {
            room.Give();
            return (e.InnerException ?? e).Message;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
