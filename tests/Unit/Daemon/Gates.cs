using PersonalVpn.Daemon.Tunnels;
using PersonalVpn.Packets;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Unit.DaemonTests;

/// <summary>The stage of the gates' tests: alice's tunnel, a host she talks to, and another user.</summary>
internal static class Gates
{
    public const uint Alice = 1000, Bob = 1001;
    public const string Inner = "10.77.0.2", Inner6 = "fd77::2", Host = "10.1.2.3", Host6 = "fd01::3";
    public const byte Syn = TcpFlags.Syn, Ack = TcpFlags.Ack, Fin = TcpFlags.Fin | TcpFlags.Ack, Rst = TcpFlags.Rst, SynAck = TcpFlags.Syn | TcpFlags.Ack;

    public static TunnelState NewTunnel(params string[] routes) => new()
    {
        Uid = Alice,
        Gateway = "gw",
        User = "alice",
        AddressV4 = IpAddr.Parse(Inner),
        AddressV6 = IpAddr.Parse(Inner6),
        Routes = [.. (routes.Length == 0 ? ["10.1.0.0/16"] : routes).Select(IpPrefix.Parse)],
        Mtu = 1500,
        Device = "pvpn0",
        Table = 7_570_000,
    };

    /// <summary>The socket at alice's end of a flow to <see cref="Host"/>.</summary>
    public static SocketTuple Socket(byte protocol, ushort local, ushort remote, string inner = Inner, string host = Host)
    {
        IpAddr a = IpAddr.Parse(inner), b = IpAddr.Parse(host);
        return new SocketTuple(protocol, a.IsV6, a.Value, local, b.Value, remote);
    }
}
