using PersonalVpn.Linux;
using PersonalVpn.Packets;
using PersonalVpn.Server.Sessions;
using PersonalVpn.Tunnel.Protocol;

namespace PersonalVpn.Server.Inject;

/// <summary>
/// Injects by the server's TUN device: superpackets go in whole with their metadata, and the kernel forwards, segments and
/// fragments. Datagrams of one flow that come together become a superpacket, where the kernel knows such (Linux 6.2). IPv6 alone is
/// fragmented here, as its sender would have done (RFC 8200 section 5).
/// </summary>
internal sealed class TunInjector(TunDevice tun, int mtu) : IInjector
{
    [ThreadStatic]
    private static byte[]? _piece;

    private readonly ThreadLocal<UdpCoalescer>? _coalescers = tun.TakesUdpSegments ? new(() => new UdpCoalescer(tun, mtu)) : null;
    private int _fragmentId = Random.Shared.Next();

    public InjectResult Send(Span<byte> frame, in PacketInfo info, in OffloadMetadata offload, SessionCounters counters)
    {
        if (_coalescers?.Value is { } coalescer && coalescer.TryHold(frame, info, offload, counters)) return InjectResult.Held;
        if (info.IsV6 && !offload.IsGso && info.TotalLength > mtu) return SendFragments(frame[ProtocolConstants.PacketPrefixSize..], info, offload);
        // virtio_net_hdr is two bytes shorter than what stands before the packet: it is written over the end of that.
        Span<byte> withHeader = frame[(ProtocolConstants.PacketPrefixSize - OffloadMetadata.VirtioSize)..];
        offload.WriteVirtio(withHeader, info);
        return tun.Write(withHeader) == withHeader.Length ? InjectResult.Sent : InjectResult.Dropped;
    }

    public void Flush() => _coalescers?.Value?.Flush();

    public void Dispose() => _coalescers?.Dispose();

    private InjectResult SendFragments(Span<byte> packet, in PacketInfo info, in OffloadMetadata offload)
    {
        if (offload.NeedsChecksum) InternetChecksum.CompletePartial(packet, offload);
        byte[] piece = _piece ??= new byte[OffloadMetadata.VirtioSize + 65535];
        piece.AsSpan(0, OffloadMetadata.VirtioSize).Clear();
        var fragments = new IpFragmenter(packet, info, mtu, (uint)Interlocked.Increment(ref _fragmentId));
        while (fragments.TryNext(piece.AsSpan(OffloadMetadata.VirtioSize), out int written))
            if (tun.Write(piece.AsSpan(0, OffloadMetadata.VirtioSize + written)) < 0) return InjectResult.Dropped;
        return fragments.Error == PacketError.None ? InjectResult.Sent : InjectResult.TooBig;
    }
}
