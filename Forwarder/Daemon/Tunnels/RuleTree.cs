using PersonalVpn.Linux;
using PersonalVpn.Packets;

namespace PersonalVpn.Daemon.Tunnels;

/// <summary>
/// Policy rules that select by UID, or by source, as a tree. The kernel walks its list of rules for every route it looks up, whoever
/// asks; a list with a rule for every tunnel would cost every user the more the more tunnels there are. Here a block of a few rules
/// says <c>goto</c> the block for a part of the UIDs (or sources), and only the last one names tables:
/// <code>
/// first    goto R
/// R        uidrange 1000-2040 goto A        R    goto last
/// A        uidrange 1000-1063 goto B        B    uidrange 1000-1000 lookup T
/// A        uidrange 2000-2040 goto C        B    uidrange 1001-1001 lookup U
/// A        goto last                        B    goto last
/// last     nop
/// </code>
/// A block is never changed. A change makes the blocks that are new, below the ones that lead to them, then one new rule at the
/// entry, and then takes away the old entry: until that moment the old tree holds, from then on the new one. Gotos lead forward only,
/// so a block has a lower number than those below it.
/// </summary>
/// <param name="v6">The address family.</param>
/// <param name="first">Priority of the entry.</param>
/// <param name="last">Priority of the end; blocks have the numbers between.</param>
/// <param name="add">Adds a rule behind those of its priority; the end (nop) only when it is not there.</param>
/// <param name="delete">Deletes the first rule that fits; false, not an exception, when the kernel refuses.</param>
internal sealed class RuleTree(bool v6, uint first, uint last, Action<RuleSpec> add, Func<RuleSpec, bool> delete)
{
    // How many rules a block has at most, besides its last; what a stranger's packet walks is about so many on each level.
    private const int Fan = 8;

    private RuleSpec End => new() { V6 = v6, Priority = last, Action = RuleAction.Nop };

    private readonly HashSet<uint> _taken = [];
    private readonly List<Block> _broken = [];
    private HashSet<RuleSpec> _rules = [];
    private Dictionary<IReadOnlyList<RuleSpec>, Block> _blocks = new(SameRules.Instance);
    private Block? _root;
    private bool _hasEnd;

    /// <summary>Numbers that a former run has left rules at; not used as long as this run lasts.</summary>
    public void Avoid(IEnumerable<uint> numbers) => _taken.UnionWith(numbers);

    /// <summary>True for what stands, apart from the blocks.</summary>
    public bool IsEnd(RuleSpec rule) => _hasEnd && rule.Priority == last && rule.Action == RuleAction.Nop;

    /// <summary>Makes the tree select exactly so. Each rule has either one UID or a host as its source; its priority only orders it
    /// among those of the same UID or source.</summary>
    /// <exception cref="IOException">The kernel refused an addition, or there is no room for more; what was there before holds on.</exception>
    public void Set(IEnumerable<RuleSpec> rules)
    {
        HashSet<RuleSpec> wanted = [.. rules];
        if (wanted.SetEquals(_rules) && _broken.Count == 0) return;
        List<Item> items = [.. wanted.GroupBy(Key).OrderBy(g => g.Key).Select(g => new Item(g.Key, [.. g.OrderBy(r => r.Priority)]))];

        var blocks = new Dictionary<IReadOnlyList<RuleSpec>, Block>(SameRules.Instance);
        var fresh = new List<Block>();
        Block? root;
        try { root = Root(items, blocks, fresh); }
        catch
        {
            foreach (Block b in fresh) _taken.Remove(b.Number);
            throw;
        }
        _broken.AddRange(fresh);
        if (root is not null && !_hasEnd)
        {
            add(End);
            _hasEnd = true;
        }
        foreach (Block b in fresh)
            foreach (RuleSpec r in b.Rules) add(r with { Priority = b.Number });
        Switch(root);

        _broken.RemoveAll(fresh.Contains);
        _broken.AddRange(_blocks.Values.Where(b => !blocks.ContainsKey(b.Rules)));
        (_blocks, _rules) = (blocks, wanted);
        foreach (Block b in _broken)
        {
            bool gone = true;
            foreach (RuleSpec r in b.Rules) gone &= delete(r with { Priority = b.Number });
            // A rule that could not be deleted would come before those of the next block of that number.
            if (gone) _taken.Remove(b.Number);
        }
        _broken.Clear();
        if (root is null && _hasEnd) _hasEnd = !delete(End);
    }

