using PersonalVpn.Linux.Abi;

namespace PersonalVpn.Linux;

/// <summary>Network namespaces (network_namespaces(7)).</summary>
public static class Namespaces
{
    /// <summary>
    /// Moves the calling thread, and only it, into a network namespace: sockets and devices that it opens from now on belong there.
    /// Use a thread of your own and let it end; its /proc/net is /proc/thread-self/net.
    /// </summary>
    /// <param name="path">Its file, for example /run/netns/NAME.</param>
    /// <exception cref="LinuxException">ENOENT; EPERM without CAP_SYS_ADMIN.</exception>
    public static void EnterNetwork(string path)
    {
        using LinuxFile file = LinuxFile.OpenRead(path);
        LinuxHandle.Check(Native.SetNs(file, SchedH.CLONE_NEWNET), $"enter network namespace {path}");
    }
}
