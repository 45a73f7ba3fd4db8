using System.IO.Enumeration;
using Mono.Unix;
using Mono.Unix.Native;

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
        if (Matches(config.DenyUsers, name)) return $"user {name} is denied by DenyUsers in forwarder.conf";
        if (config.AllowUsers.Count > 0 && !Matches(config.AllowUsers, name)) return $"user {name} is not among AllowUsers in forwarder.conf";
        if (config.DenyGroups.Count == 0 && config.AllowGroups.Count == 0) return null;

        IReadOnlyList<string> groups = Groups(name);
        if (groups.Any(g => Matches(config.DenyGroups, g))) return $"user {name} is in a group that DenyGroups in forwarder.conf names";
        if (config.AllowGroups.Count > 0 && !groups.Any(g => Matches(config.AllowGroups, g))) return $"user {name} is in no group that AllowGroups in forwarder.conf names";
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

    private static List<string> Groups(string user)
    {
        var names = new List<string>();
        uint primary = (uint)new UnixUserInfo(user).GroupId;
        foreach (UnixGroupInfo group in UnixGroupInfo.GetLocalGroups())
            if (group.GroupId == primary || group.GetMemberNames().Contains(user)) names.Add(group.GroupName);
        if (names.Count == 0 && Syscall.getgrgid(primary) is { } g) names.Add(g.gr_name);
        return names;
    }
}