    private void Switch(Block? root)
    {
        if (root == _root) return;
        if (root is not null) add(Goto(root.Number) with { Priority = first });
        // The kernel does not compare targets: it deletes the first, which is the older.
        if (_root is not null) delete(Goto(_root.Number) with { Priority = first });
        _root = root;
    }

    // Most packets' sources, and many users, are far from all of the tree's: one question answers them.
    private Block? Root(List<Item> items, Dictionary<IReadOnlyList<RuleSpec>, Block> blocks, List<Block> fresh) => items.Count switch
    {
        0 => null,
        <= 2 => Build([.. items.Select(i => new List<Item> { i })], blocks, fresh),
        _ => Build([items], blocks, fresh),
    };

    private Block Build(List<List<Item>> parts, Dictionary<IReadOnlyList<RuleSpec>, Block> blocks, List<Block> fresh)
    {
        var rules = new List<RuleSpec>();
        uint below = last;
        foreach (List<Item> part in parts)
        {
            if (part.Count == 1)
            {
                rules.AddRange(part[0].Rules.Select(r => r with { Priority = 0 }));
                continue;
            }
            Block child = Build(Parts(part), blocks, fresh);
            below = Math.Min(below, child.Number);
            RuleSpec leads = Goto(child.Number);
            rules.Add(part[0].Rules[0].UidStart is null
                ? leads with { From = Common(part) }
                : leads with { UidStart = (uint)part[0].Key, UidEnd = (uint)part[^1].Key });
        }
        rules.Add(Goto(last));
        if (!blocks.TryGetValue(rules, out Block? block) && !_blocks.TryGetValue(rules, out block))
        {
            block = new Block(Take(below), rules);
            fresh.Add(block);
        }
        blocks[block.Rules] = block;
        return block;
    }

    private uint Take(uint below)
    {
        for (uint n = below - 1; n > first; n--)
            if (_taken.Add(n)) return n;
        throw new IOException($"policy rules {first} to {last} are all in use: too many tunnels");
    }

    // The largest part is halved at its first bit that differs, until there are as many parts as a block has room for.
    private static List<List<Item>> Parts(List<Item> items)
    {
        if (items.Count <= Fan) return [.. items.Select(i => new List<Item> { i })];
        List<List<Item>> parts = [items];
        while (parts.Count < Fan)
        {
            int largest = Enumerable.Range(0, parts.Count).MaxBy(i => parts[i].Count);
            List<Item> part = parts[largest];
            if (part.Count == 1) break;
            UInt128 differing = part[0].Key ^ part[^1].Key;
            UInt128 bit = UInt128.One << (127 - (int)UInt128.LeadingZeroCount(differing));
            int at = part.FindIndex(i => (i.Key & bit) != 0);
            parts[largest] = part[..at];
            parts.Insert(largest + 1, part[at..]);
        }
        return parts;
    }

    private static UInt128 Key(RuleSpec rule) => rule.From is { } source ? source.Address.Value : rule.UidStart!.Value;

    private static IpPrefix Common(List<Item> part)
    {
        IpAddr address = part[0].Rules[0].From!.Value.Address;
        int differing = 128 - (int)UInt128.LeadingZeroCount(part[0].Key ^ part[^1].Key);
        return new IpPrefix(address, address.Bits - differing);
    }

    private RuleSpec Goto(uint target) => new() { V6 = v6, Priority = 0, Action = RuleAction.Goto, GotoPriority = target };

    private sealed record Item(UInt128 Key, List<RuleSpec> Rules);

    private sealed class Block(uint number, IReadOnlyList<RuleSpec> rules)
    {
        public uint Number => number;

        public IReadOnlyList<RuleSpec> Rules => rules;
    }

    private sealed class SameRules : IEqualityComparer<IReadOnlyList<RuleSpec>>
    {
        public static readonly SameRules Instance = new();

        public bool Equals(IReadOnlyList<RuleSpec>? x, IReadOnlyList<RuleSpec>? y) => x is not null && y is not null && x.SequenceEqual(y);

        public int GetHashCode(IReadOnlyList<RuleSpec> rules)
        {
            var hash = default(HashCode);
            foreach (RuleSpec r in rules) hash.Add(HashCode.Combine(r.UidStart, r.From, r.Table, r.GotoPriority, r.Action));
            return hash.ToHashCode();
        }
    }
}
