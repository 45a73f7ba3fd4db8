using System.Runtime.CompilerServices;
using System.Text;
using PersonalVpn.Linux.Abi;

namespace PersonalVpn.Linux;

/// <summary>What the reader of a TUN device can take in one piece (TUNSETOFFLOAD).</summary>
[Flags]
public enum TunOffloads
{
    /// <summary>Nothing: the kernel segments and sums.</summary>
    None = 0,

    /// <summary>Unfinished checksums.</summary>
    Checksum = (int)TunH.TUN_F_CSUM,

    /// <summary>TCP/IPv4 superpackets; needs Checksum.</summary>
    Tso4 = (int)TunH.TUN_F_TSO4,

    /// <summary>TCP/IPv6 superpackets; needs Checksum.</summary>
    Tso6 = (int)TunH.TUN_F_TSO6,

    /// <summary>TCP superpackets with ECN.</summary>
    TsoEcn = (int)TunH.TUN_F_TSO_ECN,

    /// <summary>Checksums and TCP superpackets of both families.</summary>
    Tcp = Checksum | Tso4 | Tso6,
}

/// <summary>How a TUN device is opened.</summary>
public sealed record TunOptions
{
    /// <summary>A <see cref="VirtioNetHdr"/> before every packet (IFF_VNET_HDR).</summary>
    public bool VnetHeader { get; init; }

    /// <summary>The device outlives this descriptor (TUNSETPERSIST); remove it by <see cref="TunDevice.SetPersistent"/> or RouteNetlink.</summary>
    public bool Persistent { get; init; }

    /// <summary>Several descriptors may be attached (IFF_MULTI_QUEUE).</summary>
    public bool MultiQueue { get; init; }

    /// <summary>What we take; needs <see cref="VnetHeader"/>.</summary>
    public TunOffloads Offloads { get; init; }

    /// <summary>Finds out <see cref="TunDevice.TakesUdpSegments"/>; needs <see cref="VnetHeader"/>. Not for a device that is up: for an instant UDP superpackets may come out.</summary>
    public bool AskUdpSegments { get; init; }

    /// <summary>Reads answer EAGAIN instead of waiting.</summary>
    public bool NonBlocking { get; init; } = true;
}

/// <summary>
/// A layer-3 device whose other end is this descriptor (Documentation/networking/tuntap.rst): what the kernel routes to the
/// device is read here, what is written here arrives from it. Bring it up (RouteNetlink.SetLink) before writing: EIO otherwise.
/// </summary>
public sealed unsafe class TunDevice : IDisposable
{
    // TUN_F_USO4 | TUN_F_USO6 of linux/if_tun.h; not among the checked constants, because the headers of Debian 12 do not have them yet.
    private const uint UdpSegmentFlags = 0x20 | 0x40;

    private readonly LinuxFile _file;

    private TunDevice(LinuxFile file, string name, bool vnetHeader, bool takesUdpSegments = false)
    {
        _file = file;
        Name = name;
        VnetHeader = vnetHeader;
        TakesUdpSegments = takesUdpSegments;
    }

    /// <summary>The interface's name.</summary>
    public string Name { get; }

    /// <summary>Every packet has a <see cref="VirtioNetHdr"/> before it.</summary>
    public bool VnetHeader { get; }

    /// <summary>UDP superpackets (VIRTIO_NET_HDR_GSO_UDP_L4) may be written. False unless <see cref="TunOptions.AskUdpSegments"/>.</summary>
    public bool TakesUdpSegments { get; }

    /// <summary>The descriptor, for epoll.</summary>
    public int Fd => _file.Fd;

