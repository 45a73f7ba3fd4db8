namespace PersonalVpn.Cli.Config;

/// <summary>Is there a key under each name that -i gives? Told before a server is troubled. (IdentityFile may name what exists elsewhere only.)</summary>
internal static class NamedKeys
{
    // The private half may be in an agent, and only the public one here.
    public static void Check(IEnumerable<string> names, string home)
    {
        foreach (string name in names.Where(n => !n.Contains('%', StringComparison.Ordinal) && !n.Contains("${", StringComparison.Ordinal)))
        {
            string path = name.StartsWith("~/", StringComparison.Ordinal) ? Path.Combine(home, name[2..]) : name;
            if (!File.Exists(path) && !File.Exists(path + ".pub"))
                throw new UserError($"-i {name}: no such file; name a private key, or make one: ssh-keygen -t rsa -f {name}");
        }
    }
}
