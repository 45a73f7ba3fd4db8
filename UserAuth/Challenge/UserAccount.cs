using Mono.Unix.Native;

namespace PersonalVpn.UserAuth;

/// <summary>What <c>%h</c> needs to know of a Unix account.</summary>
/// <param name="Home">Home directory.</param>
/// <param name="Uid">Numeric user.</param>
public sealed record UserAccount(string Home, uint Uid)
{
    /// <summary>Asks the system's account database (passwd, NSS).</summary>
    /// <param name="name">Login name.</param>
    /// <returns>The account, or null when there is none.</returns>
    public static UserAccount? Find(string name)
    {
        var entry = new Passwd();
        return Syscall.getpwnam_r(name, entry, out Passwd? found) == 0 && found is { pw_dir.Length: > 0 }
            ? new UserAccount(found.pw_dir, found.pw_uid)
            : null;
    }

    /// <summary>The login name of a numeric user, by the system's account database; null when there is none.</summary>
    /// <param name="uid">Numeric user.</param>
    public static string? NameOf(uint uid)
    {
        var entry = new Passwd();
        return Syscall.getpwuid_r(uid, entry, out Passwd? found) == 0 && found is { pw_name.Length: > 0 } ? found.pw_name : null;
    }
}
