using System.Globalization;
using System.Net;
using PersonalVpn.Linux.Abi;
using PersonalVpn.Packets;

namespace PersonalVpn.Linux;

/// <summary>
/// A socket. Transfers return bytes or a negative errno and retry EINTR; everything else throws
/// <see cref="LinuxException"/>. Disposing while another thread waits in <see cref="Receive"/> takes effect when that call
/// returns: call <see cref="Shutdown()"/> first to wake it.
/// </summary>
public sealed unsafe partial class LinuxSocket : LinuxHandle
{
    private LinuxSocket(int fd, bool ownsHandle)
        : base(fd, ownsHandle)
    {
    }

    /// <summary>Wraps a descriptor, for example one received by <see cref="ReceiveWithFds"/>; see <see cref="Describe"/> before trusting it.</summary>
    /// <param name="fd">The descriptor.</param>
    /// <param name="ownsHandle">True: closed with this object.</param>
    public static LinuxSocket FromFd(int fd, bool ownsHandle = true) => new(fd, ownsHandle);

    /// <summary>Creates a socket, close-on-exec.</summary>
    /// <param name="domain">AF_*.</param>
    /// <param name="type">SOCK_*; SOCK_NONBLOCK may be added.</param>
    /// <param name="protocol">Protocol number.</param>
    /// <param name="what">Name for error messages.</param>
    /// <exception cref="LinuxException">socket failed.</exception>
    public static LinuxSocket Create(int domain, int type, int protocol, string what) =>
        new(Check(Native.Socket(domain, type | SocketH.SOCK_CLOEXEC, protocol), $"create {what} socket"), true);

    /// <summary>Creates a blocking TCP socket.</summary>
    /// <exception cref="LinuxException">socket failed.</exception>
    public static LinuxSocket CreateTcp(bool v6) =>
        Create(v6 ? SocketH.AF_INET6 : SocketH.AF_INET, SocketH.SOCK_STREAM, InH.IPPROTO_TCP, v6 ? "TCP/IPv6" : "TCP/IPv4");

    /// <summary>Creates a blocking UDP socket.</summary>
    /// <exception cref="LinuxException">socket failed.</exception>
    public static LinuxSocket CreateUdp(bool v6) =>
        Create(v6 ? SocketH.AF_INET6 : SocketH.AF_INET, SocketH.SOCK_DGRAM, InH.IPPROTO_UDP, v6 ? "UDP/IPv6" : "UDP/IPv4");

    /// <summary>Takes whatever arrived.</summary>
    /// <param name="buffer">Where to.</param>
    /// <param name="flags"><see cref="SocketFlags"/>.</param>
    /// <returns>Bytes, 0 when the peer has finished, or a negative errno.</returns>
    public int Receive(Span<byte> buffer, int flags = 0)
    {
        fixed (byte* p = buffer)
        {
            int n;
            do n = Result(Native.Recv(this, p, (nuint)buffer.Length, flags));
            while (n == -Errno.EINTR);
            return n;
        }
    }

    /// <summary>Sends; a stream may take less than all. Never raises SIGPIPE.</summary>
    /// <param name="data">What.</param>
    /// <param name="flags"><see cref="SocketFlags"/>.</param>
    /// <returns>Bytes taken or a negative errno.</returns>
    public int Send(ReadOnlySpan<byte> data, int flags = 0)
    {
        fixed (byte* p = data)
        {
            int n;
            do n = Result(Native.Send(this, p, (nuint)data.Length, flags | SocketH.MSG_NOSIGNAL));
            while (n == -Errno.EINTR);
            return n;
        }
    }

    /// <summary>Sends one datagram to an address.</summary>
    /// <returns>Bytes or a negative errno.</returns>
    public int SendTo(ReadOnlySpan<byte> data, IpAddr destination, ushort port, int flags = 0)
    {
        byte* address = stackalloc byte[SocketAddress.MaxSize];
        int length = SocketAddress.Write(new Span<byte>(address, SocketAddress.MaxSize), destination, port);
        fixed (byte* p = data)
        {
            int n;
            do n = Result(Native.SendTo(this, p, (nuint)data.Length, flags | SocketH.MSG_NOSIGNAL, address, (uint)length));
            while (n == -Errno.EINTR);
            return n;
        }
    }

    /// <summary>Ends both directions, so that both ends and every thread in Receive wake up. Harmless when not connected.</summary>
    public void Shutdown() => Shutdown(SocketH.SHUT_RDWR);

    /// <summary>Ends our sending direction: the peer reads to the end (FIN).</summary>
    public void ShutdownSend() => Shutdown(SocketH.SHUT_WR);

    /// <summary>Binds to a local address.</summary>
    /// <exception cref="LinuxException">bind failed.</exception>
    public void Bind(IPEndPoint local)
    {
        ArgumentNullException.ThrowIfNull(local);
        byte* address = stackalloc byte[SocketAddress.MaxSize];
        int length = SocketAddress.Write(new Span<byte>(address, SocketAddress.MaxSize), local);
        Check(Native.Bind(this, address, (uint)length), $"bind {local}");
    }

