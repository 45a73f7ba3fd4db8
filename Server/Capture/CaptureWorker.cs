using Microsoft.Extensions.Logging;
using PersonalVpn.Linux;
using PersonalVpn.Packets;
using PersonalVpn.Server.Sessions;
using PersonalVpn.Tunnel.Protocol;

namespace PersonalVpn.Server.Capture;

/// <summary>
/// The way back: one for each queue of the device, on the event loop whose sessions write to that queue. A session and its replies are one
/// thread's work: measured against a thread of its own for replies it carries a quarter more.
/// <code>
/// 1 the kernel routes everything for the pools to the TUN device; superpackets come whole with their metadata
/// 2 the destination address names the session (no state, no guess); without a session the packet is dropped
/// 3 frame header and metadata are written before the packet, and the frame is added to the session's batch
/// 4 when no more waits, or after a round, every batch becomes one TLS write; a round is short, because who has one packet in it
///   waits for those who have many
/// </code>
/// </summary>
internal sealed partial class CaptureWorker : IEventHandler
{
    private const int PacketsPerRound = 64;
    private const int BytesPerRound = 256 * 1024;

    private readonly TunDevice _tun;
    private readonly SessionRegistry _registry;
    private readonly ILogger _log;
    private readonly List<Session> _dirty = [];
    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(ProtocolConstants.MaxPacketFrameSize, pinned: true);
    private long _unclaimed;

    public CaptureWorker(TunDevice tun, SessionRegistry registry, ILogger log)
    {
        _tun = tun;
        _registry = registry;
        _log = log;
    }

    /// <summary>Packets for addresses that no session holds.</summary>
    public long Unclaimed => Interlocked.Read(ref _unclaimed);

    /// <summary>One round; when more waits the loop calls again, after the others' events.</summary>
    public void OnEvents(uint events)
    {
        // virtio_net_hdr is shorter than header and metadata: read so that the packet itself lies where the frame wants it.
        const int readAt = ProtocolConstants.PacketPrefixSize - OffloadMetadata.VirtioSize;
        int bytes = 0;
        for (int i = 0; i < PacketsPerRound && bytes < BytesPerRound; i++)
        {
            int n = _tun.Read(_buffer.AsSpan(readAt));
            if (n <= OffloadMetadata.VirtioSize)
            {
                if (n != -Errno.EAGAIN) LogReadFailed(n);
                break;
            }
            bytes += n;
            Deliver(n - OffloadMetadata.VirtioSize);
        }
        foreach (Session s in _dirty) s.Flush();
        _dirty.Clear();
    }

    private void Deliver(int length)
    {
        Span<byte> frame = _buffer.AsSpan(0, ProtocolConstants.PacketPrefixSize + length);
        Span<byte> packet = frame[ProtocolConstants.PacketPrefixSize..];
        if (!TryDestination(packet, out IpAddr destination) || _registry.Find(destination) is not { } session)
        {
            Interlocked.Increment(ref _unclaimed);
            return;
        }
        OffloadMetadata offload = OffloadMetadata.ReadVirtio(frame[(ProtocolConstants.PacketPrefixSize - OffloadMetadata.VirtioSize)..]);
        // "Data valid" (2) is the kernel's note to itself; on the wire only "needs checksum" has a meaning.
        offload.Flags &= OffloadMetadata.NeedsChecksumFlag;
        FrameHeader.Write(frame, FrameType.Packet, frame.Length - ProtocolConstants.FrameHeaderSize);
        offload.Write(frame[ProtocolConstants.FrameHeaderSize..]);
        if (session.TryAppend(frame) && !_dirty.Contains(session)) _dirty.Add(session);
    }

    private static bool TryDestination(ReadOnlySpan<byte> packet, out IpAddr destination)
    {
        destination = default;
        if (packet.Length >= 20 && packet[0] >> 4 == 4) destination = IpAddr.Read(packet.Slice(16, 4));
        else if (packet.Length >= 40 && packet[0] >> 4 == 6) destination = IpAddr.Read(packet.Slice(24, 16));
        else return false;
        return true;
    }

    [LoggerMessage(600, LogLevel.Error, "reading from the TUN device failed: {Result}")]
    private partial void LogReadFailed(int result);
}
