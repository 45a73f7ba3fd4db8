using PersonalVpn.Linux.Abi;
using PersonalVpn.Packets;

namespace PersonalVpn.Linux;

/// <content>Addresses.</content>
public sealed partial class RouteNetlink
{
    private const int LocalRouteWaitMs = 500;

    /// <summary>Gives an interface the first address of a prefix; with a host prefix (/32, /128) exactly this address. Idempotent.</summary>
    /// <param name="device">Which interface.</param>
    /// <param name="prefix">Address and network.</param>
    /// <param name="noPrefixRoute">True: the kernel makes no route to the network (IFA_F_NOPREFIXROUTE).</param>
    /// <exception cref="LinuxException">ENODEV, EINVAL, EACCES (IPv6 is switched off on the interface).</exception>
    public void AddAddress(string device, IpPrefix prefix, bool noPrefixRoute) =>
        AddAddress(device, prefix.Address, prefix.Length, noPrefixRoute);

    /// <summary>
    /// Gives an interface an address. IPv6 addresses get no duplicate detection (IFA_F_NODAD); the call returns when the kernel
    /// delivers to them, if the interface is up: it makes their local route in a work queue of its own
    /// (net/ipv6/addrconf.c, addrconf_dad_work), some milliseconds after it acknowledged the address. Idempotent.
    /// </summary>
    /// <param name="device">Which interface.</param>
    /// <param name="address">The address.</param>
    /// <param name="prefixLength">Length of its network's prefix.</param>
    /// <param name="noPrefixRoute">True: the kernel makes no route to the network.</param>
    /// <exception cref="LinuxException">ENODEV, EINVAL, EACCES (IPv6 is switched off on the interface).</exception>
    public void AddAddress(string device, IpAddr address, int prefixLength, bool noPrefixRoute)
    {
        uint flags = (noPrefixRoute ? IfH.IFA_F_NOPREFIXROUTE : 0) | (address.IsV6 ? IfH.IFA_F_NODAD : 0);
        Span<byte> buffer = stackalloc byte[RequestBytes];
        NetlinkWriter writer = new(
            buffer, RtnetlinkH.RTM_NEWADDR,
            NetlinkH.NLM_F_REQUEST | NetlinkH.NLM_F_ACK | NetlinkH.NLM_F_CREATE | NetlinkH.NLM_F_REPLACE);
        WriteAddress(ref writer, device, address, prefixLength);
        writer.Attribute(IfH.IFA_FLAGS, flags);
        Acknowledge(writer.Finish(), $"add address {address} to {device}", Errno.EEXIST);
        if (!address.IsV6 || TryGetLink(device) is not { Up: true }) return;
        for (int waited = 0; waited < LocalRouteWaitMs && GetRoute(address).Type != RouteType.Local; waited++) Thread.Sleep(1);
    }

    /// <summary>Takes the first address of a prefix from an interface; idempotent.</summary>
    /// <returns>False: it was not there.</returns>
    public bool DeleteAddress(string device, IpPrefix prefix) => DeleteAddress(device, prefix.Address, prefix.Length);

    /// <summary>Takes an address from an interface; idempotent.</summary>
    /// <returns>False: the interface has no such address.</returns>
    /// <exception cref="LinuxException">ENODEV: no such interface.</exception>
    public bool DeleteAddress(string device, IpAddr address, int prefixLength)
    {
        Span<byte> buffer = stackalloc byte[RequestBytes];
        NetlinkWriter writer = new(buffer, RtnetlinkH.RTM_DELADDR, NetlinkH.NLM_F_REQUEST | NetlinkH.NLM_F_ACK);
        WriteAddress(ref writer, device, address, prefixLength);
        return Acknowledge(writer.Finish(), $"delete address {address} from {device}", Errno.EADDRNOTAVAIL);
    }

    /// <summary>Addresses of an interface, or of all (null), both families.</summary>
    /// <exception cref="LinuxException">ENODEV, or the dump failed.</exception>
    public IReadOnlyList<AddressEntry> ListAddresses(string? device = null)
    {
        int index = device is null ? 0 : GetLinkIndex(device);
        List<AddressEntry> all = [];
        Span<byte> buffer = stackalloc byte[RequestBytes];
        NetlinkWriter writer = new(buffer, RtnetlinkH.RTM_GETADDR, NetlinkH.NLM_F_REQUEST | NetlinkH.NLM_F_DUMP);
        writer.Add(default(IfAddrMsg));
        Dump(
            writer.Finish(), "list addresses", RtnetlinkH.RTM_NEWADDR,
            body =>
            {
                AddressEntry? entry = ParseAddress(body);
                if (entry is not null && (index == 0 || entry.IfIndex == index)) all.Add(entry);
            },
            all.Clear);
        return all;
    }

    private void WriteAddress(ref NetlinkWriter writer, string device, IpAddr address, int prefixLength)
    {
        writer.Add(new IfAddrMsg
        {
            ifa_family = Family(address.IsV6),
            ifa_prefixlen = (byte)prefixLength,
            ifa_index = (uint)GetLinkIndex(device),
        });
        writer.Address(IfH.IFA_LOCAL, address);
        writer.Address(IfH.IFA_ADDRESS, address);
    }

    private static byte Family(bool v6) => (byte)(v6 ? SocketH.AF_INET6 : SocketH.AF_INET);

    private static AddressEntry? ParseAddress(ReadOnlySpan<byte> body)
    {
        if (!NetlinkAttributes.After(body, out IfAddrMsg head, out NetlinkAttributes attributes)) return null;
        IpAddr? local = null, other = null;
        uint flags = head.ifa_flags;
        while (attributes.Next(out ushort type, out ReadOnlySpan<byte> value))
        {
            switch (type)
            {
                case IfH.IFA_LOCAL when value.Length is 4 or 16: local = IpAddr.Read(value); break;
                case IfH.IFA_ADDRESS when value.Length is 4 or 16: other = IpAddr.Read(value); break;
                case IfH.IFA_FLAGS: flags = Number(value); break;
            }
        }

        return (local ?? other) is IpAddr address
            ? new AddressEntry(
                (int)head.ifa_index, address, head.ifa_prefixlen, (flags & IfH.IFA_F_NOPREFIXROUTE) != 0,
                (flags & IfH.IFA_F_TENTATIVE) != 0)
            : null;
    }
}
