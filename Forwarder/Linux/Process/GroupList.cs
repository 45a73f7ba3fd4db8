namespace PersonalVpn.Linux;

/// <summary>The groups of one account, asked for by its name: no enumeration, which a directory service may refuse or take minutes for.</summary>
public static unsafe class GroupList
{
    private const int MaximumGroups = 65536; // NGROUPS_MAX

    /// <summary>Numeric groups of a user, the primary one included (getgrouplist(3)).</summary>
    /// <param name="user">Login name.</param>
    /// <param name="primary">The account's own group.</param>
    public static uint[] Of(string user, uint primary)
    {
        for (int room = 64; ; room = Math.Min(room * 4, MaximumGroups))
        {
            uint[] groups = new uint[room];
            int count = room;
            int result;
            fixed (uint* p = groups) result = Native.GetGroupList(user, primary, p, &count);
            if (result >= 0) return groups[..count];
            // Some systems do not say how many there are: room grows until all fit.
            if (room == MaximumGroups) throw new LinuxException($"getgrouplist {user}", Errno.ENOMEM);
        }
    }
}