    /// <summary>Accepts connections from now on.</summary>
    /// <param name="backlog">How many may wait; the kernel caps it at net.core.somaxconn.</param>
    /// <exception cref="LinuxException">listen failed.</exception>
    public void Listen(int backlog = SocketH.SOMAXCONN) => Check(Native.Listen(this, backlog), "listen");

    /// <summary>Takes one waiting connection.</summary>
    /// <param name="error">0, or the errno when the answer is null: EAGAIN on a non-blocking socket, EMFILE, ECONNABORTED...</param>
    /// <param name="nonBlocking">True: the new socket is non-blocking.</param>
    public LinuxSocket? Accept(out int error, bool nonBlocking = false)
    {
        int fd;
        do fd = Result(Native.Accept4(this, null, null, SocketH.SOCK_CLOEXEC | (nonBlocking ? SocketH.SOCK_NONBLOCK : 0)));
        while (fd == -Errno.EINTR);
        error = fd < 0 ? -fd : 0;
        return fd < 0 ? null : new LinuxSocket(fd, true);
    }

    /// <summary>Takes one connection, waiting for it.</summary>
    /// <exception cref="LinuxException">accept failed.</exception>
    public LinuxSocket Accept() => Accept(out int error) ?? throw new LinuxException("accept", error);

    /// <summary>Connects, waiting as long as the kernel does.</summary>
    /// <exception cref="LinuxException">connect failed.</exception>
    public void Connect(IPEndPoint remote) => Connect(remote, Timeout.InfiniteTimeSpan);

    /// <summary>Connects within a time.</summary>
    /// <exception cref="LinuxException">connect failed; ETIMEDOUT when the time is up.</exception>
    public void Connect(IPEndPoint remote, TimeSpan timeout)
    {
        int result = TryConnect(remote, timeout);
        if (result < 0) throw new LinuxException($"connect to {remote}", -result);
    }

    /// <summary>Connects within a time; 0 or a negative errno.</summary>
    public int TryConnect(IPEndPoint remote, TimeSpan timeout)
    {
        ArgumentNullException.ThrowIfNull(remote);
        bool limited = timeout != Timeout.InfiniteTimeSpan;
        bool wasNonBlocking = NonBlocking;
        if (limited && !wasNonBlocking) SetNonBlocking(true);
        try
        {
            int result = BeginConnect(remote);

            // An interrupted connect goes on in the background (connect(2), EINTR): wait for it as for a non-blocking one.
            bool pending = result == -Errno.EINTR || (result == -Errno.EINPROGRESS && (limited || !wasNonBlocking));
            if (!pending) return result;
            if (!Poll(forWrite: true, limited ? (int)timeout.TotalMilliseconds : -1)) return -Errno.ETIMEDOUT;
            return -GetOption(SocketH.SOL_SOCKET, SocketH.SO_ERROR);
        }
        finally
        {
            if (limited && !wasNonBlocking) SetNonBlocking(false);
        }
    }

    /// <summary>One connect call: 0, -EINPROGRESS on a non-blocking socket (writable when done, then <see cref="TakeError"/>), or another negative errno.</summary>
    public int BeginConnect(IPEndPoint remote)
    {
        ArgumentNullException.ThrowIfNull(remote);
        byte* address = stackalloc byte[SocketAddress.MaxSize];
        int length = SocketAddress.Write(new Span<byte>(address, SocketAddress.MaxSize), remote);
        return Result(Native.Connect(this, address, (uint)length));
    }

    /// <summary>Takes the pending error (SO_ERROR): 0 or a positive errno.</summary>
    public int TakeError() => GetOption(SocketH.SOL_SOCKET, SocketH.SO_ERROR);

    /// <summary>Our address; null for other families than IP.</summary>
    /// <exception cref="LinuxException">getsockname failed.</exception>
    public IPEndPoint? LocalEndPoint
    {
        get
        {
            byte* address = stackalloc byte[SocketAddress.MaxSize];
            uint length = SocketAddress.MaxSize;
            Check(Native.GetSockName(this, address, &length), "getsockname");
            return SocketAddress.Read(new ReadOnlySpan<byte>(address, (int)Math.Min(length, SocketAddress.MaxSize)));
        }
    }

    /// <summary>The peer's address; null when not connected or for other families than IP.</summary>
    public IPEndPoint? RemoteEndPoint
    {
        get
        {
            byte* address = stackalloc byte[SocketAddress.MaxSize];
            uint length = SocketAddress.MaxSize;
            return Native.GetPeerName(this, address, &length) < 0
                ? null
                : SocketAddress.Read(new ReadOnlySpan<byte>(address, (int)Math.Min(length, SocketAddress.MaxSize)));
        }
    }

    private void Shutdown(int how)
    {
        if (IsClosed || IsInvalid) return;
        int result = Result(Native.Shutdown(this, how));
        if (result < 0 && result != -Errno.ENOTCONN) throw new LinuxException("shutdown", -result);
    }

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);
}
