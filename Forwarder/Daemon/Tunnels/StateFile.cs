using System.Text.Json;
using System.Text.Json.Serialization;
using PersonalVpn.Packets;

namespace PersonalVpn.Daemon.Tunnels;

/// <summary>
/// What the tunnels were when the daemon was last alive, written before the kernel is changed. A start after a crash keeps these
/// tunnels' destinations blocked until their owners say otherwise, and removes everything else of ours. Bound to one boot and one
/// network namespace: after a reboot it means nothing. Mode 0600, replaced by rename; holds no secret.
/// </summary>
internal sealed class StateFile(string path)
{
    /// <summary>Records these tunnels.</summary>
    public void Write(IEnumerable<TunnelState> tunnels)
    {
        var state = new SavedState(Incarnation(), [.. tunnels.Select(SavedTunnel.From)]);
        string next = path + ".new";
        // Always a file of our own making: root, who may run pvpnd by hand, would else write through a link that the system user left here.
        File.Delete(next);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite };
        using (var stream = new FileStream(next, options)) JsonSerializer.Serialize(stream, state, StateJson.Default.SavedState);
        File.Move(next, path, overwrite: true);
    }

    /// <summary>The recorded tunnels, or none when there is no record of this boot and namespace.</summary>
    public IReadOnlyList<TunnelState> Read(out string? problem)
    {
        problem = null;
        try
        {
            if (!File.Exists(path)) return [];
            SavedState? state = JsonSerializer.Deserialize(File.ReadAllBytes(path), StateJson.Default.SavedState);
            return state is null || state.Incarnation != Incarnation() ? [] : [.. state.Tunnels.Select(t => t.Restore())];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or FormatException)
        {
            problem = $"{path}: {e.Message}";
            return [];
        }
    }

    /// <summary>A clean end leaves nothing.</summary>
    public void Delete() => File.Delete(path);

    private static string Incarnation() =>
        File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim() + " " + new FileInfo("/proc/self/ns/net").LinkTarget;
}

/// <summary>The record.</summary>
internal sealed record SavedState(string Incarnation, IReadOnlyList<SavedTunnel> Tunnels);

/// <summary>One tunnel of the record.</summary>
internal sealed record SavedTunnel(uint Uid, string Gateway, string User, string? V4, string? V6, IReadOnlyList<string> Routes, int Mtu,
    string Device, int Table, DateTimeOffset Since, string Transport, IReadOnlyList<string> Chain)
{
    public static SavedTunnel From(TunnelState t) => new(t.Uid, t.Gateway, t.User, t.AddressV4?.ToString(), t.AddressV6?.ToString(),
        [.. t.Routes.Select(r => r.ToString())], t.Mtu, t.Device, t.Table, t.Since, t.Transport, t.Chain);

    public TunnelState Restore() => new()
    {
        Uid = Uid,
        Gateway = Gateway,
        User = User,
        AddressV4 = V4 is null ? null : IpAddr.Parse(V4),
        AddressV6 = V6 is null ? null : IpAddr.Parse(V6),
        Routes = [.. Routes.Select(IpPrefix.Parse)],
        Mtu = Mtu,
        Device = Device,
        Table = Table,
        Since = Since,
        Transport = Transport,
        Chain = Chain,
    };
}

/// <summary>Generated JSON code.</summary>
[JsonSourceGenerationOptions(WriteIndented = true, RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true)]
[JsonSerializable(typeof(SavedState))]
internal sealed partial class StateJson : JsonSerializerContext;
