using PersonalVpn.Cli.Config.Proxies;
using PersonalVpn.Linux;

namespace PersonalVpn.Cli.Connect.Dial;

/// <summary>
/// The few words with a proxy before the connection is the gateway's: every wait bounded, and never a byte taken that does not belong
/// to the proxy's answer.
/// </summary>
/// <param name="socket">Connected to the proxy; stays the caller's.</param>
/// <param name="proxy">For messages.</param>
/// <param name="deadline">Bounds the whole.</param>
internal sealed class ProxyTalk(LinuxSocket socket, ProxyServer proxy, Deadline deadline)
{
    /// <summary>Sends all of it.</summary>
    /// <exception cref="UserError">The connection broke, or the time is up.</exception>
    public void Send(ReadOnlySpan<byte> data)
    {
        while (data.Length > 0)
        {
            int n = socket.Send(data, SocketFlags.MSG_DONTWAIT);
            if (n == -Errno.EAGAIN) Wait(forWrite: true);
            else if (n < 0) throw Lost(-n);
            else data = data[n..];
        }
    }

    /// <summary>Shows what has come, at least one byte, and leaves it there.</summary>
    /// <returns>How many bytes.</returns>
    /// <exception cref="UserError">The proxy closed the connection or is silent.</exception>
    public int Peek(Span<byte> buffer) => Receive(buffer, SocketFlags.MSG_PEEK);

    /// <summary>Takes exactly as many bytes as the buffer holds.</summary>
    /// <exception cref="UserError">The proxy closed the connection or is silent.</exception>
    public void Take(Span<byte> buffer)
    {
        while (buffer.Length > 0) buffer = buffer[Receive(buffer, 0)..];
    }

    /// <summary>The proxy has answered: what comes now comes from the gateway, which speaks only when spoken to.</summary>
    /// <exception cref="UserError">The proxy goes on speaking.</exception>
    public void EndOfAnswer()
    {
        Span<byte> one = stackalloc byte[1];
        if (socket.Receive(one, SocketFlags.MSG_PEEK | SocketFlags.MSG_DONTWAIT) > 0)
            throw new UserError($"the {proxy.Name} sends bytes of its own behind its answer; it carries no TLS, use another one");
    }

    private int Receive(Span<byte> buffer, int flags)
    {
        while (true)
        {
            int n = socket.Receive(buffer, flags | SocketFlags.MSG_DONTWAIT);
            if (n > 0) return n;
            if (n == 0) throw new UserError($"the {proxy.Name} closed the connection without a full answer; its log may say why");
            if (n != -Errno.EAGAIN) throw Lost(-n);
            Wait(forWrite: false);
        }
    }

    private void Wait(bool forWrite)
    {
        if (deadline.Left == 0 || !socket.Poll(forWrite, deadline.Left))
            throw new UserError($"the {proxy.Name} did not answer {deadline.Within} (ConnectTimeout); is it a proxy of that kind, and can it reach the gateway?");
    }

    private UserError Lost(int errno) => new($"the connection to the {proxy.Name} was lost: {new LinuxException("transfer", errno).Message}; try again");
}
