using System.Runtime.InteropServices;
using System.Text;
using PersonalVpn.Linux.Abi;

namespace PersonalVpn.Linux;

/// <content>Options, and what a socket tells about itself.</content>
public sealed unsafe partial class LinuxSocket
{
    /// <summary>Sets an integer option.</summary>
    /// <exception cref="LinuxException">setsockopt failed.</exception>
    public void SetOption(int level, int name, int value)
    {
        int result = TrySetOption(level, name, value);
        if (result < 0) throw new LinuxException($"setsockopt level {Number(level)} option {Number(name)}", -result);
    }

    /// <summary>Sets an integer option; 0 or a negative errno.</summary>
    public int TrySetOption(int level, int name, int value) =>
        Result(Native.SetSockOpt(this, level, name, (byte*)&value, sizeof(int)));

    /// <summary>Reads an integer option.</summary>
    /// <exception cref="LinuxException">getsockopt failed.</exception>
    public int GetOption(int level, int name) =>
        TryGetOption(level, name, out int value) is var result and < 0
            ? throw new LinuxException($"getsockopt level {Number(level)} option {Number(name)}", -result)
            : value;

    /// <summary>Reads an integer option; 0 or a negative errno.</summary>
    public int TryGetOption(int level, int name, out int value)
    {
        int answer = 0;
        uint length = sizeof(int);
        int result = Result(Native.GetSockOpt(this, level, name, (byte*)&answer, &length));
        value = answer;
        return result;
    }

    /// <summary>Marks every packet of this socket (SO_MARK, CAP_NET_ADMIN): rules and firewalls tell it by that.</summary>
    /// <exception cref="LinuxException">EPERM without the capability.</exception>
    public void SetMark(uint mark) => Option(SocketH.SOL_SOCKET, SocketH.SO_MARK, (int)mark, "SO_MARK");

    /// <summary>The mark set by <see cref="SetMark"/>.</summary>
    public uint GetMark() => (uint)GetOption(SocketH.SOL_SOCKET, SocketH.SO_MARK);

    /// <summary>Sends small segments at once (TCP_NODELAY): never wait for more.</summary>
    public void SetNoDelay() => Option(InH.IPPROTO_TCP, TcpH.TCP_NODELAY, 1, "TCP_NODELAY");

    /// <summary>Bounds what waits unsent in the kernel (TCP_NOTSENT_LOWAT): buffers are latency.</summary>
    /// <param name="bytes">The socket is writable only while less than this is unsent.</param>
    public void SetNotSentLowat(int bytes) => Option(InH.IPPROTO_TCP, TcpH.TCP_NOTSENT_LOWAT, bytes, "TCP_NOTSENT_LOWAT");

    /// <summary>Gives up a connection whose data is not acknowledged for this long (TCP_USER_TIMEOUT, RFC 5482).</summary>
    public void SetUserTimeout(TimeSpan timeout) =>
        Option(InH.IPPROTO_TCP, TcpH.TCP_USER_TIMEOUT, (int)timeout.TotalMilliseconds, "TCP_USER_TIMEOUT");

    /// <summary>Asks a silent peer for a sign of life, and gives it up (SO_KEEPALIVE; RFC 9293 3.8.4).</summary>
    /// <param name="idle">Silence before the first question and between questions; whole seconds.</param>
    /// <param name="count">Questions without an answer.</param>
    public void SetKeepAlive(TimeSpan idle, int count)
    {
        Option(InH.IPPROTO_TCP, TcpH.TCP_KEEPIDLE, (int)idle.TotalSeconds, "TCP_KEEPIDLE");
        Option(InH.IPPROTO_TCP, TcpH.TCP_KEEPINTVL, (int)idle.TotalSeconds, "TCP_KEEPINTVL");
        Option(InH.IPPROTO_TCP, TcpH.TCP_KEEPCNT, count, "TCP_KEEPCNT");
        Option(SocketH.SOL_SOCKET, SocketH.SO_KEEPALIVE, 1, "SO_KEEPALIVE");
    }

    /// <summary>Chooses the congestion control of this connection (TCP_CONGESTION), for example "cubic".</summary>
    public void SetCongestionControl(string name) => TextOption(InH.IPPROTO_TCP, TcpH.TCP_CONGESTION, name, "TCP_CONGESTION");

    /// <summary>Lets a restarted server bind while old connections are still in TIME_WAIT (SO_REUSEADDR).</summary>
    public void SetReuseAddress() => Option(SocketH.SOL_SOCKET, SocketH.SO_REUSEADDR, 1, "SO_REUSEADDR");

    /// <summary>Closing will reset the connection instead of finishing it (SO_LINGER 0): the peer learns at once that we are gone.</summary>
    public void SetAbortOnClose()
    {
        Linger linger = new() { l_onoff = 1, l_linger = 0 };
        Check(Native.SetSockOpt(this, SocketH.SOL_SOCKET, SocketH.SO_LINGER, (byte*)&linger, (uint)sizeof(Linger)), "set SO_LINGER");
    }

    /// <summary>Keeps an IPv6 socket to IPv6 (IPV6_V6ONLY) or lets it take mapped IPv4, too.</summary>
    public void SetV6Only(bool on) => Option(InH.IPPROTO_IPV6, InH.IPV6_V6ONLY, on ? 1 : 0, "IPV6_V6ONLY");

