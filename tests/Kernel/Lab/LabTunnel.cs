using System.Text.Json;

namespace PersonalVpn.Kernel.Lab;

/// <summary>A tunnel that is up: the process that holds it and what it said.</summary>
/// <param name="Process">pvpn in the foreground.</param>
/// <param name="ConnectedLine">Its one line on stderr.</param>
/// <param name="Status">Its row of <c>pvpn status --json</c> right after it came up.</param>
public sealed record LabTunnel(LabProcess Process, string ConnectedLine, TunnelStatus Status) : IAsyncDisposable
{
    /// <summary>The inner IPv4 address.</summary>
    public string Address4 => Status.Addresses.First(a => !a.Contains(':', StringComparison.Ordinal));

    /// <summary>The inner IPv6 address.</summary>
    public string Address6 => Status.Addresses.First(a => a.Contains(':', StringComparison.Ordinal));

    /// <summary>SIGTERM: takes the tunnel down.</summary>
    public ValueTask DisposeAsync() => Process.DisposeAsync();
}

/// <summary>A row of <c>pvpn status --json</c>.</summary>
public sealed record TunnelStatus(string Gateway, string User, long Uid, string State, string[] Addresses, string[] Routes,
    string Device, long PacketsIn, long PacketsOut, IReadOnlyDictionary<string, long> Dropped, string[] Chain, string Transport)
{
    /// <summary>Reads the array that <c>pvpn status --json</c> prints.</summary>
    public static TunnelStatus[] Parse(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        return [.. document.RootElement.EnumerateArray().Select(row => new TunnelStatus(
            row.GetProperty("gateway").GetString()!,
            row.GetProperty("user").GetString()!,
            row.GetProperty("uid").GetInt64(),
            row.GetProperty("state").GetString()!,
            Strings(row.GetProperty("address")),
            Strings(row.GetProperty("routes")),
            row.GetProperty("device").GetString()!,
            row.GetProperty("packetsIn").GetInt64(),
            row.GetProperty("packetsOut").GetInt64(),
            row.GetProperty("packetsDropped").EnumerateObject().ToDictionary(p => p.Name, p => p.Value.GetInt64()),
            Strings(row.GetProperty("chain")),
            row.GetProperty("transport").GetString()!))];
    }

    // One address or several: the contract names the property, not its shape.
    private static string[] Strings(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Array => [.. element.EnumerateArray().Select(e => e.GetString()!)],
        JsonValueKind.String => element.GetString()!.Split([' ', ','], StringSplitOptions.RemoveEmptyEntries),
        _ => [],
    };
}
