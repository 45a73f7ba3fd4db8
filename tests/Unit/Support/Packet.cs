using System.Buffers.Binary;
using PersonalVpn.Packets;
using Xunit;

namespace PersonalVpn.Unit.Support;

/// <summary>A packet between two ends, with its parsed form. Addresses as text; checksums are finished.</summary>
internal sealed class Packet
{
    private Packet(byte[] bytes)
    {
        Bytes = bytes;
        Assert.Equal(PacketError.None, PacketParser.TryParse(bytes, out PacketInfo info));
        Info = info;
    }

    public byte[] Bytes { get; }
    public PacketInfo Info { get; }

    /// <summary>A TCP segment.</summary>
    public static Packet Tcp(string from, ushort sourcePort, string to, ushort destinationPort, byte flags, int payload = 0, byte[]? options = null)
    {
        options ??= [];
        byte[] t = new byte[20 + options.Length + payload];
        BinaryPrimitives.WriteUInt16BigEndian(t, sourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(t.AsSpan(2), destinationPort);
        t[12] = (byte)((20 + options.Length) / 4 << 4);
        t[13] = flags;
        options.CopyTo(t, 20);
        return Ip(from, to, IpProtocol.Tcp, t);
    }

    /// <summary>A datagram.</summary>
    public static Packet Udp(string from, ushort sourcePort, string to, ushort destinationPort, int payload = 8) =>
        Ip(from, to, IpProtocol.Udp, UdpBytes(sourcePort, destinationPort, payload));

    /// <summary>An ICMP or ICMPv6 message.</summary>
    public static Packet Icmp(string from, string to, byte type, byte code = 0, ushort id = 0, byte[]? body = null)
    {
        byte[] i = new byte[8 + (body?.Length ?? 0)];
        i[0] = type;
        i[1] = code;
        BinaryPrimitives.WriteUInt16BigEndian(i.AsSpan(4), id);
        body?.CopyTo(i, 8);
        return Ip(from, to, from.Contains(':', StringComparison.Ordinal) ? IpProtocol.IcmpV6 : IpProtocol.Icmp, i);
    }

    /// <summary>"Fragmentation needed" (IPv4) or "packet too big" (IPv6) about a packet.</summary>
    public static Packet TooBig(string from, string to, Packet about, int mtu)
    {
        byte[] i = new byte[8 + about.Bytes.Length];
        bool v6 = about.Info.IsV6;
        i[0] = (byte)(v6 ? 2 : 3);
        i[1] = (byte)(v6 ? 0 : 4);
        BinaryPrimitives.WriteUInt32BigEndian(i.AsSpan(4), (uint)mtu);
        about.Bytes.CopyTo(i, 8);
        return Ip(from, to, v6 ? IpProtocol.IcmpV6 : IpProtocol.Icmp, i);
    }

    /// <summary>One fragment of an IPv4 datagram; the first one has the UDP header.</summary>
    public static Packet UdpFragment(string from, ushort sourcePort, string to, ushort destinationPort, ushort id, bool first)
    {
        byte[] u = UdpBytes(sourcePort, destinationPort, 24, 64);
        return Ip(from, to, IpProtocol.Udp, first ? u : u[8..], id, (ushort)(first ? 0x2000 : 4));
    }

    /// <summary>A packet of any protocol.</summary>
    public static Packet Ip(string from, string to, byte protocol, byte[] transport, ushort id = 1, ushort fragment = 0)
    {
        IpAddr source = IpAddr.Parse(from), destination = IpAddr.Parse(to);
        byte[] p = new byte[(source.IsV6 ? 40 : 20) + transport.Length];
        if (source.IsV6)
        {
            p[0] = 0x60;
            BinaryPrimitives.WriteUInt16BigEndian(p.AsSpan(4), (ushort)transport.Length);
            p[6] = protocol;
            p[7] = 64;
            source.Write(p.AsSpan(8));
            destination.Write(p.AsSpan(24));
        }
        else
        {
            p[0] = 0x45;
            BinaryPrimitives.WriteUInt16BigEndian(p.AsSpan(2), (ushort)p.Length);
            BinaryPrimitives.WriteUInt16BigEndian(p.AsSpan(4), id);
            BinaryPrimitives.WriteUInt16BigEndian(p.AsSpan(6), fragment);
            p[8] = 64;
            p[9] = protocol;
            source.Write(p.AsSpan(12));
            destination.Write(p.AsSpan(16));
            InternetChecksum.FillIpv4Header(p);
        }
        transport.CopyTo(p, p.Length - transport.Length);
        var packet = new Packet(p);
        if (!packet.Info.IsFragment) InternetChecksum.FillTransport(p, packet.Info);
        return packet;
    }

    private static byte[] UdpBytes(ushort sourcePort, ushort destinationPort, int payload, int? length = null)
    {
        byte[] u = new byte[8 + payload];
        BinaryPrimitives.WriteUInt16BigEndian(u, sourcePort);
        BinaryPrimitives.WriteUInt16BigEndian(u.AsSpan(2), destinationPort);
        BinaryPrimitives.WriteUInt16BigEndian(u.AsSpan(4), (ushort)(length ?? u.Length));
        return u;
    }
}
