using PersonalVpn.Cli.Config;
using PersonalVpn.Cli.Terminal;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Cli.Connect;

/// <summary>The user's keys in the order in which they are tried: agent, -i / IdentityFile, then the usual files. Loaded one by one, when it is their turn.</summary>
internal sealed class Identities(ClientConfig config, string home, Action<string> say, Action<string> verbose)
{
    private static readonly string[] Usual = [".ssh/id_rsa", ".ssh/id_ecdsa"];

    /// <summary>What was wrong with keys that could not be used, for the final message.</summary>
    public List<string> Problems { get; } = [];

    /// <summary>Each identity; the caller disposes what it gets.</summary>
    public IEnumerable<IUserIdentity> Enumerate()
    {
        var tried = new HashSet<string>();
        bool explicitFiles = config.IdentityFiles.Count > 0;
        IReadOnlyList<string> files = explicitFiles ? config.IdentityFiles : [.. Usual.Select(f => Path.Combine(home, f)).Where(File.Exists)];

        foreach (IUserIdentity identity in FromAgent(files))
        {
            if (tried.Add(identity.PublicKey.Fingerprint)) yield return identity;
        }
        foreach (string file in files)
        {
            if (!PrivateKeyFile.TryLoad(file, Prompt.Passphrase, out IUserIdentity? identity, out string error))
            {
                Problems.Add(error);
                if (explicitFiles) say(error);
                else verbose(error);
                continue;
            }
            if (tried.Add(identity.PublicKey.Fingerprint)) yield return identity;
            else identity.Dispose();
        }
    }

    private IEnumerable<IUserIdentity> FromAgent(IReadOnlyList<string> files)
    {
        if (config.IdentityAgent is not { Length: > 0 } socket || socket == "none") yield break;
        if (!new AgentClient(socket).TryListIdentities(out IReadOnlyList<IUserIdentity> identities, out string error))
        {
            verbose(error);
            yield break;
        }
        var named = files.Select(f => f + ".pub").Where(File.Exists)
            .Select(f => PublicKey.TryParseOpenSsh(File.ReadAllText(f).Trim(), out PublicKey? key, out string _) ? key.Fingerprint : null).ToHashSet();
        foreach (IUserIdentity identity in identities)
        {
            bool wanted = identity.PublicKey.CanVerify && (!config.IdentitiesOnly || named.Contains(identity.PublicKey.Fingerprint));
            if (wanted)
            {
                yield return identity;
                continue;
            }
            if (!identity.PublicKey.CanVerify) verbose($"{identity.Description}: {identity.PublicKey.Algorithm} keys are not supported, passed over");
            identity.Dispose();
        }
    }
}
