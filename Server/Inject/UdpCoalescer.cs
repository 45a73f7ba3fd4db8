using PersonalVpn.Linux;
using PersonalVpn.Packets;
using PersonalVpn.Server.Sessions;
using PersonalVpn.Tunnel.Protocol;

namespace PersonalVpn.Server.Inject;

/// <summary>
/// Holds datagrams of one flow back until another packet or the end of the run, then writes them to the TUN device as one superpacket:
/// the whole way through the kernel is gone once for all of them. Of one thread; what it holds is of one session.
/// </summary>
internal sealed class UdpCoalescer(TunDevice tun, int mtu)
{
    private readonly UdpSuperpacket _held = new(mtu, OffloadMetadata.VirtioSize);
    private SessionCounters? _counters;

    /// <summary>Takes a datagram; it is counted when it is written. False: nothing is held any more, and it is to be sent alone.</summary>
    /// <param name="frame">The PACKET frame: header, metadata, packet.</param>
    /// <param name="info">The packet, parsed.</param>
    /// <param name="offload">Its metadata, validated.</param>
    /// <param name="counters">Of the session that sent it.</param>
    public bool TryHold(ReadOnlySpan<byte> frame, in PacketInfo info, in OffloadMetadata offload, SessionCounters counters)
    {
        ReadOnlySpan<byte> packet = frame[ProtocolConstants.PacketPrefixSize..];
        if (counters == _counters && _held.TryAppend(packet, info, offload)) return true;
        Flush();
        if (!_held.MayBegin(packet, info, offload)) return false;
        _held.Begin(packet, info);
        _counters = counters;
        return true;
    }

    /// <summary>Writes what is held.</summary>
    public void Flush()
    {
        int count = _held.Count, bytes = _held.DatagramBytes;
        if (count == 0) return;
        Span<byte> packet = _held.Finish(out PacketInfo info, out OffloadMetadata offload);
        offload.WriteVirtio(packet, info);
        if (tun.Write(packet) == packet.Length) _counters!.Received(bytes, count);
        else _counters!.Drop(SessionDrop.InjectFailed, count);
        _counters = null;
    }
}
