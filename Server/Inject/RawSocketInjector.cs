using PersonalVpn.Linux;
using PersonalVpn.Packets;
using PersonalVpn.Server.Sessions;
using PersonalVpn.Tunnel.Protocol;

namespace PersonalVpn.Server.Inject;

/// <summary>
/// Injects by raw sockets, as in the thesis: works where no TUN device may be written to. Everything the kernel does for a TUN device
/// is done here: checksums completed, superpackets cut into segments, long datagrams fragmented.
/// </summary>
internal sealed class RawSocketInjector(int mtu) : IInjector
{
    [ThreadStatic]
    private static byte[]? _piece;

    private readonly RawInjector _raw = new();
    private int _fragmentId = Random.Shared.Next();

    public InjectResult Send(Span<byte> frame, in PacketInfo info, in OffloadMetadata offload, SessionCounters counters)
    {
        Span<byte> packet = frame[ProtocolConstants.PacketPrefixSize..];
        if (offload.IsGso) return SendSegments(packet, info, offload.GsoSize);
        if (offload.NeedsChecksum) InternetChecksum.CompletePartial(packet, offload);
        return info.TotalLength > mtu ? SendFragments(packet, info) : Send(packet, info.Destination);
    }

    public void Flush() { }

    public void Dispose() => _raw.Dispose();

    private InjectResult SendSegments(ReadOnlySpan<byte> packet, in PacketInfo info, int segmentSize)
    {
        byte[] piece = _piece ??= new byte[65535];
        var segments = new TcpSegmenter(packet, info, segmentSize);
        while (segments.TryNext(piece, out int written))
        {
            InjectResult result = Send(piece.AsSpan(0, written), info.Destination);
            if (result != InjectResult.Sent) return result;
        }
        return segments.Error == PacketError.None ? InjectResult.Sent : InjectResult.Dropped;
    }

    private InjectResult SendFragments(ReadOnlySpan<byte> packet, in PacketInfo info)
    {
        byte[] piece = _piece ??= new byte[65535];
        var fragments = new IpFragmenter(packet, info, mtu, (uint)Interlocked.Increment(ref _fragmentId));
        while (fragments.TryNext(piece, out int written))
        {
            InjectResult result = Send(piece.AsSpan(0, written), info.Destination);
            if (result != InjectResult.Sent) return result;
        }
        return fragments.Error switch
        {
            PacketError.None => InjectResult.Sent,
            PacketError.DontFragment => InjectResult.TooBig,
            _ => InjectResult.Dropped,
        };
    }

    private InjectResult Send(ReadOnlySpan<byte> packet, IpAddr destination) => _raw.Send(packet, destination) switch
    {
        -Errno.EMSGSIZE => InjectResult.TooBig,
        < 0 => InjectResult.Dropped,
        _ => InjectResult.Sent,
    };
}
