using PersonalVpn.Linux;
using PersonalVpn.Packets;
using PersonalVpn.Tunnel.Protocol;

namespace PersonalVpn.Cli.Session;

/// <summary>
/// The tunnel's own device, handed over by pvpnd: superpackets with the kernel's own metadata, no daemon on the way. The kernel lets
/// out what the owner's sockets send (pvpnd's firewall chain matches the owner of every packet), and lets in TCP for connections that
/// stand; everything else goes by the <see cref="ChannelPort"/>.
/// <code>
/// device   |  virtio_net_hdr (10)  | IP packet ...
/// frame    | type, length (4) | offload (8) | IP packet ...     the packet is read to where the frame wants it
/// </code>
/// </summary>
internal sealed class TunPort(TunDevice tun) : IPacketPort
{
    private const int HeaderAt = ProtocolConstants.PacketPrefixSize - OffloadMetadata.VirtioSize;

    public int Fd => tun.Fd;

    public int Receive(Span<byte> frame)
    {
        Span<byte> at = frame[HeaderAt..ProtocolConstants.MaxPacketFrameSize];
        int n = tun.ReadNoWait(at);
        if (n <= OffloadMetadata.VirtioSize) return n == -Errno.EAGAIN ? 0 : -1;
        OffloadMetadata offload = OffloadMetadata.ReadVirtio(at);
        int length = HeaderAt + n;
        FrameHeader.Write(frame, FrameType.Packet, length - ProtocolConstants.FrameHeaderSize);
        offload.Write(frame[ProtocolConstants.FrameHeaderSize..]);
        return length;
    }

    /// <summary>True when the device may take this packet: TCP, whole, not the first of a connection, no IP options. The firewall says the same.</summary>
    public static bool Takes(ReadOnlySpan<byte> frame)
    {
        if (frame.Length < ProtocolConstants.PacketPrefixSize) return false;
        ReadOnlySpan<byte> packet = frame[ProtocolConstants.PacketPrefixSize..];
        if (PacketParser.TryParse(packet, out PacketInfo info) != PacketError.None || !info.IsTcp || info.IsFragment) return false;
        if (info.TransportOffset != (info.IsV6 ? 40 : 20)) return false;
        if ((info.TcpFlags & (TcpFlags.Syn | TcpFlags.Ack | TcpFlags.Rst | TcpFlags.Fin)) == TcpFlags.Syn) return false;
        // Metadata that lies goes to pvpnd, which drops and counts it.
        return OffloadMetadata.Read(frame[ProtocolConstants.FrameHeaderSize..]).Validate(info) == PacketError.None;
    }

    public bool Send(Span<byte> frame)
    {
        OffloadMetadata offload = OffloadMetadata.Read(frame[ProtocolConstants.FrameHeaderSize..]);
        if (PacketParser.TryParse(frame[ProtocolConstants.PacketPrefixSize..], out PacketInfo info) != PacketError.None) return true;
        Span<byte> at = frame[HeaderAt..];
        offload.WriteVirtio(at, info);
        return tun.Write(at) is not (-Errno.EBADFD or -Errno.ENODEV);
    }
}
