using System.Text.Json.Serialization;

namespace PersonalVpn.Server.Control;

/// <summary>What root may ask a running server.</summary>
internal sealed record ServerRequest(string Operation, string? Target = null);

/// <summary>The answer.</summary>
internal sealed record ServerReply(string? Error, IReadOnlyList<SessionStatus>? Sessions, int Count);

/// <summary>One session in <c>pvpn-server sessions --json</c>.</summary>
internal sealed record SessionStatus(long Id, string User, string Peer, IReadOnlyList<string> Addresses, string Since,
    long BytesIn, long BytesOut, long PacketsIn, long PacketsOut, IReadOnlyDictionary<string, long> PacketsDropped, string? RelayTo, string? Registers);

/// <summary>Generated JSON code.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ServerRequest))]
[JsonSerializable(typeof(ServerReply))]
[JsonSerializable(typeof(IReadOnlyList<SessionStatus>))]
internal sealed partial class ServerJson : JsonSerializerContext;
