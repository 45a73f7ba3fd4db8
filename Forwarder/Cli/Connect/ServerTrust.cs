using PersonalVpn.Cli.Config;
using PersonalVpn.Cli.Terminal;
using PersonalVpn.Tunnel.Tls;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Cli.Connect;

/// <summary>
/// Is this the server the user means?
/// <code>
/// 1. a pin in known_hosts       decides alone: match, or a changed key that is refused whatever the setting but <c>no</c>
/// 2. no pin: a certificate      that the system's CAs vouch for and that names the host is enough; nothing is pinned
/// 3. neither                    StrictHostKeyChecking: ask, accept-new, yes, no
/// </code>
/// A certificate that does not verify (unknown CA, other name, expired) counts as none: step 3, the same as for a self-signed
/// one. There is no step that accepts without a pin, a CA or the user's own setting.
/// </summary>
internal static class ServerTrust
{
    /// <summary>Judges a server's key.</summary>
    /// <exception cref="UserError">It is not to be trusted.</exception>
    public static void Check(Hop hop, ServerCertificateObserver certificate, LoginMemory memory, Action<string> say)
    {
        (string host, int port, ClientConfig config) = (hop.Host, hop.Port, hop.Config);
        if (!PublicKey.TryFromSubjectPublicKeyInfo(certificate.PublicKeyInfo, out PublicKey? key, out string error))
            throw new UserError($"{host}: the server's key cannot be used: {error}");
        var known = new KnownHosts(config.KnownHostsFiles);
        KnownHostsAnswer answer = known.Check(host, port, key);
        if (answer.Verdict == KnownHostsVerdict.Unknown && memory.Accepted(hop) is { } before)
        {
            // Accepted before by this process, and nothing that is known speaks against it: the user is not asked twice.
            if (before.Equals(key)) return;
            // No file knows the server (any more): then this process does, and another key is as loud as one that known_hosts speaks against.
            if (config.StrictHostKeyChecking != HostKeyChecking.No && !certificate.TrustedByCa)
                throw new UserError($"THE KEY OF {host} HAS CHANGED: {key.Fingerprint}, it was {before.Fingerprint} when the tunnel came up. " +
                    "Someone may be in between; only if 'pvpn-server fingerprint' there says the new one, run pvpn again");
        }
        Judge(host, port, key, answer, certificate, config, known, say);
        memory.Accept(hop, key);
    }

    private static void Judge(string host, int port, PublicKey key, KnownHostsAnswer answer, ServerCertificateObserver certificate, ClientConfig config, KnownHosts known, Action<string> say)
    {
        switch (answer.Verdict)
        {
            case KnownHostsVerdict.Match:
                return;
            case KnownHostsVerdict.Revoked:
                throw new UserError($"the key of {host}, {key.Fingerprint}, is marked @revoked ({answer.File}:{answer.Line}); do not connect");
            case KnownHostsVerdict.Unreadable:
                throw new UserError(answer.Error ?? "known_hosts cannot be read");
            case KnownHostsVerdict.Changed when config.StrictHostKeyChecking != HostKeyChecking.No:
                throw new UserError($"THE KEY OF {host} HAS CHANGED: {key.Fingerprint}, known is {answer.OldFingerprint} ({answer.File}:{answer.Line}). " +
                    "Someone may be in between; only if 'pvpn-server fingerprint' there says the new one, forget the old one with " +
                    $"'{Forget(host, port, answer.File!, config)}' and connect again");
            case KnownHostsVerdict.Changed:
                say($"warning: the key of {host} has changed to {key.Fingerprint} ({answer.File}:{answer.Line}); going on because of StrictHostKeyChecking no");
                return;
        }
        if (certificate.TrustedByCa) return;
        Decide(host, port, key, config, known, say);
    }

    // The command as it can be typed: a known_hosts file of another place is named.
    private static string Forget(string host, int port, string file, ClientConfig config) =>
        $"pvpn -R {Target.Name(host, port)}{(file == config.UsualKnownHosts ? "" : $" -o UserKnownHostsFile={file}")}";

    private static void Decide(string host, int port, PublicKey key, ClientConfig config, KnownHosts known, Action<string> say)
    {
        switch (config.StrictHostKeyChecking)
        {
            case HostKeyChecking.Yes:
                throw new UserError($"the key of {host} is not known ({key.Fingerprint}) and StrictHostKeyChecking is yes; " +
                    "compare it with 'pvpn-server fingerprint' on the server and connect once with -o StrictHostKeyChecking=accept-new");
            case HostKeyChecking.Ask:
                bool? yes = HostKeyPrompt.Confirm($"The authenticity of '{host}' (port {port}) can't be established.\n" +
                    $"{key.Algorithm} key fingerprint is {key.Fingerprint}.\nAre you sure you want to continue connecting (yes/no/[fingerprint])? ", key.Fingerprint);
                if (yes is null)
                    throw new UserError($"the key of {host} is not known ({key.Fingerprint}) and there is no terminal to ask on; " +
                        "connect once at a terminal, or compare it with 'pvpn-server fingerprint' on the server and use -o StrictHostKeyChecking=accept-new");
                if (yes is false) throw new UserError($"the key of {host} was not accepted; nothing was sent");
                break;
        }
        if (!known.Add(host, port, key, out string error)) say($"warning: the key of {host} could not be remembered: {error}");
        else if (config.KnownHostsFiles.All(f => f == "/dev/null")) say($"the key of {host} is taken as it is, and not remembered (UserKnownHostsFile): {key.Fingerprint}");
        else say($"the key of {host} is now known: {key.Fingerprint}");
    }
}
