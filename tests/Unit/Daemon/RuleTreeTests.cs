using PersonalVpn.Daemon.Tunnels;
using PersonalVpn.Linux;
using PersonalVpn.Packets;
using Xunit;

namespace PersonalVpn.Unit.DaemonTests;

/// <summary>The tree of policy rules against a list that works as the kernel's.</summary>
public sealed class RuleTreeTests
{
    private const uint First = 100, Last = 1099;
    private readonly List<RuleSpec> _kernel = [];
    private int _additionsLeft = int.MaxValue;
    private Action _changed = () => { };

    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    [InlineData(9)]
    [InlineData(100)]
    [InlineData(1000)]
    public void Finds_each_user_and_nobody_else(int users)
    {
        RuleTree tree = NewTree();
        List<RuleSpec> rules = [.. Enumerable.Range(0, users).Select(i => User((uint)(1000 + i * 3)))];
        tree.Set(rules);
        foreach (RuleSpec r in rules) Assert.Equal(r.Table, Walk(r.UidStart!.Value, default).Table);
        int worst = Enumerable.Range(0, users).Max(i => Walk((uint)(1001 + i * 3), default).Steps);
        Assert.True(worst <= 5 + 9 * Math.Ceiling(Math.Log(Math.Max(users, 2), 4)), $"{worst} rules for a stranger");
        Assert.Equal(0, Walk(5, default).Table);
        tree.Set([]);
        Assert.Empty(_kernel);
    }

    [Fact]
    public void Finds_each_source()
    {
        RuleTree tree = NewTree();
        List<IpAddr> sources = [.. Enumerable.Range(0, 300).Select(i => IpAddr.Parse($"10.77.{i * 7 % 256}.{i % 250 + 1}")).Distinct()];
        tree.Set(sources.SelectMany((a, i) => new[]
        {
            new RuleSpec { Priority = 1, From = IpPrefix.Host(a), Table = i + 1 }, new RuleSpec { Priority = 2, From = IpPrefix.Host(a), Action = RuleAction.Prohibit },
        }));
        for (int i = 0; i < sources.Count; i++) Assert.Equal(i + 1, Walk(0, sources[i]).Table);
        Assert.Equal(0, Walk(0, IpAddr.Parse("10.99.1.2")).Table);
    }

    [Fact]
    public void Who_is_selected_before_and_after_a_change_is_selected_at_every_moment_of_it()
    {
        RuleTree tree = NewTree();
        var random = new Random(7570);
        HashSet<uint> now = [];
        for (int round = 0; round < 150; round++)
        {
            HashSet<uint> next = [.. now];
            for (int i = 0; i < random.Next(1, 4); i++)
                if (random.Next(3) > 0) next.Add((uint)random.Next(1000, 2000));
                else if (next.Count > 0) next.Remove(next.ElementAt(random.Next(next.Count)));
            uint[] always = [.. now.Intersect(next)];
            _changed = () => Assert.All(always, uid => Assert.Equal((int)uid, Walk(uid, default).Table));
            tree.Set(next.Select(User));
            now = next;
        }
        _changed = () => { };
        tree.Set([]);
        Assert.Empty(_kernel);
    }

    [Fact]
    public void A_refused_addition_leaves_what_was_there_and_nothing_more_after_the_next_change()
    {
        RuleTree tree = NewTree();
        RuleSpec[] rules = [.. Enumerable.Range(0, 40).Select(i => User((uint)(1000 + i)))];
        tree.Set(rules);
        RuleSpec[] before = [.. _kernel];
        _additionsLeft = 5;
        Assert.Throws<IOException>(() => tree.Set(rules.Append(User(1500))));
        Assert.All(rules, r => Assert.Equal(r.Table, Walk(r.UidStart!.Value, default).Table));
        Assert.Equal(0, Walk(1500, default).Table);
        _additionsLeft = int.MaxValue;
        tree.Set(rules);
        Assert.Equal(before.OrderBy(r => r.Priority), _kernel.OrderBy(r => r.Priority));
    }

    [Fact]
    public void One_user_more_changes_a_few_rules()
    {
        RuleTree tree = NewTree();
        RuleSpec[] rules = [.. Enumerable.Range(0, 1000).Select(i => User((uint)(1000 + i)))];
        tree.Set(rules[..999]);
        int changes = 0;
        _changed = () => changes++;
        tree.Set(rules);
        Assert.True(changes < 100, $"{changes} changes");
    }

    [Fact]
    public void More_than_there_is_room_for_is_refused()
    {
        var tree = new RuleTree(false, 100, 110, _kernel.Add, _kernel.Remove);
        Assert.Throws<IOException>(() => tree.Set(Enumerable.Range(0, 1000).Select(i => User((uint)i))));
        Assert.Empty(_kernel);
        tree.Set([User(1)]);
        Assert.Equal(4, _kernel.Count);
    }

    private static RuleSpec User(uint uid) => new() { Priority = 1, UidStart = uid, UidEnd = uid, Table = (int)uid };

    private RuleTree NewTree() => new(
        false, First, Last,
        rule =>
        {
            if (_additionsLeft-- <= 0) throw new IOException("refused");
            _kernel.Insert(_kernel.FindLastIndex(r => r.Priority <= rule.Priority) + 1, rule);
            _changed();
        },
        rule =>
        {
            // The kernel compares what the request says, and no targets.
            int at = _kernel.FindIndex(r => r.Priority == rule.Priority && r.Action == rule.Action && (rule.UidStart is null || r.UidStart == rule.UidStart)
                && (rule.From is null || r.From == rule.From));
            if (at >= 0) _kernel.RemoveAt(at);
            _changed();
            return true;
        });

    private (int Table, int Steps) Walk(uint uid, IpAddr source)
    {
        int steps = 0;
        for (int i = 0; i < _kernel.Count; i++)
        {
            RuleSpec r = _kernel[i];
            steps++;
            if (r.UidStart is { } low && (uid < low || uid > (r.UidEnd ?? low))) continue;
            if (r.From is { } from && !from.Contains(source)) continue;
            if (r.Action == RuleAction.ToTable) return (r.Table, steps);
            if (r.Action != RuleAction.Goto) continue;
            int target = _kernel.FindIndex(t => t.Priority == r.GotoPriority);
            if (target < 0) continue;
            Assert.True(target > i, "a goto leads forward");
            i = target - 1;
        }
        return (0, steps);
    }
}
