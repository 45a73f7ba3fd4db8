using System.Buffers.Binary;
using PersonalVpn.Packets;
using Xunit;

namespace PersonalVpn.Unit.Packets;

/// <summary>Makes packets byte by byte, independently of the code under test (but for the checksums).</summary>
internal static class Build
{
    public static readonly byte[] ClientV4 = [10, 77, 0, 2];
    public static readonly byte[] ServerV4 = [192, 0, 2, 80];
    public static readonly byte[] ClientV6 = Convert.FromHexString("fd770000000000000000000000000002");
    public static readonly byte[] ServerV6 = Convert.FromHexString("20010db8000000000000000000000080");

    public static byte[] Ipv4(byte protocol, byte[] payload, byte[]? options = null, ushort fragment = 0, ushort id = 0x1234)
    {
        options ??= [];
        byte[] p = new byte[20 + options.Length + payload.Length];
        p[0] = (byte)(0x40 | ((20 + options.Length) / 4));
        BinaryPrimitives.WriteUInt16BigEndian(p.AsSpan(2), (ushort)p.Length);
        BinaryPrimitives.WriteUInt16BigEndian(p.AsSpan(4), id);
        BinaryPrimitives.WriteUInt16BigEndian(p.AsSpan(6), fragment);
        p[8] = 64;
        p[9] = protocol;
        ClientV4.CopyTo(p, 12);
        ServerV4.CopyTo(p, 16);
        options.CopyTo(p, 20);
        payload.CopyTo(p, 20 + options.Length);
        InternetChecksum.FillIpv4Header(p);
        return p;
    }

    /// <summary>Extension headers are given whole, their first byte naming the next one.</summary>
    public static byte[] Ipv6(byte next, params byte[][] parts)
    {
        byte[] payload = [.. parts.SelectMany(x => x)];
        byte[] p = new byte[40 + payload.Length];
        p[0] = 0x60;
        BinaryPrimitives.WriteUInt16BigEndian(p.AsSpan(4), (ushort)payload.Length);
        p[6] = next;
        p[7] = 64;
        ClientV6.CopyTo(p, 8);
        ServerV6.CopyTo(p, 24);
        payload.CopyTo(p, 40);
        return p;
    }

    public static byte[] Tcp(byte flags, byte[] payload, byte[]? options = null, uint sequence = 1000)
    {
        options ??= [];
        byte[] t = new byte[20 + options.Length + payload.Length];
        BinaryPrimitives.WriteUInt16BigEndian(t, 40000);
        BinaryPrimitives.WriteUInt16BigEndian(t.AsSpan(2), 443);
        BinaryPrimitives.WriteUInt32BigEndian(t.AsSpan(4), sequence);
        t[12] = (byte)((20 + options.Length) / 4 << 4);
        t[13] = flags;
        t[14] = 0xff;
        options.CopyTo(t, 20);
        payload.CopyTo(t, 20 + options.Length);
        return t;
    }

    public static byte[] Udp(byte[] payload, int? length = null)
    {
        byte[] u = new byte[8 + payload.Length];
        BinaryPrimitives.WriteUInt16BigEndian(u, 5353);
        BinaryPrimitives.WriteUInt16BigEndian(u.AsSpan(2), 53);
        BinaryPrimitives.WriteUInt16BigEndian(u.AsSpan(4), (ushort)(length ?? u.Length));
        payload.CopyTo(u, 8);
        return u;
    }

    public static byte[] Icmp(byte type, byte code, uint rest, byte[] payload)
    {
        byte[] i = new byte[8 + payload.Length];
        i[0] = type;
        i[1] = code;
        BinaryPrimitives.WriteUInt32BigEndian(i.AsSpan(4), rest);
        payload.CopyTo(i, 8);
        return i;
    }

    public static byte[] FragmentHeader(byte next, int offset, bool more, uint id = 0xdeadbeef)
    {
        byte[] f = new byte[8];
        f[0] = next;
        BinaryPrimitives.WriteUInt16BigEndian(f.AsSpan(2), (ushort)(offset | (more ? 1 : 0)));
        BinaryPrimitives.WriteUInt32BigEndian(f.AsSpan(4), id);
        return f;
    }

