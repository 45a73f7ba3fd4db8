using System.Diagnostics;
using PersonalVpn.Kernel.Support;
using PersonalVpn.Linux;

namespace PersonalVpn.Kernel.Linux;

/// <summary>
/// A device that waits without a reader is nobody else's to take: on an ordinary machine everybody may open /dev/net/tun (udev:
/// mode 0666), and who is attached to a device sends packets of any source from it into the host, or removes it.
/// </summary>
public sealed class TunOwnerTests : IDisposable
{
    private const uint Stranger = 65534;

    // TUNSETIFF, IFF_TUN | IFF_NO_PI; ends with 7 when the kernel refuses
    private const string Attach =
        "import fcntl,os,struct,sys\nf=os.open(sys.argv[1],os.O_RDWR)\n" +
        "try: fcntl.ioctl(f,0x400454ca,struct.pack('16sH22x',sys.argv[2].encode(),0x1001))\nexcept PermissionError: sys.exit(7)";

    private readonly NetworkNamespace _ns = NetworkNamespace.Create("tunowner");
    private readonly string _node = Path.Combine(Path.GetTempPath(), $"pvpnt-{Environment.ProcessId}-tun");

    public TunOwnerTests()
    {
        // A node of our own: that of this machine keeps its mode.
        Shell.Run($"mknod -m 666 {_node} c 10 200");
    }

    public void Dispose()
    {
        File.Delete(_node);
        _ns.Dispose();
    }

    [Fact]
    public void Another_user_cannot_attach_to_a_device_without_a_reader()
    {
        _ns.Run(() => TunDevice.Open("waits0", new TunOptions { Persistent = true }).Dispose());
        Assert.Equal(7, AttachAs(Stranger, "waits0"));
        Assert.Equal(0, AttachAs(0, "waits0"));
    }

    [Fact]
    public void A_device_that_was_left_without_an_owner_gets_one()
    {
        _ns.Exec("ip tuntap add dev left0 mode tun");
        _ns.Run(() => TunDevice.Open("left0", new TunOptions { Persistent = true }).Dispose());
        Assert.Equal(7, AttachAs(Stranger, "left0"));
    }

    private int AttachAs(uint uid, string device)
    {
        using Process process = _ns.StartAs(uid, "/usr/bin/python3", "-c", Attach, _node, device);
        Assert.True(process.WaitForExit(10_000));
        return process.ExitCode;
    }
}
