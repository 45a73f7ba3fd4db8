using System.Buffers.Binary;
using PersonalVpn.Packets;
using Xunit;

namespace PersonalVpn.Unit.Packets;

/// <summary>A plain reassembler for tests: fragments in order, without gaps.</summary>
internal static class Reassembly
{
    public static byte[] Join(IReadOnlyList<byte[]> fragments)
    {
        PacketInfo first = Build.Parse(fragments[0]);
        return first.IsV6 ? JoinV6(fragments) : JoinV4(fragments, first);
    }

    private static byte[] JoinV4(IReadOnlyList<byte[]> fragments, in PacketInfo first)
    {
        List<byte> data = [.. fragments[0][..first.TransportOffset]];
        int expected = first.FragmentOffset;
        bool more = true;
        foreach (byte[] fragment in fragments)
        {
            PacketInfo info = Build.Parse(fragment);
            Assert.Equal(expected, info.FragmentOffset);
            Assert.True(InternetChecksum.VerifyIpv4Header(fragment));
            data.AddRange(fragment[info.TransportOffset..]);
            expected += info.TotalLength - info.TransportOffset;
            more = info.MoreFragments;
        }

        byte[] packet = [.. data];
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), (ushort)packet.Length);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(6), (ushort)((first.FragmentOffset / 8) | (more ? 0x2000 : 0)));
        InternetChecksum.FillIpv4Header(packet);
        return packet;
    }

    // Headers before the fragment header are found by walking next-header bytes, without the code under test.
    private static byte[] JoinV6(IReadOnlyList<byte[]> fragments)
    {
        List<byte> data = [];
        int expected = 0;
        foreach (byte[] fragment in fragments)
        {
            int namedAt = 6;
            int offset = 40;
            while (fragment[namedAt] != IpProtocol.Fragment)
            {
                namedAt = offset;
                offset += (fragment[offset + 1] + 1) * 8;
            }

            if (data.Count == 0)
            {
                data.AddRange(fragment[..offset]);
                data[namedAt] = fragment[offset];
            }

            Assert.Equal(expected, BinaryPrimitives.ReadUInt16BigEndian(fragment.AsSpan(offset + 2)) & 0xfff8);
            Assert.Equal(0, fragment[offset + 1]);
            data.AddRange(fragment[(offset + 8)..]);
            expected += fragment.Length - offset - 8;
        }

        byte[] packet = [.. data];
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(4), (ushort)(packet.Length - 40));
        return packet;
    }
}
