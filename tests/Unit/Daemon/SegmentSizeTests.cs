using PersonalVpn.Daemon.Outbound;
using PersonalVpn.Unit.Support;
using Xunit;
using static PersonalVpn.Unit.DaemonTests.Gates;

namespace PersonalVpn.Unit.DaemonTests;

/// <summary>The sender's kernel cuts at min(peer's MSS, MTU - headers) - options; so do we.</summary>
public sealed class SegmentSizeTests
{
    private static readonly byte[] Timestamps = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];

    [Theory]
    [InlineData(1500, 1460, false, 1448)]
    [InlineData(1500, 8960, false, 1448)] // the device is smaller than the peer
    [InlineData(9000, 1460, false, 1448)]
    [InlineData(1500, 536, false, 524)]
    [InlineData(1500, 1440, true, 1428)]
    [InlineData(1500, 9000, true, 1428)]
    [InlineData(1500, 0, false, SegmentSize.Fallback - 12)] // nothing known: too small costs little, too large loses segments
    [InlineData(1280, 0, true, 1208)]
    [InlineData(1500, 1, false, 8)] // a hostile MSS
    public void Payload_per_segment(int mtu, int peerMss, bool v6, int expected)
    {
        Packet p = v6 ? Packet.Tcp(Inner6, 1, Host6, 2, Ack, 5000, Timestamps) : Packet.Tcp(Inner, 1, Host, 2, Ack, 5000, Timestamps);
        Assert.Equal(expected, SegmentSize.For(mtu, peerMss, p.Info));
    }

    [Fact]
    public void Without_options() => Assert.Equal(1460, SegmentSize.For(1500, 1460, Packet.Tcp(Inner, 1, Host, 2, Ack, 5000).Info));
}