    /// <summary>An options header (hop-by-hop or destination) filled with PadN.</summary>
    public static byte[] OptionsHeader(byte next, int units = 1)
    {
        byte[] h = new byte[units * 8];
        h[0] = next;
        h[1] = (byte)(units - 1);
        h[2] = 1;
        h[3] = (byte)(h.Length - 4);
        return h;
    }

    public static byte[] RoutingHeader(byte next, byte type, byte left) => [next, 0, type, left, 0, 0, 0, 0];

    public static byte[] AuthenticationHeader(byte next) => [next, 2, 0, 0, 1, 2, 3, 4, 0, 0, 0, 1, 9, 9, 9, 9];

    public static byte[] Bytes(Random random, int length)
    {
        byte[] b = new byte[length];
        random.NextBytes(b);
        return b;
    }

    public static PacketInfo Parse(ReadOnlySpan<byte> packet)
    {
        PacketError error = PacketParser.TryParse(packet, out PacketInfo info);
        Assert.Equal(PacketError.None, error);
        return info;
    }

    public static byte[] WithChecksum(byte[] packet)
    {
        InternetChecksum.FillTransport(packet, Parse(packet));
        return packet;
    }

    /// <summary>A valid packet of a random shape: version, options or extension headers, protocol, fragment or whole, finished checksums.</summary>
    public static byte[] Any(Random random, int maxPayload = 200)
    {
        byte[] payload = Bytes(random, random.Next(maxPayload));
        bool v6 = random.Next(2) == 0;
        (byte protocol, byte[] transport) = random.Next(6) switch
        {
            0 => (IpProtocol.Tcp, Tcp((byte)random.Next(256), payload, random.Next(2) == 0 ? [2, 4, 5, 0xb4, 1, 1, 1, 0] : null)),
            1 => (IpProtocol.Udp, Udp(payload)),
            2 => (IpProtocol.UdpLite, Udp(payload, random.Next(2) == 0 ? 0 : 8)),
            3 => (v6 ? IpProtocol.IcmpV6 : IpProtocol.Icmp, Icmp((byte)random.Next(256), 0, (uint)random.Next(), payload)),
            4 => (v6 ? IpProtocol.IcmpV6 : IpProtocol.Icmp,
                Icmp((byte)(v6 ? 2 : 3), 4, 1300, v6 ? Ipv6(6, Tcp(16, payload)) : Ipv4(17, Udp(payload)))),
            _ => ((byte)132, payload),
        };
        byte[] packet = v6 ? AnyV6(random, protocol, transport) : AnyV4(random, protocol, transport);
        return PacketParser.TryParse(packet, out _) == PacketError.None ? WithChecksum(packet) : packet;
    }

    private static byte[] AnyV4(Random random, byte protocol, byte[] transport)
    {
        byte[]? options = random.Next(4) == 0 ? [1, 0x94, 4, 0, 0, 68, 4, 5, 1, 0, 0, 0] : null;
        ushort fragment = random.Next(4) switch { 0 => 0x4000, 1 => 0x2000, 2 => (ushort)random.Next(0x2000), _ => 0 };
        if ((fragment & 0x2000) != 0) transport = transport[..(transport.Length & ~7)];
        return Ipv4(protocol, transport, options, fragment);
    }

    private static byte[] AnyV6(Random random, byte protocol, byte[] transport)
    {
        List<byte[]> parts = [transport];
        byte next = protocol;
        void Push(byte kind, byte[] header)
        {
            parts.Insert(0, header);
            next = kind;
        }

        if (random.Next(4) == 0) Push(IpProtocol.DestinationOptions, OptionsHeader(next, random.Next(1, 4)));
        if (random.Next(6) == 0) Push(IpProtocol.Authentication, AuthenticationHeader(next));
        if (random.Next(4) == 0)
        {
            bool more = random.Next(2) == 0;
            if (more) parts[^1] = transport[..(transport.Length & ~7)];
            Push(IpProtocol.Fragment, FragmentHeader(next, random.Next(2) * 8 * random.Next(64), more));
        }

        if (random.Next(6) == 0) Push(IpProtocol.Routing, RoutingHeader(next, 4, 0));
        if (random.Next(4) == 0) Push(IpProtocol.HopByHop, OptionsHeader(next));
        return Ipv6(next, [.. parts]);
    }
}
