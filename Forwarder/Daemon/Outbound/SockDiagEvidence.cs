using PersonalVpn.Linux;
using PersonalVpn.Packets;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Daemon.Outbound;

/// <summary>The kernel's exact socket lookup (sock_diag) as evidence. For TCP and UDP it is final: the kernel looks where it would deliver.</summary>
internal sealed class SockDiagEvidence(SockDiag diag) : IOwnerEvidence
{
    public bool IsFinal(byte protocol) => protocol is IpProtocol.Tcp or IpProtocol.Udp or IpProtocol.UdpLite;

    public OwnerAnswer Lookup(in SocketTuple tuple)
    {
        if (!IsFinal(tuple.Protocol)) return OwnerAnswer.Nobody;
        var local = new IpAddr(tuple.LocalAddress, tuple.IsV6);
        var remote = new IpAddr(tuple.RemoteAddress, tuple.IsV6);
        return diag.TryFind(tuple.Protocol, local, tuple.LocalPort, remote, tuple.RemotePort, out SocketOwner owner) && owner.HasUid
            ? new OwnerAnswer(OwnerVerdict.Owner, owner.Uid, OwnerEvidence.SockDiag) : OwnerAnswer.Nobody;
    }
}
