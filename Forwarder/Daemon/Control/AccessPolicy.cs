using System.IO.Enumeration;
using Mono.Unix;
using Mono.Unix.Native;
using PersonalVpn.Daemon.Tunnels;

namespace PersonalVpn.Daemon.Control;

/// <summary>
/// Who may have a tunnel: sshd's order DenyUsers, AllowUsers, DenyGroups, AllowGroups, patterns with * and ?. Root is refused
/// unless AllowUsers names it literally: its UID stands for too much on a host.
/// </summary>
internal static class AccessPolicy
{
    /// <summary>Null when the user may; otherwise one line that says why not.</summary>
    public static string? Refusal(ForwarderConfig config, uint uid)
    {
        string? name = UserName(uid);
        if (name is null) return $"uid {uid} has no account on this host";
        if (uid == 0 && !config.AllowUsers.Contains(name)) return "root gets no tunnel unless AllowUsers in forwarder.conf names it; use an ordinary account";
        if (Matches(config.DenyUsers, name)) return $"user {name} is denied by DenyUsers in forwarder.conf; ask this host's administrator";
        if (config.AllowUsers.Count > 0 && !Matches(config.AllowUsers, name)) return $"user {name} is not among AllowUsers in forwarder.conf; ask this host's administrator";
        if (config.DenyGroups.Count == 0 && config.AllowGroups.Count == 0) return null;

        if (Groups(name) is not { } groups) return $"the groups of user {name} cannot be told, and forwarder.conf names groups; try again, or ask the administrator";
        if (groups.Any(g => Matches(config.DenyGroups, g))) return $"user {name} is in a group that DenyGroups in forwarder.conf names; ask this host's administrator";
        if (config.AllowGroups.Count > 0 && !groups.Any(g => Matches(config.AllowGroups, g))) return $"user {name} is in no group that AllowGroups in forwarder.conf names; ask this host's administrator";
        return null;
    }

    /// <summary>The account's name, or null.</summary>
    public static string? UserName(uint uid)
    {
        try { return new UnixUserInfo(uid).UserName; }
        catch (ArgumentException) { return null; }
    }

    private static bool Matches(IReadOnlyList<string> patterns, string name) =>
        patterns.Any(p => FileSystemName.MatchesSimpleExpression(p, name, ignoreCase: false));

    // As the system's own id(1) resolves them, every name service included: enumerating groups would miss those that cannot be listed.
    private static List<string>? Groups(string user) =>
        SystemCommand.Run("id", null, out string ids, "-G", "--", user) is null
            ? [.. ids.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)
                .Select(id => uint.TryParse(id, out uint gid) ? Syscall.getgrgid(gid)?.gr_name : null).OfType<string>()]
            : null;
}
