using PersonalVpn.Packets;
using PersonalVpn.Server.Sessions;

namespace PersonalVpn.Server.Inject;

/// <summary>What became of a packet at the server's way out.</summary>
internal enum InjectResult
{
    /// <summary>The kernel has it.</summary>
    Sent,

    /// <summary>The kernel had no room, or refused it.</summary>
    Dropped,

    /// <summary>Longer than the way out takes, and not to be fragmented: the sender is to be told.</summary>
    TooBig,

    /// <summary>Kept for a while, at most until <see cref="IInjector.Flush"/>; counted when it is sent or dropped.</summary>
    Held,
}

/// <summary>Hands a user's packets to the server's kernel. Any thread; never waits.</summary>
internal interface IInjector : IDisposable
{
    /// <summary>Sends one packet or superpacket that was parsed, checked and permitted.</summary>
    /// <param name="frame">The PACKET frame: header, metadata, packet. May be overwritten.</param>
    /// <param name="info">The packet, parsed.</param>
    /// <param name="offload">Its metadata, validated.</param>
    /// <param name="counters">Where a packet is counted whose fate is known later (<see cref="InjectResult.Held"/>).</param>
    InjectResult Send(Span<byte> frame, in PacketInfo info, in OffloadMetadata offload, SessionCounters counters);

    /// <summary>Sends what this thread's calls left behind. To be called at the end of every run of packets, before the thread waits.</summary>
    void Flush();
}
