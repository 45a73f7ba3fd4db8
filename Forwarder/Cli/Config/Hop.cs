namespace PersonalVpn.Cli.Config;

/// <summary>One gateway of a chain, the last one included: where it is, who logs in there, and with what settings.</summary>
/// <param name="Host">Name or address; that of a later hop is resolved by the hop before it.</param>
/// <param name="Port">Port.</param>
/// <param name="Name">As it is called in messages and by <c>pvpn down</c>.</param>
/// <param name="User">User name there.</param>
/// <param name="Config">Its own configuration.</param>
internal sealed record Hop(string Host, int Port, string Name, string User, ClientConfig Config)
{
    /// <summary>As many ways as are tried.</summary>
    public const int MaxChains = 16;

    /// <summary>
    /// Whose Proxy or ProxyCommand leads to the first gateway: its own configuration's; if that says nothing, the target's, because a
    /// proxy is a matter of where this host stands, whichever gateway comes first.
    /// </summary>
    public ClientConfig WayOut { get; init; } = Config;

    /// <summary>Where it is, for messages when its name stands for several places.</summary>
    public string Place => Target.Name(Host.TrimEnd('.').ToLowerInvariant(), Port);

    /// <summary>As many gateways as a chain may have: each one more is a TLS session inside the others.</summary>
    private const int MaxHops = 16;

    // Looked at for those that are no loops.
    private const int MaxCombinations = 4096;

    /// <summary>
    /// The chains that lead to the target, in the order in which they are to be tried: one, or one for each combination of the places
    /// that HostName lines name, the last gateway's changing fastest; at most <see cref="MaxChains"/>.
    /// </summary>
    /// <exception cref="UserError">As for <see cref="Chain"/>.</exception>
    public static IReadOnlyList<IReadOnlyList<Hop>> Chains(Target target, ClientConfig config, string? configFile)
    {
        IEnumerable<IReadOnlyList<Hop>> chains = [[]];
        foreach (Hop hop in Chain(target, config, configFile))
            chains = chains.SelectMany(before => hop.Config.Alternatives.Select(c => (IReadOnlyList<Hop>)[.. before, hop.At(c)]));
        List<IReadOnlyList<Hop>> possible = [.. chains.Take(MaxCombinations).Where(c => Twice(c) is null).Take(MaxChains)];
        return possible.Count > 0 ? possible : throw Loop(chains.First(), Twice(chains.First())!);
    }

    /// <summary>The gateways in the order in which they are reached, each at the first of its places; the last one is the target.</summary>
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
            if (chain.Count > 1 && before.Exists(h => h.Place == chain[0].Place)) break;
            chain.InsertRange(0, before);
            if (chain.Count > MaxHops) throw new UserError($"the way to {chain[^1].Name} has more than {MaxHops} gateways; does a ProxyJump in the configuration lead back?");
            RefuseLoop(chain);
        }
        foreach (Hop hop in chain) hop.Config.Check();
        if (!chain[0].Config.SaysWayOut && config.SaysWayOut) chain[0] = chain[0] with { WayOut = config };
        return chain;
    }

    private static Hop Of(Target target, ClientConfig config) =>
        new(config.HostName ?? target.Host, config.Port, Target.Name(target.Host, config.UsualPort), config.User ?? Environment.UserName, config);

    // The same gateway at another of its places.
    private Hop At(ClientConfig alternative) => this with
    {
        Host = alternative.HostName ?? Host,
        Port = alternative.Port,
        Config = alternative,
        WayOut = ReferenceEquals(WayOut, Config) ? alternative : WayOut,
    };

    // All places of a gateway count as one: that two have one of several in common leaves other ways.
    private static void RefuseLoop(IReadOnlyList<Hop> chain)
    {
        if (chain.GroupBy(h => string.Join(' ', h.Config.Alternatives.Select(c => h.At(c).Place))).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw Loop(chain, twice.First().Place);
    }

    // The place that comes twice.
    private static string? Twice(IReadOnlyList<Hop> chain) => chain.GroupBy(h => h.Place).FirstOrDefault(g => g.Count() > 1)?.Key;

    private static UserError Loop(IReadOnlyList<Hop> chain, string place) =>
        new($"the chain {string.Join(" > ", chain.Select(h => h.Name))} passes {place} twice; name each gateway once (-J, ProxyJump)", ExitCodes.Usage);
}
