using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PersonalVpn.Linux.Abi;

namespace PersonalVpn.Linux;

/// <summary>Walks the messages of one netlink datagram. A length that lies ends the walk.</summary>
internal ref struct NetlinkReader
{
    private ReadOnlySpan<byte> _rest;

    internal NetlinkReader(ReadOnlySpan<byte> datagram) => _rest = datagram;

    /// <summary>Next message: its header, and its body without header and padding.</summary>
    internal bool Next(out NlMsgHdr header, out ReadOnlySpan<byte> body)
    {
        header = default;
        body = default;
        if (_rest.Length < NlMsgHdr.Size) return false;
        header = MemoryMarshal.Read<NlMsgHdr>(_rest);
        if (header.nlmsg_len < NlMsgHdr.Size || header.nlmsg_len > (uint)_rest.Length) return false;
        body = _rest[NlMsgHdr.Size..(int)header.nlmsg_len];
        _rest = _rest[Math.Min(((int)header.nlmsg_len + 3) & ~3, _rest.Length)..];
        return true;
    }
}

/// <summary>Walks attributes. A length that lies ends the walk.</summary>
internal ref struct NetlinkAttributes
{
    private ReadOnlySpan<byte> _rest;

    internal NetlinkAttributes(ReadOnlySpan<byte> attributes) => _rest = attributes;

    /// <summary>Attributes that follow a structure of type <typeparamref name="T"/>, which is given, too.</summary>
    internal static bool After<T>(ReadOnlySpan<byte> body, out T head, out NetlinkAttributes attributes)
        where T : unmanaged
    {
        attributes = default;
        if (!MemoryMarshal.TryRead(body, out head)) return false;
        int size = (Unsafe.SizeOf<T>() + 3) & ~3;
        attributes = new NetlinkAttributes(body[Math.Min(size, body.Length)..]);
        return true;
    }

    /// <summary>Next attribute: type without flag bits, and value.</summary>
    internal bool Next(out ushort type, out ReadOnlySpan<byte> value)
    {
        type = 0;
        value = default;
        if (_rest.Length < NlAttr.Size) return false;
        NlAttr header = MemoryMarshal.Read<NlAttr>(_rest);
        if (header.nla_len < NlAttr.Size || header.nla_len > _rest.Length) return false;
        type = (ushort)(header.nla_type & NetlinkH.NLA_TYPE_MASK);
        value = _rest[NlAttr.Size..header.nla_len];
        _rest = _rest[Math.Min((header.nla_len + 3) & ~3, _rest.Length)..];
        return true;
    }
}