    /// <summary>Creates a device or attaches to one that has no reader.</summary>
    /// <param name="name">Interface name, at most 15 bytes; "%d" in it becomes a free number; "" = tun%d.</param>
    /// <param name="options">How.</param>
    /// <exception cref="LinuxException">EPERM: no CAP_NET_ADMIN; EBUSY: it has a reader; EINVAL: it exists and is another kind.</exception>
    public static TunDevice Open(string name, TunOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        LinuxFile file = LinuxFile.OpenDevice("/dev/net/tun", options.NonBlocking);
        try
        {
            string actual = Attach(file, name, options);
            bool udpSegments = false;
            if (options.VnetHeader)
            {
                udpSegments = options.AskUdpSegments && KnowsUdpSegments(file);
                int size = VirtioNetHdr.Size;
                LinuxHandle.Check(Native.Ioctl(file, TunH.TUNSETVNETHDRSZ, &size), $"set header size of {actual}");
                LinuxHandle.Check(
                    Native.IoctlValue(file, TunH.TUNSETOFFLOAD, (nuint)(int)options.Offloads), $"set offloads of {actual}");
            }

            // Without an owner, whoever may open /dev/net/tun (udev: everybody) may attach to the device, send packets of any source
            // from it into the host, and remove it (drivers/net/tun.c, tun_not_capable). It is root's, or of who has CAP_NET_ADMIN.
            LinuxHandle.Check(Native.IoctlValue(file, TunH.TUNSETOWNER, 0), $"set the owner of {actual}");
            if (options.Persistent)
                LinuxHandle.Check(Native.IoctlValue(file, TunH.TUNSETPERSIST, 1), $"make {actual} persistent");
            return new TunDevice(file, actual, options.VnetHeader, udpSegments);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Takes over a descriptor that another process attached and handed over; packets have a <see cref="VirtioNetHdr"/>.</summary>
    /// <param name="fd">The descriptor; closed with this object.</param>
    /// <param name="name">The interface it belongs to.</param>
    public static TunDevice FromFd(int fd, string name) => new(LinuxFile.FromFd(fd), name, vnetHeader: true);

    /// <summary>Creates a persistent device without reader (true), or removes one (false). Both idempotent.</summary>
    /// <exception cref="LinuxException">EPERM, EBUSY: it has a reader.</exception>
    public static void SetPersistent(string name, bool persistent)
    {
        using LinuxFile file = LinuxFile.OpenDevice("/dev/net/tun", true);
        Attach(file, name, new TunOptions());
        LinuxHandle.Check(
            Native.IoctlValue(file, TunH.TUNSETPERSIST, persistent ? 1u : 0u),
            $"make {name} {(persistent ? "persistent" : "not persistent")}");
    }

    /// <summary>Reads one packet (with its header, if any).</summary>
    /// <param name="buffer">At least MTU, or 64 KiB + header with offloads: what does not fit is lost.</param>
    /// <returns>Bytes or a negative errno (EAGAIN: none; EBADFD or EIO: the device is gone).</returns>
    public int Read(Span<byte> buffer) => _file.Read(buffer);

    /// <summary>As <see cref="Read"/>, but never waits.</summary>
    /// <returns>Bytes or a negative errno (EAGAIN: none; EBADFD or EIO: the device is gone).</returns>
    public int ReadNoWait(Span<byte> buffer) => _file.ReadNoWait(buffer);

    /// <summary>Writes one packet (with its header, if any).</summary>
    /// <returns>Bytes or a negative errno (EIO: the device is down; EINVAL: the header lies).</returns>
    public int Write(ReadOnlySpan<byte> packet) => _file.Write(packet);

    /// <summary>Writes header and packet that lie apart.</summary>
    /// <returns>Bytes of both or a negative errno.</returns>
    public int Write(in VirtioNetHdr header, ReadOnlySpan<byte> packet)
    {
        Span<byte> bytes = stackalloc byte[VirtioNetHdr.Size];
        header.Write(bytes);
        return _file.Write(bytes, packet);
    }

    /// <summary>Writes two pieces as one packet.</summary>
    /// <returns>Bytes of both or a negative errno.</returns>
    public int Write(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second) => _file.Write(first, second);

    /// <summary>Detaches; the device goes away unless it is persistent.</summary>
    public void Dispose() => _file.Dispose();

    // What may be written is not asked anywhere, but it came into the kernel together with what may be read (Linux 6.2): EINVAL before.
    private static bool KnowsUdpSegments(LinuxFile file) =>
        Native.IoctlValue(file, TunH.TUNSETOFFLOAD, TunH.TUN_F_CSUM | UdpSegmentFlags) >= 0;

    private static string Attach(LinuxFile file, string name, TunOptions options)
    {
        ArgumentNullException.ThrowIfNull(name);
        int bytes = Encoding.UTF8.GetByteCount(name);
        if (bytes >= IfH.IFNAMSIZ) throw new LinuxException($"interface name '{name}'", Errno.ENAMETOOLONG, "at most 15 bytes");
        IfReq request = default;
        Encoding.UTF8.GetBytes(name, new Span<byte>(request.ifr_name, IfH.IFNAMSIZ));
        request.ifr_flags = (short)(TunH.IFF_TUN | TunH.IFF_NO_PI
            | (options.VnetHeader ? TunH.IFF_VNET_HDR : 0) | (options.MultiQueue ? TunH.IFF_MULTI_QUEUE : 0));
        LinuxHandle.Check(Native.Ioctl(file, TunH.TUNSETIFF, &request), $"open TUN device {name}");
        ReadOnlySpan<byte> actual = new(Unsafe.AsPointer(ref request.ifr_name[0]), IfH.IFNAMSIZ);
        return Encoding.UTF8.GetString(actual[..actual.IndexOf((byte)0)]);
    }
}
