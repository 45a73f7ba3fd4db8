using PersonalVpn.Linux;

namespace PersonalVpn.Daemon.Tunnels;

/// <summary>What the owner's process gets of its tunnel, as descriptors: its end of the packet channel and, on the fast path, the device.</summary>
internal sealed class UserEnd(LinuxSocket channel, TunDevice? device) : IDisposable
{
    /// <summary>In the order in which they are sent.</summary>
    public int[] Fds => device is null ? [channel.Fd] : [channel.Fd, device.Fd];

    public void Dispose()
    {
        channel.Dispose();
        device?.Dispose();
    }
}
