namespace PersonalVpn.Packets;

/// <summary>
/// Why a packet, or what is said about it, was refused. Malformed input is always one of these and never an exception;
/// <see cref="PacketErrorText.Describe"/> gives the sentence for logs and the numbers serve as counter indexes.
/// </summary>
public enum PacketError : byte
{
    /// <summary>Nothing is wrong.</summary>
    None,

    /// <summary>No bytes at all.</summary>
    Empty,

    /// <summary>Shorter than the fixed IP header (20 bytes IPv4, 40 bytes IPv6).</summary>
    TooShort,

    /// <summary>The version nibble is neither 4 nor 6, or differs from that of the packet around it.</summary>
    UnknownVersion,

    /// <summary>IPv4 IHL below 5 words or beyond the end of the packet (RFC 791 3.1).</summary>
    BadHeaderLength,

    /// <summary>The length in the IP header is not the number of bytes received.</summary>
    BadTotalLength,

    /// <summary>An IPv6 jumbogram (RFC 2675): not carried.</summary>
    Jumbogram,

    /// <summary>An IPv4 option whose length does not fit the header (RFC 791 3.1).</summary>
    BadOption,

    /// <summary>An IPv4 loose or strict source route: the final destination is not the header's (RFC 7126 4.3, 4.4).</summary>
    SourceRoute,

    /// <summary>A malformed or misplaced IPv6 extension header (RFC 8200 4).</summary>
    BadExtensionHeader,

    /// <summary>More IPv6 extension headers than <see cref="PacketParser.MaxExtensionHeaders"/>.</summary>
    TooManyExtensionHeaders,

    /// <summary>An IPv6 routing header of type 0 (RFC 5095) or with segments left: the final destination is not the header's.</summary>
    RoutingHeader,

    /// <summary>A Mobile IPv6 home address option: the true source is not the header's (RFC 6275 6.3).</summary>
    HomeAddress,

    /// <summary>A fragment without data, of uneven length, or reaching beyond 65,535 bytes (RFC 791 3.2, RFC 8200 4.5).</summary>
    BadFragment,

    /// <summary>A first fragment without the whole transport header, or a later one that would overwrite it (RFC 1858, RFC 7112).</summary>
    TinyFragment,

    /// <summary>The packet ends within its transport header.</summary>
    TruncatedTransport,

    /// <summary>TCP data offset below 5 words or beyond the end of the packet (RFC 9293 3.1).</summary>
    BadTcpDataOffset,

    /// <summary>UDP length below 8 or beyond the end of the packet (RFC 768), or an impossible UDP-Lite coverage (RFC 3828 3.1).</summary>
    BadUdpLength,

    /// <summary>The packet is not an ICMP error, so it quotes no packet.</summary>
    NotIcmpError,

    /// <summary>The quoted packet is a later fragment: it has no ports.</summary>
    QuotedLaterFragment,

    /// <summary>An ICMP error that quotes an ICMP error: nobody may send that (RFC 1122 3.2.2, RFC 4443 2.4(e)).</summary>
    QuotedIcmpError,

    /// <summary>Offload metadata shorter than its wire form.</summary>
    OffloadTruncated,

    /// <summary>Offload metadata with flags that are not defined.</summary>
    OffloadFlags,

    /// <summary>Checksum start is not the start of the transport header.</summary>
    OffloadChecksumStart,

    /// <summary>Checksum offset is not the one of the packet's protocol, or the protocol has no checksum to complete.</summary>
    OffloadChecksumOffset,

    /// <summary>A partial checksum or segmentation asked for on a fragment.</summary>
    OffloadOnFragment,

    /// <summary>A segmentation type that is unknown, not carried, or does not match the packet.</summary>
    OffloadGsoType,

    /// <summary>A segment size below <see cref="OffloadMetadata.MinGsoSize"/>.</summary>
    OffloadGsoSize,

    /// <summary>Segmentation asked for without a partial checksum.</summary>
    OffloadGsoWithoutChecksum,

    /// <summary>Segmentation asked for on a TCP packet that has no payload or carries SYN or RST.</summary>
    OffloadGsoNotData,

    /// <summary>The packet is too long for the MTU and says "don't fragment" (RFC 791 3.1).</summary>
    DontFragment,

    /// <summary>The MTU cannot hold the headers and 8 bytes of data.</summary>
    MtuTooSmall,

    /// <summary>The buffer given for the result is too small.</summary>
    DestinationTooSmall,

    /// <summary>The operation is for whole TCP packets only.</summary>
    NotTcp,
}

/// <summary>Sentences for <see cref="PacketError"/>.</summary>
public static class PacketErrorText
{
    /// <summary>What is wrong, in one clause without a full stop, for logs and counters' help texts. Never allocates.</summary>
    public static string Describe(this PacketError error) => error switch
    {
        PacketError.None => "no error",
        PacketError.Empty => "the packet is empty",
        PacketError.TooShort => "shorter than an IP header",
        PacketError.UnknownVersion => "neither IPv4 nor IPv6",
        PacketError.BadHeaderLength => "the IPv4 header length is impossible",
        PacketError.BadTotalLength => "the length in the IP header is not the length received",
        PacketError.Jumbogram => "IPv6 jumbograms are not carried",
        PacketError.BadOption => "an IPv4 option does not fit its header",
        PacketError.SourceRoute => "IPv4 source routes are refused",
        PacketError.BadExtensionHeader => "an IPv6 extension header is malformed or misplaced",
        PacketError.TooManyExtensionHeaders => "too many IPv6 extension headers",
        PacketError.RoutingHeader => "IPv6 routing headers that change the destination are refused",
        PacketError.HomeAddress => "IPv6 home address options are refused",
        PacketError.BadFragment => "the fragment's offset or length is impossible",
        PacketError.TinyFragment => "the first fragment does not hold the whole transport header",
        PacketError.TruncatedTransport => "the packet ends within its transport header",
        PacketError.BadTcpDataOffset => "the TCP data offset is impossible",
        PacketError.BadUdpLength => "the UDP length is impossible",
        PacketError.NotIcmpError => "not an ICMP error",
        PacketError.QuotedLaterFragment => "the ICMP error quotes a fragment without ports",
        PacketError.QuotedIcmpError => "the ICMP error quotes an ICMP error",
        PacketError.OffloadTruncated => "the offload metadata is too short",
        PacketError.OffloadFlags => "the offload metadata has unknown flags",
        PacketError.OffloadChecksumStart => "the offload metadata's checksum start is not the transport header",
        PacketError.OffloadChecksumOffset => "the offload metadata's checksum offset is not the protocol's",
        PacketError.OffloadOnFragment => "offload is not possible on a fragment",
        PacketError.OffloadGsoType => "the segmentation type does not match the packet",
        PacketError.OffloadGsoSize => "the segment size is too small",
        PacketError.OffloadGsoWithoutChecksum => "segmentation needs a partial checksum",
        PacketError.OffloadGsoNotData => "segmentation asked for on a packet that is not TCP data",
        PacketError.DontFragment => "too long for the MTU and must not be fragmented",
        PacketError.MtuTooSmall => "the MTU cannot hold the headers",
        PacketError.DestinationTooSmall => "the buffer is too small for the result",
        PacketError.NotTcp => "not a whole TCP packet",
        _ => "unknown error",
    };
}
