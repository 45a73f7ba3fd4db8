using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PersonalVpn.Linux.Abi;

namespace PersonalVpn.Linux;

/// <summary>
/// The buffers of one reader of a queue: as many packets as one system call brings. A buffer belongs to the batch and is
/// overwritten by the next <see cref="NfQueue.Receive"/>, unless <see cref="Detach"/> handed it to the caller, who gives it back
/// by <see cref="Return"/> (from any thread). A detached buffer is 65 KiB whatever the packet's length: park large packets this
/// way and copy small ones.
/// </summary>
public sealed unsafe class NfPacketBatch
{
    /// <summary>Bytes of a buffer: 64 KiB of packet (NFQUEUE copies at most 65,531) and the attributes before it.</summary>
    public const int BufferBytes = 65536 + 1024;

    private readonly byte[][] _buffers;
    private readonly NfPacket[] _packets;
    private readonly MMsgHdr[] _messages;
    private readonly IoVec[] _pieces;
    private readonly Stack<byte[]> _free = new();
    private readonly int _keep;

    /// <summary>Creates a batch.</summary>
    /// <param name="capacity">Most packets one call brings, 1 to 1,024.</param>
    public NfPacketBatch(int capacity = 32)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(capacity, 1024);
        _keep = capacity * 4;
        _buffers = new byte[capacity][];
        _packets = new NfPacket[capacity];

        // Pinned for life: the kernel's pointers into these are computed once.
        _messages = GC.AllocateArray<MMsgHdr>(capacity, pinned: true);
        _pieces = GC.AllocateArray<IoVec>(capacity, pinned: true);
        for (int i = 0; i < capacity; i++)
        {
            _messages[i].msg_hdr.msg_iov = (nint)Unsafe.AsPointer(ref _pieces[i]);
            _messages[i].msg_hdr.msg_iovlen = 1;
            SetBuffer(i, NewBuffer());
        }
    }

    /// <summary>Most packets one call brings.</summary>
    public int Capacity => _buffers.Length;

    /// <summary>Packets of the last call.</summary>
    public int Count { get; private set; }

    /// <summary>A packet of the last call.</summary>
    public ref readonly NfPacket this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Count, nameof(index));
            return ref _packets[index];
        }
    }

    /// <summary>The bytes of a packet of the last call.</summary>
    public Span<byte> Payload(int index) => this[index].Payload;

    /// <summary>
    /// Hands the buffer of a packet to the caller; the packet (copy it) goes on to point into it. Its slot gets another buffer.
    /// </summary>
    /// <returns>The buffer, to be given back once by <see cref="Return"/>.</returns>
    public byte[] Detach(int index)
    {
        ref readonly NfPacket packet = ref this[index];
        byte[] buffer = packet.Buffer;
        if (!ReferenceEquals(_buffers[packet.Slot], buffer)) throw new InvalidOperationException("this packet's buffer is detached already");
        byte[]? next;
        lock (_free) _free.TryPop(out next);
        SetBuffer(packet.Slot, next ?? NewBuffer());
        return buffer;
    }

    /// <summary>Gives a detached buffer back. Any thread.</summary>
    public void Return(byte[] buffer)
    {
        ArgumentNullException.ThrowIfNull(buffer);
        if (buffer.Length != BufferBytes) throw new ArgumentException("not a buffer of a batch", nameof(buffer));
        lock (_free)
        {
#if DEBUG
            if (_free.Contains(buffer)) throw new InvalidOperationException("this buffer was given back already");
#endif
            if (_free.Count < _keep) _free.Push(buffer);
        }
    }

    internal MMsgHdr* Messages => (MMsgHdr*)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(_messages));

    internal void Clear() => Count = 0;

    /// <summary>The bytes that the kernel put into a slot.</summary>
    internal ReadOnlySpan<byte> Datagram(int slot, out byte[] buffer)
    {
        buffer = _buffers[slot];
        return buffer.AsSpan(0, (int)Math.Min(_messages[slot].msg_len, (uint)buffer.Length));
    }

    internal void Append(in NfPacket packet) => _packets[Count++] = packet;

    private static byte[] NewBuffer() => GC.AllocateUninitializedArray<byte>(BufferBytes, pinned: true);

    private void SetBuffer(int slot, byte[] buffer)
    {
        _buffers[slot] = buffer;
        _pieces[slot].iov_base = (nint)Unsafe.AsPointer(ref MemoryMarshal.GetArrayDataReference(buffer));
        _pieces[slot].iov_len = (nuint)buffer.Length;
    }
}
