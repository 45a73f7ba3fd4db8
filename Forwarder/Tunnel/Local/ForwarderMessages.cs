using System.Text.Json;
using System.Text.Json.Serialization;

namespace PersonalVpn.Tunnel.Local;

/// <summary>Operations a local user may ask of the Forwarder over its control socket (docs/protocol.md, "Control socket").</summary>
[JsonConverter(typeof(JsonStringEnumConverter<ForwarderOperation>))]
public enum ForwarderOperation
{
    /// <summary>Nothing; never valid.</summary>
    None,

    /// <summary>Mark the TCP socket that comes with the request, fresh or connected, so that it bypasses every tunnel.</summary>
    Mark,

    /// <summary>Build a tunnel owned by the caller; the answer brings the packet channel.</summary>
    Open,

    /// <summary>Remove the tunnel of this connection, cleanly.</summary>
    Close,

    /// <summary>List tunnels: the caller's own, or all for root.</summary>
    Status,

    /// <summary>Where do the caller's packets to an address go?</summary>
    Check,

    /// <summary>Say of this connection's tunnel whether its connection to the server stands.</summary>
    State,

    /// <summary>Remove the caller's tunnels to a gateway, or all of them.</summary>
    Down,
}

/// <summary>A request: one message on the SEQPACKET socket, JSON, at most <see cref="ForwarderProtocol.MaxMessage"/> bytes.</summary>
public sealed record ForwarderRequest
{
    /// <summary>What is asked.</summary>
    public ForwarderOperation Operation { get; init; }

    /// <summary>Open, Down: the gateway as the user named it, with its port.</summary>
    public string? Gateway { get; init; }

    /// <summary>Open: the user name on the server.</summary>
    public string? User { get; init; }

    /// <summary>Open: inner addresses.</summary>
    public string? AddressV4 { get; init; }

    /// <summary>Open: inner addresses.</summary>
    public string? AddressV6 { get; init; }

    /// <summary>Open: destinations (CIDR).</summary>
    public IReadOnlyList<string>? Routes { get; init; }

    /// <summary>Open: MTU inside the tunnel.</summary>
    public int Mtu { get; init; }

    /// <summary>Open: what carries the tunnel, for status.</summary>
    public string? Transport { get; init; }

    /// <summary>Open: servers passed on the way, for status.</summary>
    public IReadOnlyList<string>? Chain { get; init; }

    /// <summary>Open: the process can read the tunnel's device itself. The reply then may carry its descriptor behind the channel's.</summary>
    public bool FastPath { get; init; }

    /// <summary>State: the connection to the server is lost, and being made again.</summary>
    public bool? Reconnecting { get; init; }

    /// <summary>Check: the address asked about.</summary>
    public string? Destination { get; init; }

    /// <summary>Down: all of the caller's tunnels.</summary>
    public bool All { get; init; }

    /// <summary>Status: how many tunnels to leave out, because an answer before this one had them.</summary>
    public int? Skip { get; init; }
}

/// <summary>Why a request failed, for programs; <see cref="ForwarderReply.Error"/> is for people.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<ForwarderError>))]
public enum ForwarderError
{
    /// <summary>It did not.</summary>
    None,

    /// <summary>Malformed or out of place.</summary>
    BadRequest,

    /// <summary>This user may not.</summary>
    Denied,

    /// <summary>An inner address is in use on this host; another one may do.</summary>
    AddressInUse,

    /// <summary>A destination is not permitted, or carried by another tunnel of the user.</summary>
    DestinationRefused,

    /// <summary>MaxTunnelsPerUser.</summary>
    TooManyTunnels,

    /// <summary>No such tunnel.</summary>
    NotFound,

    /// <summary>The kernel refused; the daemon's log says more.</summary>
    Failed,
}

/// <summary>Where a packet would go.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<CheckVerdict>))]
public enum CheckVerdict
{
    /// <summary>By the ordinary route, in clear.</summary>
    Direct,

    /// <summary>Into a tunnel that is up.</summary>
    Protected,

    /// <summary>Nowhere: the tunnel that should carry it is down.</summary>
    Blocked,
}

/// <summary>The answer to one request.</summary>
public sealed record ForwarderReply
{
    /// <summary>None = done.</summary>
    public ForwarderError Code { get; init; }

    /// <summary>One line that says what failed and what to do.</summary>
    public string? Error { get; init; }

    /// <summary>Open: the tunnel's device.</summary>
    public string? Device { get; init; }

    /// <summary>Check: the verdict.</summary>
    public CheckVerdict? Verdict { get; init; }

