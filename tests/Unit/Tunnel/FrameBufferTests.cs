using PersonalVpn.Tunnel.Protocol;
using PersonalVpn.Unit.Support;
using Xunit;

namespace PersonalVpn.Unit.TunnelTests;

/// <summary>A byte stream becomes the same frames wherever it is cut, and a wrong header ends it at once.</summary>
public sealed class FrameBufferTests
{
    private static readonly byte[][] Frames =
    [
        PingMessage.Encode(FrameType.Ping, 1),
        new CloseMessage(CloseReason.Normal, "").Encode(),
        new OpenMessage([], []).Encode(),
        Hex.Bytes("10 000000"),
        PingMessage.Encode(FrameType.Pong, 2),
    ];

    [Fact]
    public void Every_cut_in_two_gives_the_same_frames()
    {
        byte[] stream = Hex.Join(Frames);
        for (int cut = 0; cut <= stream.Length; cut++) Assert.Equal(Frames, Read(new FrameBuffer(), stream[..cut], stream[cut..]));
    }

    [Fact]
    public void Byte_by_byte() => Assert.Equal(Frames, Read(new FrameBuffer(), [.. Hex.Join(Frames).Select(b => new[] { b })]));

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(1448)]
    [InlineData(65536)]
    [InlineData(int.MaxValue)]
    public void Largest_frames_in_pieces_of_any_size(int piece)
    {
        byte[] largest = new byte[ProtocolConstants.MaxPacketFrameSize];
        FrameHeader.Write(largest, FrameType.Packet, largest.Length - 4);
        byte[][] frames = [largest, Frames[0], largest, largest, Frames[1], largest];
        var buffer = new FrameBuffer();
        byte[] stream = Hex.Join(frames);
        var seen = new List<int>();
        for (int at = 0; at < stream.Length;)
        {
            Memory<byte> space = buffer.Space();
            Assert.False(space.IsEmpty, "a drained buffer has no space");
            int n = Math.Min(Math.Min(piece, space.Length), stream.Length - at);
            stream.AsMemory(at, n).CopyTo(space);
            buffer.Advance(n);
            at += n;
            while (buffer.TryNext(out _, out Span<byte> frame) == FrameStatus.Frame) seen.Add(frame.Length);
        }
        Assert.Equal(frames.Select(f => f.Length), seen);
        Assert.True(buffer.IsEmpty);
    }

    [Fact]
    public void Random_streams_cut_at_random()
    {
        var random = new Random(20240607);
        for (int round = 0; round < 50; round++)
        {
            var frames = new List<byte[]>();
            for (int i = random.Next(1, 40); i > 0; i--)
            {
                byte[] frame = new byte[4 + random.Next(random.Next(4) == 0 ? 16384 : 300)];
                FrameHeader.Write(frame, random.Next(2) == 0 ? FrameType.Packet : FrameType.Config, frame.Length - 4);
                frames.Add(frame);
            }
            byte[] stream = Hex.Join([.. frames]);
            var pieces = new List<byte[]>();
            for (int at = 0; at < stream.Length;)
            {
                int n = Math.Min(random.Next(1, random.Next(2) == 0 ? 20 : 20000), stream.Length - at);
                pieces.Add(stream[at..(at + n)]);
                at += n;
            }
            Assert.Equal(frames, Read(new FrameBuffer(), [.. pieces]));
        }
    }

    [Theory]
    [InlineData("00 000000")] // type 0
    [InlineData("0a 000000")] // not a type
    [InlineData("84 000001")] // RELAYED is empty
    [InlineData("ff 000001")]
    [InlineData("11 000009")] // PING has eight bytes
    [InlineData("01 004001")] // a control frame beyond 16 KiB
    [InlineData("83 ffffff")]
    [InlineData("10 010030")] // a packet beyond the largest
    [InlineData("10 ffffff")]
    public void A_wrong_header_is_malformed_before_its_body_comes(string header)
    {
        var buffer = new FrameBuffer();
        byte[] bytes = Hex.Bytes(header);
        for (int i = 0; i < bytes.Length; i++)
        {
            Assert.Equal(FrameStatus.NeedMore, buffer.TryNext(out _, out _));
            buffer.Space().Span[0] = bytes[i];
            buffer.Advance(1);
        }
        Assert.Equal(FrameStatus.Malformed, buffer.TryNext(out FrameType type, out Span<byte> frame));
        Assert.Equal((FrameType)bytes[0], type);
        Assert.True(frame.IsEmpty);
        Assert.Equal(FrameStatus.Malformed, buffer.TryNext(out _, out _));
    }

    [Theory]
    [InlineData("10 01002f")]
    [InlineData("01 004000")]
    [InlineData("12 000008")]
    public void The_longest_body_of_each_kind_is_waited_for(string header)
    {
        var buffer = new FrameBuffer();
        Hex.Bytes(header).CopyTo(buffer.Space());
        buffer.Advance(4);
        Assert.Equal(FrameStatus.NeedMore, buffer.TryNext(out _, out _));
    }

    /// <summary>The buffer is all that a peer can make us allocate.</summary>
    [Fact]
    public void A_frame_that_would_not_fit_a_small_buffer_is_malformed()
    {
        var buffer = new FrameBuffer(100);
        Hex.Bytes("10 000061").CopyTo(buffer.Space());
        buffer.Advance(4);
        Assert.Equal(FrameStatus.Malformed, buffer.TryNext(out _, out _));
    }

    [Fact]
    public void Reading_frames_allocates_nothing()
    {
        var buffer = new FrameBuffer();
        byte[] stream = Hex.Join(Frames);
        int n = 0;
        long least = long.MaxValue;
        // What the runtime does on this thread in between (compiling anew, collecting) is not the buffer's: the quietest round counts.
        for (int round = 0; round < 6; round++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 1000; i++)
            {
                stream.CopyTo(buffer.Space());
                buffer.Advance(stream.Length);
                while (buffer.TryNext(out _, out _) == FrameStatus.Frame) n++;
            }
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        Assert.Equal(0, least);
        Assert.Equal(6 * 1000 * Frames.Length, n);
    }

    private static List<byte[]> Read(FrameBuffer buffer, params byte[][] pieces)
    {
        var frames = new List<byte[]>();
        foreach (byte[] piece in pieces)
        {
            for (int at = 0; at < piece.Length;)
            {
                Memory<byte> space = buffer.Space();
                Assert.False(space.IsEmpty);
                int n = Math.Min(space.Length, piece.Length - at);
                piece.AsMemory(at, n).CopyTo(space);
                buffer.Advance(n);
                at += n;
                FrameStatus status;
                while ((status = buffer.TryNext(out FrameType type, out Span<byte> frame)) == FrameStatus.Frame)
                {
                    Assert.Equal((byte)type, frame[0]);
                    frames.Add(frame.ToArray());
                }
                Assert.Equal(FrameStatus.NeedMore, status);
            }
        }
        Assert.True(buffer.IsEmpty);
        return frames;
    }
}
