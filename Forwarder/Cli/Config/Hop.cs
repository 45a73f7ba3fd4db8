namespace PersonalVpn.Cli.Config;

/// <summary>One gateway of a chain, the last one included: where it is, who logs in there, and with what settings.</summary>
/// <param name="Host">Name or address; that of a later hop is resolved by the hop before it.</param>
/// <param name="Port">Port.</param>
/// <param name="Name">As it is called in messages and by <c>pvpn down</c>.</param>
/// <param name="User">User name there.</param>
/// <param name="Config">Its own configuration.</param>
internal sealed record Hop(string Host, int Port, string Name, string User, ClientConfig Config)
{
    /// <summary>As many gateways as a chain may have: each one more is a TLS session inside the others.</summary>
    private const int MaxHops = 16;

    /// <summary>The gateways in the order in which they are reached; the last one is the target.</summary>
    /// <exception cref="UserError">ProxyJump names no gateways, too many, or one twice.</exception>
    public static IReadOnlyList<Hop> Chain(Target target, ClientConfig config, string? configFile)
    {
        List<Hop> chain = [Of(target, config)];
        // As in ssh, the way to the first hop may be a chain of its own, by its own ProxyJump; that of the others is known already.
        while (chain[0].Config.ProxyJump is { } jumps)
        {
            List<Hop> before = [.. jumps.Split(',').Select(text =>
            {
                Target hop = Target.Parse(text.Trim());
                return Of(hop, ClientConfig.Load(Program.Home, hop.Host, hop.Options, configFile));
            })];
            // "Host *" with a ProxyJump is about every gateway but the one it names.
            if (chain.Count > 1 && before.Exists(h => Place(h) == Place(chain[0]))) break;
            chain.InsertRange(0, before);
            if (chain.Count > MaxHops) throw new UserError($"the way to {chain[^1].Name} has more than {MaxHops} gateways; does a ProxyJump in the configuration lead back?");
            RefuseLoop(chain);
        }
        foreach (Hop hop in chain) hop.Config.Check();
        return chain;
    }

    private static Hop Of(Target target, ClientConfig config) =>
        new(config.HostName ?? target.Host, config.Port, Target.Name(target.Host, config.Port), config.User ?? Environment.UserName, config);

    private static string Place(Hop hop) => Target.Name(hop.Host.TrimEnd('.').ToLowerInvariant(), hop.Port);

    private static void RefuseLoop(List<Hop> chain)
    {
        IGrouping<string, Hop>? twice = chain.GroupBy(Place).FirstOrDefault(g => g.Count() > 1);
        if (twice is not null)
            throw new UserError($"the chain {string.Join(" > ", chain.Select(h => h.Name))} passes {twice.Key} twice; name each gateway once (-J, ProxyJump)", ExitCodes.Usage);
    }
}