    /// <summary>Check: the gateway that carries, or should carry, the packet.</summary>
    public string? Gateway { get; init; }

    /// <summary>Status: tunnels. Down: those removed.</summary>
    public IReadOnlyList<TunnelStatus>? Tunnels { get; init; }

    /// <summary>Status, Down: how many more there are than one message holds. Of Status they can be asked for, with Skip.</summary>
    public int? More { get; init; }
}

/// <summary>One tunnel in <c>pvpn status --json</c> (the contract fixes these names).</summary>
public sealed record TunnelStatus
{
    /// <summary>Gateway as the user named it.</summary>
    public required string Gateway { get; init; }

    /// <summary>User name on the server.</summary>
    public required string User { get; init; }

    /// <summary>Owner on this host.</summary>
    public required uint Uid { get; init; }

    /// <summary>connecting, up, reconnecting or down (= blocked).</summary>
    public required string State { get; init; }

    /// <summary>Inner addresses, comma-separated when there are two.</summary>
    public required string Address { get; init; }

    /// <summary>Destinations.</summary>
    public required IReadOnlyList<string> Routes { get; init; }

    /// <summary>What carries the tunnel, such as "tls".</summary>
    public required string Transport { get; init; }

    /// <summary>When it came up, UTC, RFC 3339.</summary>
    public required string Since { get; init; }

    /// <summary>Bytes of IP packets from the server.</summary>
    public required long BytesIn { get; init; }

    /// <summary>Bytes of IP packets to the server.</summary>
    public required long BytesOut { get; init; }

    /// <summary>Packets (superpackets count as one) from the server.</summary>
    public required long PacketsIn { get; init; }

    /// <summary>Packets (superpackets count as one) to the server.</summary>
    public required long PacketsOut { get; init; }

    /// <summary>Packets dropped, by reason; reasons that never occurred are left out.</summary>
    public required IReadOnlyDictionary<string, long> PacketsDropped { get; init; }

    /// <summary>Servers passed on the way.</summary>
    public required IReadOnlyList<string> Chain { get; init; }

    /// <summary>The tunnel's device on this host.</summary>
    public required string Device { get; init; }
}

/// <summary>Encoding of the control socket's messages.</summary>
public static class ForwarderProtocol
{
    /// <summary>Largest message either way, bytes.</summary>
    public const int MaxMessage = 64 * 1024;

    /// <summary>Where pvpnd listens unless configured otherwise.</summary>
    public const string DefaultSocket = "/run/pvpn/forwarder.sock";

    /// <summary>Decodes a request; null when it is malformed.</summary>
    public static ForwarderRequest? DecodeRequest(ReadOnlySpan<byte> message)
    {
        try { return JsonSerializer.Deserialize(message, LocalJson.Default.ForwarderRequest); }
        catch (JsonException) { return null; }
    }

    /// <summary>Decodes a reply; null when it is malformed.</summary>
    public static ForwarderReply? DecodeReply(ReadOnlySpan<byte> message)
    {
        try { return JsonSerializer.Deserialize(message, LocalJson.Default.ForwarderReply); }
        catch (JsonException) { return null; }
    }

    /// <summary>Encodes a request.</summary>
    public static byte[] Encode(ForwarderRequest request) => JsonSerializer.SerializeToUtf8Bytes(request, LocalJson.Default.ForwarderRequest);

    /// <summary>Encodes a reply.</summary>
    public static byte[] Encode(ForwarderReply reply) => JsonSerializer.SerializeToUtf8Bytes(reply, LocalJson.Default.ForwarderReply);

    /// <summary>A reply with as many of these tunnels as one message holds; <see cref="ForwarderReply.More"/> counts the others.</summary>
    public static ForwarderReply Fit(IReadOnlyList<TunnelStatus> tunnels)
    {
        // What stands around the list, and the commas between.
        int room = MaxMessage - 256, taken = 0;
        while (taken < tunnels.Count && (room -= JsonSerializer.SerializeToUtf8Bytes(tunnels[taken], LocalJson.Default.TunnelStatus).Length + 1) >= 0) taken++;
        return new ForwarderReply { Tunnels = [.. tunnels.Take(taken)], More = taken < tunnels.Count ? tunnels.Count - taken : null };
    }
}

/// <summary>Generated JSON code: no reflection, fast start.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    MaxDepth = 8, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(ForwarderRequest))]
[JsonSerializable(typeof(ForwarderReply))]
[JsonSerializable(typeof(IReadOnlyList<TunnelStatus>))]
[JsonSerializable(typeof(TunnelStatus))]
public sealed partial class LocalJson : JsonSerializerContext;
