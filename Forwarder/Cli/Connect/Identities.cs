using System.Diagnostics.CodeAnalysis;
using PersonalVpn.Cli.Config;
using PersonalVpn.Cli.Terminal;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Cli.Connect;

/// <summary>
/// The user's keys in the order in which they are tried: those of the agent (first the ones that -i names), then -i / IdentityFile,
/// then the usual files. Loaded one by one, when it is their turn: no passphrase is asked for a key that is not needed, and none at all
/// where nobody is there to be asked.
/// </summary>
internal sealed class Identities(ClientConfig config, string home, bool ask, Action<string> say, Action<string> verbose)
{
    /// <summary>What was wrong with keys that could not be used, for the final message.</summary>
    public List<string> Problems { get; } = [];

    /// <summary>Those of keys that the user named: to be said also when another key was accepted.</summary>
    public List<string> Warnings { get; } = [];

    /// <summary>Each identity; the caller disposes what it gets.</summary>
    public IEnumerable<IUserIdentity> Enumerate()
    {
        var tried = new HashSet<PublicKey>();
        bool explicitFiles = config.IdentityFiles.Count > 0;
        IReadOnlyList<string> files = explicitFiles ? config.IdentityFiles : [.. ClientConfig.UsualKeys.Select(f => Path.Combine(home, f)).Where(File.Exists)];
        Dictionary<string, PublicKey> named = [];
        foreach (string file in files)
            if (PublicHalf.TryFind(file, out PublicKey? key)) named[file] = key;

        foreach (IUserIdentity identity in FromAgent([.. named.Values]))
        {
            if (tried.Add(identity.PublicKey)) yield return identity;
            else identity.Dispose();
        }
        foreach (string file in files)
        {
            // Offered from the agent already: the server's answer would be the same, and a passphrase asked for nothing.
            if (named.TryGetValue(file, out PublicKey? known) && tried.Contains(known)) continue;
            if (!PrivateKeyFile.TryLoad(file, ask ? PassphrasePrompt.Ask : null, out IUserIdentity? identity, out string error, ask ? Encrypted : null))
            {
                Problems.Add(error);
                if (explicitFiles) Warnings.Add(error);
                verbose(error);
                continue;
            }
            if (tried.Add(identity.PublicKey)) yield return identity;
            else identity.Dispose();
        }
    }

    private bool Encrypted(string path, [NotNullWhen(true)] out IUserIdentity? identity, out string error)
    {
        say($"key '{path}' has a passphrase in a form that OpenSSH alone reads: ssh-add asks for it, into an agent that ends with this login");
        return PrivateAgent.TryLoad(path, PassphrasePrompt.HasTerminal(), out identity, out error);
    }

    private IEnumerable<IUserIdentity> FromAgent(HashSet<PublicKey> named)
    {
        if (config.IdentityAgent is not { Length: > 0 } socket || socket == "none") yield break;
        if (!new AgentClient(socket).TryListIdentities(out IReadOnlyList<IUserIdentity> identities, out IReadOnlyList<string> leftOut, out string error))
        {
            verbose(error);
            yield break;
        }
        foreach (string reason in leftOut) verbose(reason);
        foreach (IUserIdentity identity in identities.OrderByDescending(i => named.Contains(i.PublicKey)))
        {
            if (!config.IdentitiesOnly || named.Contains(identity.PublicKey)) yield return identity;
            else identity.Dispose();
        }
    }
}
