using Mono.Unix;

namespace PersonalVpn.Server;

/// <summary>The Unix groups of a user name, for <c>Match Group</c>; a name without an account is in none.</summary>
internal static class UnixGroups
{
    public static IReadOnlyList<string> Of(string user)
    {
        UnixUserInfo account;
        try { account = new UnixUserInfo(user); }
        catch (ArgumentException) { return []; }
        return [.. UnixGroupInfo.GetLocalGroups().Where(g => g.GroupId == account.GroupId || g.GetMemberNames().Contains(user)).Select(g => g.GroupName)];
    }
}
