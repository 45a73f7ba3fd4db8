using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using PersonalVpn.Linux.Abi;
using PersonalVpn.Packets;

namespace PersonalVpn.Linux;

/// <summary>
/// Writes and reads kernel socket addresses:
/// <code>
/// sockaddr_in   0 family (host order)  2 port (be)  4 address (be)              8 zero      = 16 bytes
/// sockaddr_in6  0 family               2 port (be)  4 flow label  8 address    24 scope    = 28 bytes
/// sockaddr_un   0 family               2 path, NUL-terminated (or NUL + abstract name)     ≤ 110 bytes
/// </code>
/// </summary>
internal static class SocketAddress
{
    internal const int MaxSize = 128;

    /// <summary>Writes an IP endpoint; returns its length.</summary>
    internal static int Write(Span<byte> to, IPEndPoint endPoint)
    {
        bool v6 = endPoint.AddressFamily == AddressFamily.InterNetworkV6;
        return Write(to, IpAddr.From(endPoint.Address), (ushort)endPoint.Port, v6 ? (uint)endPoint.Address.ScopeId : 0);
    }

    /// <summary>Writes an address and port; returns the length.</summary>
    internal static int Write(Span<byte> to, IpAddr address, ushort port, uint scope = 0)
    {
        int size = address.IsV6 ? 28 : 16;
        to = to[..size];
        to.Clear();
        ushort family = address.IsV6 ? (ushort)SocketH.AF_INET6 : (ushort)SocketH.AF_INET;
        MemoryMarshal.Write(to, in family);
        BinaryPrimitives.WriteUInt16BigEndian(to[2..], port);
        if (address.IsV6)
        {
            address.Write(to[8..]);
            MemoryMarshal.Write(to[24..], in scope);
        }
        else
        {
            address.Write(to[4..]);
        }

        return size;
    }

    /// <summary>Writes a Unix path; "@name" is the abstract namespace. Returns the length.</summary>
    /// <exception cref="LinuxException">The path is too long (107 bytes).</exception>
    internal static int WriteUnix(Span<byte> to, string path)
    {
        int bytes = Encoding.UTF8.GetByteCount(path);
        if (bytes is 0 or >= SockAddrUn.PathBytes)
            throw new LinuxException($"socket path '{path}'", Errno.ENAMETOOLONG, "at most 107 bytes");
        to = to[..(2 + bytes + 1)];
        to.Clear();
        ushort family = SocketH.AF_UNIX;
        MemoryMarshal.Write(to, in family);
        Encoding.UTF8.GetBytes(path, to[2..]);
        if (path[0] != '@') return to.Length;
        to[2] = 0;
        return 2 + bytes; // an abstract name ends with the address, not with a NUL
    }

    /// <summary>Reads an IP endpoint; null for other families.</summary>
    internal static IPEndPoint? Read(ReadOnlySpan<byte> from)
    {
        if (from.Length < 2) return null;
        int family = MemoryMarshal.Read<ushort>(from);
        if (family == SocketH.AF_INET && from.Length >= 16)
            return new IPEndPoint(new IPAddress(from.Slice(4, 4)), BinaryPrimitives.ReadUInt16BigEndian(from[2..]));
        if (family == SocketH.AF_INET6 && from.Length >= 28)
        {
            uint scope = MemoryMarshal.Read<uint>(from[24..]);
            return new IPEndPoint(new IPAddress(from.Slice(8, 16), scope), BinaryPrimitives.ReadUInt16BigEndian(from[2..]));
        }

        return null;
    }
}