    /// <summary>Binds to one interface (SO_BINDTODEVICE); "" unbinds.</summary>
    public void BindToDevice(string device) => TextOption(SocketH.SOL_SOCKET, SocketH.SO_BINDTODEVICE, device, "SO_BINDTODEVICE");

    /// <summary>Sets the send buffer, beyond net.core.wmem_max where the capability allows it. The kernel doubles the value.</summary>
    public void SetSendBuffer(int bytes)
    {
        if (TrySetOption(SocketH.SOL_SOCKET, SocketH.SO_SNDBUFFORCE, bytes) < 0)
            Option(SocketH.SOL_SOCKET, SocketH.SO_SNDBUF, bytes, "SO_SNDBUF");
    }

    /// <summary>Sets the receive buffer, beyond net.core.rmem_max where the capability allows it. The kernel doubles the value.</summary>
    public void SetReceiveBuffer(int bytes)
    {
        if (TrySetOption(SocketH.SOL_SOCKET, SocketH.SO_RCVBUFFORCE, bytes) < 0)
            Option(SocketH.SOL_SOCKET, SocketH.SO_RCVBUF, bytes, "SO_RCVBUF");
    }

    /// <summary>Bytes sent but not acknowledged (TCP) or not read (Unix) yet (SIOCOUTQ).</summary>
    public int GetUnsentBytes()
    {
        int value = 0;
        Check(Native.Ioctl(this, SockiosH.SIOCOUTQ, &value), "ioctl SIOCOUTQ");
        return value;
    }

    /// <summary>Asks the kernel who is at the other end of a Unix socket (SO_PEERCRED).</summary>
    /// <exception cref="LinuxException">getsockopt failed.</exception>
    public PeerCredentials GetPeerCredentials()
    {
        UCred cred;
        uint length = (uint)sizeof(UCred);
        Check(Native.GetSockOpt(this, SocketH.SOL_SOCKET, SocketH.SO_PEERCRED, (byte*)&cred, &length), "getsockopt SO_PEERCRED");
        return new PeerCredentials(cred.pid, cred.uid, cred.gid);
    }

    /// <summary>Says what a foreign descriptor is. Never throws for a descriptor that is no socket.</summary>
    /// <exception cref="LinuxException">The descriptor is closed.</exception>
    public SocketDescription Describe()
    {
        StatX stat;
        Check(Native.StatX(this, "", FcntlH.AT_EMPTY_PATH, StatH.STATX_TYPE | StatH.STATX_UID, &stat), "statx");
        if ((stat.stx_mode & FcntlH.S_IFMT) != FcntlH.S_IFSOCK
            || TryGetOption(SocketH.SOL_SOCKET, SocketH.SO_DOMAIN, out int domain) < 0)
        {
            return new SocketDescription { OwnerUid = stat.stx_uid, TcpState = -1 };
        }

        SocketDescription description = new()
        {
            IsSocket = true,
            Domain = domain,
            Type = GetOption(SocketH.SOL_SOCKET, SocketH.SO_TYPE),
            Protocol = GetOption(SocketH.SOL_SOCKET, SocketH.SO_PROTOCOL),
            TcpState = -1,
            OwnerUid = stat.stx_uid,
            Local = LocalEndPoint,
            Remote = RemoteEndPoint,
            Mark = GetMark(),
        };
        return description.IsTcp ? description with { TcpState = GetTcpState() } : description;
    }

    /// <summary>The TCP state (TCP_INFO): 1 established, 7 closed, 10 listening.</summary>
    /// <exception cref="LinuxException">Not a TCP socket.</exception>
    public int GetTcpState()
    {
        byte state = 0;
        uint length = 1; // the kernel cuts tcp_info to what we ask for; tcpi_state is its first byte
        Check(Native.GetSockOpt(this, InH.IPPROTO_TCP, TcpH.TCP_INFO, &state, &length), "getsockopt TCP_INFO");
        return state;
    }

    /// <summary>The segment size TCP uses now (tcpi_snd_mss): payload bytes per packet, options not counted.</summary>
    /// <exception cref="LinuxException">Not a TCP socket.</exception>
    public int GetSendMss()
    {
        Span<byte> info = stackalloc byte[TcpH.TcpInfoSndMss + sizeof(uint)];
        uint length = (uint)info.Length;
        fixed (byte* p = info) Check(Native.GetSockOpt(this, InH.IPPROTO_TCP, TcpH.TCP_INFO, p, &length), "getsockopt TCP_INFO");
        return MemoryMarshal.Read<int>(info[TcpH.TcpInfoSndMss..]);
    }

    private void Option(int level, int name, int value, string what)
    {
        int result = TrySetOption(level, name, value);
        if (result < 0) throw new LinuxException($"set {what}", -result);
    }

    private void TextOption(int level, int name, string value, string what)
    {
        ArgumentNullException.ThrowIfNull(value);
        byte[] text = Encoding.UTF8.GetBytes(value + "\0");
        fixed (byte* p = text) Check(Native.SetSockOpt(this, level, name, p, (uint)text.Length), $"set {what} {value}");
    }
}
