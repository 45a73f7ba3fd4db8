using Mono.Unix.Native;
using PersonalVpn.Linux;

namespace PersonalVpn.Server;

/// <summary>The Unix groups of a user name, for <c>Match Group</c>; a name without an account is in none.</summary>
internal static class UnixGroups
{
    public static IReadOnlyList<string> Of(string user)
    {
        var entry = new Passwd();
        if (Syscall.getpwnam_r(user, entry, out Passwd? account) != 0 || account is null) return [];
        return [.. GroupList.Of(user, account.pw_gid).Select(NameOf).OfType<string>()];
    }

    // A group without a name cannot be named in a Match line either.
    private static string? NameOf(uint gid)
    {
        var entry = new Group();
        return Syscall.getgrgid_r(gid, entry, out Group? group) == 0 ? group?.gr_name : null;
    }
}
