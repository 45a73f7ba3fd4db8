using PersonalVpn.Server.Relay;

namespace PersonalVpn.Server.Configuration;

/// <summary>What in a server.conf is no error and yet leaves somebody without what its writer meant: <c>pvpn-server check</c> tells.</summary>
internal static class ConfigWarnings
{
    /// <summary>One line each, without the file's name.</summary>
    public static IEnumerable<string> Of(ServerConfig config)
    {
        if (!config.IsOfUse) yield return "there is no Route; users who name no destination are refused";
        List<UserSettings> all = [config.Default, .. config.Matches.Select(m => m.Settings)];
        List<RelayRule> relays = [.. all.SelectMany(s => s.AllowRelay ?? [])];
        foreach (string name in all.SelectMany(s => s.AllowRegister ?? []).Distinct())
            if (!relays.Any(r => string.Equals(r.Host, name, StringComparison.OrdinalIgnoreCase)))
                yield return $"AllowRegister {name}: no AllowRelay leads there; add 'AllowRelay {name}:443', or nobody reaches that server";
        if (config.Registers.Count > 0 && !File.Exists(config.RegisterKnownHosts))
            yield return $"Register: there is no {config.RegisterKnownHosts} (RegisterKnownHosts) with the gateways' keys, so this server registers with none; the log has the line to add";
    }
}
