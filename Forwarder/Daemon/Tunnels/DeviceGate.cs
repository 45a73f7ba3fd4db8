using System.Globalization;
using System.Text;
using PersonalVpn.Packets;

namespace PersonalVpn.Daemon.Tunnels;

/// <summary>
/// The filter on a device whose reader is the owner's process: two classic BPF programs (tc-bpf(8), direct action) that stand and fall
/// with the device. The packet filter (<see cref="FilterTable"/>) decides; this holds while it is not there, because somebody flushed
/// the host's rules:
/// <code>
/// egress   only what the packet filter marked Fast reaches the reader; without it nothing is marked
/// ingress  only TCP, whole, no first SYN, for the tunnel's own inner address comes in
/// </code>
/// </summary>
internal static class DeviceGate
{
    private const int Pass = 0, Drop = 2; // TC_ACT_OK, TC_ACT_SHOT (linux/pkt_cls.h)
    private const uint MarkOfPacket = 0xfffff014; // SKF_AD_OFF + SKF_AD_MARK (linux/filter.h)

    /// <summary>Puts the programs on a device that has no reader yet.</summary>
    /// <exception cref="InvalidOperationException">tc refused.</exception>
    public static void Attach(string device, IpAddr? v4, IpAddr? v6)
    {
        string batch = $"""
            qdisc replace dev {device} clsact
            filter replace dev {device} egress pref 1 handle 1 bpf direct-action bytecode '{Text(Egress())}'
            filter replace dev {device} ingress pref 1 handle 1 bpf direct-action bytecode '{Text(Ingress(v4, v6))}'

            """;
        if (SystemCommand.Run("tc", batch, "-batch", "-") is { } error)
            throw new InvalidOperationException($"tc failed: {error}; is the iproute2 package installed and the kernel's cls_bpf there?");
    }

    /// <summary>One instruction: struct sock_filter (linux/filter.h).</summary>
    internal readonly record struct Op(ushort Code, byte True, byte False, uint Value);

    /// <summary>Passes what bears the mark Fast.</summary>
    internal static IReadOnlyList<Op> Egress() =>
    [
        LoadWord(MarkOfPacket), And(Marks.Mask), IfEqual(Marks.Fast, 0, 1), Return(Pass), Return(Drop),
    ];

    /// <summary>Passes TCP for these addresses; a packet too short to tell is dropped.</summary>
    internal static IReadOnlyList<Op> Ingress(IpAddr? v4, IpAddr? v6)
    {
        // A load beyond the packet's end ends a classic program with 0, which is Pass: lengths are compared first.
        var program = new List<Op> { LoadLength(), IfAtLeast(40, 1, 0), Return(Drop), LoadByte(0), And(0xf0) };
        List<Op> four = v4 is { } a ? IngressV4(a) : [Return(Drop)];
        program.Add(IfEqual(0x40, 0, (byte)four.Count));
        program.AddRange(four);
        program.Add(IfEqual(0x60, 1, 0));
        program.Add(Return(Drop));
        program.AddRange(v6 is { } b ? IngressV6(b) : [Return(Drop)]);
        return program;
    }

    private static List<Op> IngressV4(IpAddr inner) =>
    [
        LoadByte(9), IfEqual(IpProtocol.Tcp, 1, 0), Return(Drop),
        LoadHalf(6), IfAnySet(0x3fff, 0, 1), Return(Drop),
        LoadWord(16), IfEqual((uint)inner.Value, 1, 0), Return(Drop),
        // X = header length; the packet must hold 14 bytes more: at most 60 + 14.
        LoadLength(), LoadHeaderLengthX(0), SubtractX(), IfAtLeast(14, 1, 0), Return(Drop),
        LoadByteX(13), And(TcpFlags.Syn | TcpFlags.Ack), IfEqual(TcpFlags.Syn, 0, 1), Return(Drop), Return(Pass),
    ];

    private static List<Op> IngressV6(IpAddr inner)
    {
        List<Op> program = [LoadLength(), IfAtLeast(60, 1, 0), Return(Drop), LoadByte(6), IfEqual(IpProtocol.Tcp, 1, 0), Return(Drop)];
        Span<byte> bytes = stackalloc byte[16];
        inner.Write(bytes);
        for (int i = 0; i < 16; i += 4)
        {
            program.Add(LoadWord((uint)(24 + i)));
            program.Add(IfEqual(System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(bytes[i..]), 1, 0));
            program.Add(Return(Drop));
        }
        program.AddRange([LoadByte(53), And(TcpFlags.Syn | TcpFlags.Ack), IfEqual(TcpFlags.Syn, 0, 1), Return(Drop), Return(Pass)]);
        return program;
    }

    private static string Text(IReadOnlyList<Op> program)
    {
        var text = new StringBuilder().Append(program.Count);
        foreach (Op op in program) text.Append(CultureInfo.InvariantCulture, $",{op.Code} {op.True} {op.False} {op.Value}");
        return text.ToString();
    }

    // linux/bpf_common.h: class, size and mode, operation and source.
    private static Op LoadWord(uint at) => new(0x20, 0, 0, at);
    private static Op LoadHalf(uint at) => new(0x28, 0, 0, at);
    private static Op LoadByte(uint at) => new(0x30, 0, 0, at);
    private static Op LoadByteX(uint at) => new(0x50, 0, 0, at);
    private static Op LoadLength() => new(0x80, 0, 0, 0);
    private static Op LoadHeaderLengthX(uint at) => new(0xb1, 0, 0, at);
    private static Op SubtractX() => new(0x1c, 0, 0, 0);
    private static Op And(uint value) => new(0x54, 0, 0, value);
    private static Op IfEqual(uint value, byte yes, byte no) => new(0x15, yes, no, value);
    private static Op IfAtLeast(uint value, byte yes, byte no) => new(0x35, yes, no, value);
    private static Op IfAnySet(uint value, byte yes, byte no) => new(0x45, yes, no, value);
    private static Op Return(uint value) => new(0x06, 0, 0, value);
}
