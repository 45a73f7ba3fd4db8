using System.Globalization;

namespace PersonalVpn.Linux;

/// <summary>
/// Bytes that wait to be sent: appended at the tail, sent from the head. Grows by doubling up to a limit and never shrinks below its
/// first size for long. Not for several threads at once.
/// </summary>
internal sealed class SendBuffer(int limit)
{
    private const int FirstSize = 64 << 10;
    private const int KeepSize = 1 << 20;
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
        if (_head != _tail) return;
        _head = _tail = 0;
        if (_bytes.Length > KeepSize) _bytes = [];
    }

    /// <summary>Forgets all.</summary>
    internal void Clear()
    {
        _head = _tail = 0;
        _bytes = [];
    }

    private void MakeRoom(int more)
    {
        int waiting = Length;
        byte[] to = _bytes;
        if (waiting + more > _bytes.Length || waiting > _bytes.Length / 2)
        {
            long size = Math.Max(FirstSize, _bytes.Length);
            while (size < (long)waiting + more) size *= 2;
            to = GC.AllocateUninitializedArray<byte>((int)Math.Min(size, Math.Max(limit, waiting + more)));
        }

        _bytes.AsSpan(_head, waiting).CopyTo(to);
        _bytes = to;
        _head = 0;
        _tail = waiting;
    }
}
