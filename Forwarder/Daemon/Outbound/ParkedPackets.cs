using PersonalVpn.Linux;

namespace PersonalVpn.Daemon.Outbound;

/// <summary>
/// Packets that a full channel did not take, in order, each with its frame in its own buffer and its verdict still out: the kernel
/// charges them to the sockets that sent them, so a slow tunnel slows its own senders and nobody else. Bounded by number; one queue
/// thread's.
/// </summary>
internal sealed class ParkedPackets(LinuxSocket channel)
{
    /// <summary>Beyond this, packets are dropped: the queue is shared, and one tunnel may not fill it.</summary>
    public const int Capacity = 128;

    private readonly Queue<Parked> _packets = new();

    /// <summary>A frame inside a detached batch buffer.</summary>
    public readonly record struct Parked(byte[] Buffer, int Offset, int Length, uint Id);

    public LinuxSocket Channel { get; } = channel;

    public int Count => _packets.Count;

    public bool TryAdd(in Parked packet)
    {
        if (_packets.Count >= Capacity) return false;
        _packets.Enqueue(packet);
        return true;
    }

    public bool TryPeek(out Parked packet) => _packets.TryPeek(out packet);

    public Parked Take() => _packets.Dequeue();
}
