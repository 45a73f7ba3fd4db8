using System.Buffers;
using System.Globalization;

namespace PersonalVpn.Linux;

/// <summary>
/// Bytes that wait to be sent: appended at the tail, sent from the head. Grows by doubling up to a limit; the bytes are rented while
/// something waits and given back when all is sent, so that an idle connection holds none. Not for several threads at once.
/// </summary>
internal sealed class SendBuffer(int limit)
{
    private const int FirstSize = 64 << 10;
    private byte[] _bytes = [];
    private int _head;
    private int _tail;

    /// <summary>Bytes that wait.</summary>
    internal int Length => _tail - _head;

    /// <summary>What waits, oldest first.</summary>
    internal ReadOnlySpan<byte> Waiting => _bytes.AsSpan(_head, Length);

    /// <summary>Appends.</summary>
    /// <exception cref="IOException">More would wait than the limit allows.</exception>
    internal void Append(ReadOnlySpan<byte> data)
    {
        if (data.Length > limit - Length)
        {
            throw new IOException(
                $"the peer does not read: more than {limit.ToString(CultureInfo.InvariantCulture)} bytes would wait to be sent");
        }

        if (data.Length > _bytes.Length - _tail) MakeRoom(data.Length);
        data.CopyTo(_bytes.AsSpan(_tail));
        _tail += data.Length;
    }

    /// <summary>Forgets what was sent.</summary>
    internal void Advance(int sent)
    {
        _head += sent;
        if (_head == _tail) Clear();
    }

    /// <summary>Forgets all.</summary>
    internal void Clear()
    {
        byte[] bytes = _bytes;
        _head = _tail = 0;
        _bytes = [];
        if (bytes.Length > 0) ArrayPool<byte>.Shared.Return(bytes);
    }

    private void MakeRoom(int more)
    {
        int waiting = Length;
        byte[] from = _bytes, to = from;
        if (waiting + more > from.Length || waiting > from.Length / 2)
        {
            long size = Math.Max(FirstSize, from.Length);
            while (size < (long)waiting + more) size *= 2;
            to = ArrayPool<byte>.Shared.Rent((int)Math.Min(size, Math.Max(limit, waiting + more)));
        }

        from.AsSpan(_head, waiting).CopyTo(to);
        _bytes = to;
        if (to != from && from.Length > 0) ArrayPool<byte>.Shared.Return(from);
        _head = 0;
        _tail = waiting;
    }
}
