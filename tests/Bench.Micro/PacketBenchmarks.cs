using System.Buffers.Binary;
using BenchmarkDotNet.Attributes;
using PersonalVpn.Packets;
using PersonalVpn.Tunnel.Protocol;

namespace PersonalVpn.Bench.Micro;

/// <summary>What every packet goes through: parse, checksum, metadata, frame.</summary>
[MemoryDiagnoser]
[ShortRunJob]
public class PacketBenchmarks
{
    private readonly byte[] _stream = new byte[FrameBuffer.Capacity];
    private readonly FrameBuffer _frames = new();
    private byte[] _packet = [];
    private PacketInfo _info;
    private OffloadMetadata _offload;
    private int _streamLength;

    /// <summary>Bytes of the packet: an acknowledgement, a full segment, a superpacket.</summary>
    [Params(40, 1500, 64000)]
    public int Size { get; set; }

    /// <summary>A TCP packet of that size, and a stream of frames of it.</summary>
    [GlobalSetup]
    public void Setup()
    {
        _packet = new byte[Size];
        _packet[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(_packet.AsSpan(2), (ushort)Size);
        _packet[8] = 64;
        _packet[9] = 6;
        IpAddr.Parse("10.77.0.2").Write(_packet.AsSpan(12));
        IpAddr.Parse("10.99.2.2").Write(_packet.AsSpan(16));
        _packet[32] = 0x50;
        _packet[33] = 0x10;
        if (PacketParser.TryParse(_packet, out _info) != PacketError.None) throw new InvalidOperationException("the packet is malformed");
        _offload = OffloadMetadata.ForPartial(_info, 1460);
        int frame = ProtocolConstants.PacketPrefixSize + Size;
        while (_streamLength + frame <= 65536)
        {
            FrameHeader.Write(_stream.AsSpan(_streamLength), FrameType.Packet, frame - ProtocolConstants.FrameHeaderSize);
            _streamLength += frame;
        }
    }

    [Benchmark]
    public PacketError Parse() => PacketParser.TryParse(_packet, out _);

    [Benchmark]
    public PacketError ParseStart() => PacketParser.TryParseStart(_packet, out _);

    [Benchmark]
    public uint Checksum() => InternetChecksum.Sum(_packet);

    [Benchmark]
    public PacketError Metadata()
    {
        _offload.Write(_stream.AsSpan(_stream.Length - 16));
        return OffloadMetadata.Read(_stream.AsSpan(_stream.Length - 16)).Validate(_info);
    }

    /// <summary>64 KiB of a stream cut into frames.</summary>
    [Benchmark]
    public int Frames()
    {
        _stream.AsSpan(0, _streamLength).CopyTo(_frames.Space().Span);
        _frames.Advance(_streamLength);
        int count = 0;
        while (_frames.TryNext(out _, out _) == FrameStatus.Frame) count++;
        return count;
    }
}
