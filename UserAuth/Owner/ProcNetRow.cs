using System.Buffers.Binary;
using System.Buffers.Text;
using System.Globalization;

namespace PersonalVpn.UserAuth;

/// <summary>
/// One row of a /proc/net socket table (net/ipv4/tcp_ipv4.c tcp4_seq_show, net/ipv6/tcp_ipv6.c, udp, raw and ping alike):
/// </summary>
/// <remarks>
/// <code>
///   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
///    0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 12345 ...
/// </code>
/// An address is printed as 32-bit words as they lie in memory (network order) read in the machine's order: on a
/// little-endian machine each word is byte-swapped. Ports are numbers. Everything behind the inode is of no interest.
/// </remarks>
internal readonly struct ProcNetRow
{
    /// <summary>Local address, a number in host order; IPv4 in the low 32 bits.</summary>
    public UInt128 LocalAddress { get; private init; }

    /// <summary>Local port; ICMP identifier; protocol number in the raw tables.</summary>
    public ushort LocalPort { get; private init; }

    /// <summary>Remote address, 0 when not connected.</summary>
    public UInt128 RemoteAddress { get; private init; }

    /// <summary>Remote port, 0 when not connected.</summary>
    public ushort RemotePort { get; private init; }

    /// <summary>Socket state (include/net/tcp_states.h).</summary>
    public byte State { get; private init; }

    /// <summary>Owner.</summary>
    public uint Uid { get; private init; }

    /// <summary>Inode of the socket file, 0 when no file refers to it any more.</summary>
    public ulong Inode { get; private init; }

    /// <summary>Reads one line; the heading and anything malformed answer false.</summary>
    /// <param name="line">Line without its end.</param>
    /// <param name="v6">Whether addresses have four words.</param>
    /// <param name="row">The row.</param>
    public static bool TryParse(ReadOnlySpan<byte> line, bool v6, out ProcNetRow row)
    {
        row = default;
        if (!TryField(ref line, out ReadOnlySpan<byte> number) || number.IsEmpty || number[^1] != ':'
            || !TryField(ref line, out ReadOnlySpan<byte> local) || !TryEndPoint(local, v6, out UInt128 localAddress, out ushort localPort)
            || !TryField(ref line, out ReadOnlySpan<byte> remote) || !TryEndPoint(remote, v6, out UInt128 remoteAddress, out ushort remotePort)
            || !TryField(ref line, out ReadOnlySpan<byte> state) || !byte.TryParse(state, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out byte stateNumber)
            || !TryField(ref line, out _) || !TryField(ref line, out _) || !TryField(ref line, out _) // queues, timer, retransmits
            || !TryField(ref line, out ReadOnlySpan<byte> uid) || !TryDecimal(uid, out ulong uidNumber) || uidNumber > uint.MaxValue
            || !TryField(ref line, out _) // timeout
            || !TryField(ref line, out ReadOnlySpan<byte> inode) || !TryDecimal(inode, out ulong inodeNumber))
        {
            return false;
        }
        row = new ProcNetRow
        {
            LocalAddress = localAddress,
            LocalPort = localPort,
            RemoteAddress = remoteAddress,
            RemotePort = remotePort,
            State = stateNumber,
            Uid = (uint)uidNumber,
            Inode = inodeNumber,
        };
        return true;
    }

    private static bool TryField(ref ReadOnlySpan<byte> line, out ReadOnlySpan<byte> field)
    {
        line = line.TrimStart((byte)' ');
        int end = line.IndexOf((byte)' ');
        field = end < 0 ? line : line[..end];
        line = line[field.Length..];
        return !field.IsEmpty;
    }

    private static bool TryDecimal(ReadOnlySpan<byte> field, out ulong number) =>
        Utf8Parser.TryParse(field, out number, out int used) && used == field.Length;

    private static bool TryEndPoint(ReadOnlySpan<byte> field, bool v6, out UInt128 address, out ushort port)
    {
        int words = v6 ? 4 : 1;
        address = UInt128.Zero;
        port = 0;
        if (field.Length != (words * 8) + 5 || field[words * 8] != ':')
        {
            return false;
        }
        for (int i = 0; i < words; i++)
        {
            if (!uint.TryParse(field.Slice(i * 8, 8), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint word))
            {
                return false;
            }
            address = (address << 32) | (BitConverter.IsLittleEndian ? BinaryPrimitives.ReverseEndianness(word) : word);
        }
        return ushort.TryParse(field[^4..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out port);
    }
}
