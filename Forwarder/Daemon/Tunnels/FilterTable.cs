using System.Globalization;
using System.Text;
using PersonalVpn.Linux;
using PersonalVpn.Packets;

namespace PersonalVpn.Daemon.Tunnels;

/// <summary>
/// The nftables table <c>inet pvpn</c> for a set of rules, as text for nft(8): pure. What depends on tunnels is in sets and maps, which
/// the kernel looks up by hash: a packet of another user costs the same with one tunnel and with a thousand, and a tunnel more is a
/// few elements more. What that packet meets is kept to little, because it is what tunnels cost those who have none.
/// <code>
/// output, before iptables' raw      oif pvpn*   → departure: owner's TCP of a fast path: marked Fast (a SYN is logged to group n first)
///                                   uid → uU: not lo, not our transport, DESTINATION → drop  (tunnelled, but another way out)
/// prerouting, before iptables' raw  iif pvpn*   → arrival: TCP, whole, no SYN, for its own INNER: marked Injected; the rest is logged
///                                                           to group n+1 and dropped
///                                   -d INNER without our mark → drop     (nobody but pvpnd reaches an inner address)
/// forward                           oif pvpn*   → drop                   (nobody out there sends by a tunnel of this host)
/// </code>
/// </summary>
internal sealed class FilterTable
{
    /// <summary>Family and name.</summary>
    public const string Name = "inet pvpn";

    /// <summary>How long a UDP flow is not logged again; well below the time for which it is remembered.</summary>
    private const int SeenSeconds = 5;

    /// <summary>No link fragments what is this short (RFC 8200 section 5; an IPv4 path may, but none does).</summary>
    private const int WholeBytes = 1280;

    /// <summary>
    /// New flows a second that one user's packets may have logged. All tunnels share the log and what remembers UDP flows: more go by
    /// the queue, where pvpnd sees them without a log.
    /// </summary>
    private const int FlowsPerSecond = 20_000;

    /// <summary>Refused packets a second that are counted, of all tunnels together; more are dropped uncounted.</summary>
    private const int RefusalsPerSecond = 5000;

    private static readonly string[] FastSets = ["fast4", "fast6"], Remembered = ["pace", "seen4", "seen6"];

    private static readonly string[] Dynamic =
    [
        "set pace { type uid; flags dynamic,timeout; size 65535; timeout 60s; }",
        "set seen4 { type ifname . inet_service . ipv4_addr . inet_service; flags dynamic,timeout; size 65535; }",
        "set seen6 { type ifname . inet_service . ipv6_addr . inet_service; flags dynamic,timeout; size 65535; }",
    ];

    private const uint Others = ~Marks.Mask;
    private readonly Dictionary<string, (string Type, HashSet<string> Elements)> _sets = [];
    private readonly Dictionary<string, List<string>> _chains = [];

    public FilterTable(ushort queue, FirewallRules rules)
    {
        AddElements(rules);
        foreach (IGrouping<uint, IpPrefix> user in rules.Blocked.GroupBy(b => b.Uid, b => b.Destination))
            _chains[Text($"u{user.Key}")] = ["oifname \"lo\" accept", Marked(Marks.Transport) + " accept", .. user.Select(d => $"{(d.IsV6 ? "ip6" : "ip")} daddr {d} drop").Order(StringComparer.Ordinal)];
        AddOutput(queue);
        AddPrerouting(queue);
    }

    /// <summary>Replaces whatever there is by this table, in one transaction.</summary>
    public string Whole()
    {
        var text = new StringBuilder($"table {Name}\ndelete table {Name}\ntable {Name} {{\n");
        foreach ((string name, (string type, HashSet<string> elements)) in _sets)
        {
            text.Append(CultureInfo.InvariantCulture, $"{(name == "owners" ? "map" : "set")} {name} {{ type {type}; ");
            if (elements.Count > 0) text.Append("elements = { ").AppendJoin(", ", elements).Append(" } ");
            text.Append("}\n");
        }
        foreach (string set in Dynamic) text.Append(set).Append('\n');
        foreach ((string name, List<string> lines) in _chains)
            text.Append(CultureInfo.InvariantCulture, $"chain {name} {{\n").AppendJoin('\n', lines).Append("\n}\n");
        return text.Append("}\n").ToString();
    }

    /// <summary>Goes from an earlier table to this one, in one transaction; empty when they are the same.</summary>
    public string Since(FilterTable before)
    {
        var text = new StringBuilder();
        foreach ((string name, List<string> lines) in _chains)
        {
            if (before._chains.TryGetValue(name, out List<string>? old) && old.SequenceEqual(lines)) continue;
            text.Append(CultureInfo.InvariantCulture, $"add chain {Name} {name}\nflush chain {Name} {name}\n");
            foreach (string line in lines) text.Append(CultureInfo.InvariantCulture, $"add rule {Name} {name} {line}\n");
        }
        foreach ((string name, (_, HashSet<string> elements)) in _sets)
        {
            AppendElements(text, "delete", name, before._sets[name].Elements.Except(elements));
            AppendElements(text, "add", name, elements.Except(before._sets[name].Elements));
        }
        // Which flows were logged may be about a tunnel that goes: nothing of it stays, and the others' are learnt again.
        if (FastSets.Any(n => before._sets[n].Elements.Except(_sets[n].Elements).Any()))
            foreach (string set in Remembered) text.Append(CultureInfo.InvariantCulture, $"flush set {Name} {set}\n");
        foreach (string name in before._chains.Keys.Except(_chains.Keys)) text.Append(CultureInfo.InvariantCulture, $"delete chain {Name} {name}\n");
        return text.ToString();
    }

    /// <summary>True when a listing (nft list table) has as many rules in each chain and elements in each set.</summary>
    public bool Matches(string listing)
    {
        var found = new Dictionary<string, int>();
        string block = "";
        bool inElements = false;
        foreach (string line in listing.Split('\n').Select(l => l.Trim()))
        {
            string[] words = line.Split(' ');
            if (words is ["chain" or "set" or "map", _, "{"]) found[block = words[1]] = 0;
            else if (line.StartsWith("elements = {", StringComparison.Ordinal)) inElements = true;
            else if (!inElements && (line is "" or "}" or "table inet pvpn {" || words[0] is "type" or "size" or "flags" or "timeout")) continue;
            else if (!inElements) found[block] = found.GetValueOrDefault(block) + 1;
            if (!inElements) continue;
            // Elements are separated by commas, over as many lines as it takes.
            inElements = !line.EndsWith('}');
            found[block] += line.Count(c => c == ',') + (inElements ? 0 : 1);
        }
        return found.Count == _sets.Count + Dynamic.Length + _chains.Count
            && _sets.All(s => found.GetValueOrDefault(s.Key, -1) == s.Value.Elements.Count)
            && _chains.All(c => found.GetValueOrDefault(c.Key, -1) == c.Value.Count(l => !l.StartsWith("type ", StringComparison.Ordinal)));
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static string Marked(uint mark) => Text($"meta mark & 0x{Marks.Mask:x} == 0x{mark:x}");

    private static string Unmarked(uint mark) => Text($"meta mark & 0x{Marks.Mask:x} != 0x{mark:x}");

    private static string SetMark(uint mark) => Text($"meta mark set meta mark & 0x{Others:x} | 0x{mark:x}");

    private static void AppendElements(StringBuilder text, string verb, string set, IEnumerable<string> elements)
    {
        string list = string.Join(", ", elements);
        if (list.Length > 0) text.Append(CultureInfo.InvariantCulture, $"{verb} element {Name} {set} {{ {list} }}\n");
    }

    private void AddElements(FirewallRules rules)
    {
        _sets["owners"] = ("uid : verdict", [.. rules.Blocked.Select(b => Text($"{b.Uid} : jump u{b.Uid}"))]);
        foreach (bool v6 in new[] { false, true })
        {
            (string n, string type) = v6 ? ("6", "ipv6_addr") : ("4", "ipv4_addr");
            _sets["inner" + n] = (type, [.. rules.Guarded.Where(a => a.IsV6 == v6).Select(a => a.ToString())]);
            _sets["fast" + n] = ($"ifname . {type} . uid", [.. rules.Fast.Where(f => f.Inner.IsV6 == v6).Select(f => Text($"\"{f.Device}\" . {f.Inner} . {f.Uid}"))]);
            _sets["arrival" + n] = ($"ifname . {type}", [.. rules.Fast.Where(f => f.Inner.IsV6 == v6).Select(f => $"\"{f.Device}\" . {f.Inner}")]);
        }
    }

    private void AddOutput(ushort queue)
    {
        string tooMany = Text($"update @pace {{ meta skuid limit rate over {FlowsPerSecond}/second burst {FlowsPerSecond} packets }}");
        string unmark = Text($"meta mark set meta mark & 0x{Others:x}");
        _chains["slow"] = [unmark];
        _chains["fast"] =
        [
            $"tcp flags & (syn | ack) == syn {tooMany} return",
            Text($"tcp flags & (syn | ack) == syn log group {queue} snaplen 128 queue-threshold {NfLog.Threshold}"),
            SetMark(Marks.Fast),
        ];
        foreach (string n in new[] { "4", "6" })
        {
            string flow = $"oifname . udp sport . {(n == "4" ? "ip" : "ip6")} daddr . udp dport";
            _chains["fastudp" + n] =
            [
                SetMark(Marks.Fast),
                $"{flow} @seen{n} return",
                $"{tooMany} goto slow",
                // Before the packet goes: its answer must find the flow known.
                Text($"log group {queue} snaplen 128 queue-threshold 1"),
                $"add @seen{n} {{ {flow} timeout {SeenSeconds}s }}",
            ];
        }
        _chains["departure"] =
        [
            // Whoever could set a mark on a socket of his could else pass the queue with it.
            unmark,
            // The kernel's own words to the neighbours it takes a device with a reader to have; no socket's, so nobody's.
            "ip6 daddr ff00::/8 icmpv6 type { 131, 132, 133, 135, 136, 143 } drop",
            "meta l4proto tcp oifname . ip saddr . meta skuid @fast4 goto fast",
            "meta l4proto tcp oifname . ip6 saddr . meta skuid @fast6 goto fast",
            // What the kernel would cut into fragments on the way to the device goes by the queue, whole.
            Text($"meta l4proto udp meta length <= {WholeBytes} oifname . ip saddr . meta skuid @fast4 goto fastudp4"),
            Text($"meta l4proto udp meta length <= {WholeBytes} oifname . ip6 saddr . meta skuid @fast6 goto fastudp6"),
            // What has no socket any more goes by the queue, and passes there on the log of its flow's start. That may still wait for
            // others to go with: this copy takes it along, so that pvpnd has it before it has the packet.
            "meta skuid != 4294967294 return",
            Text($"meta l4proto tcp limit rate {RefusalsPerSecond}/second burst 500 packets log group {queue} snaplen 128 queue-threshold 1"),
        ];
        _chains["output"] =
        [
            "type filter hook output priority -301; policy accept;",
            $"oifname \"{Marks.DevicePrefix}*\" goto departure",
            "meta skuid vmap @owners",
        ];
    }

    private void AddPrerouting(ushort queue)
    {
        // What is for a socket that waits for connections, what must first be put together, and what tells the kernel more than
        // where it goes (options, extension headers; a source route has a second destination), is for pvpnd to look at.
        const string Plain = "tcp flags & (syn | ack) != syn";
        _chains["arrival"] =
        [
            "ip protocol tcp ip hdrlength 5 ip frag-off & 0x3fff == 0 " + Plain + " iifname . ip daddr @arrival4 goto arrived",
            "ip6 nexthdr tcp " + Plain + " iifname . ip6 daddr @arrival6 goto arrived",
            Text($"limit rate {RefusalsPerSecond}/second burst 500 packets log group {queue + 1} snaplen 128 queue-threshold 1"),
            "drop",
        ];
        _chains["arrived"] = [SetMark(Marks.Injected)];
        _chains["prerouting"] =
        [
            "type filter hook prerouting priority -301; policy accept;",
            $"iifname \"{Marks.DevicePrefix}*\" goto arrival",
            $"ip daddr @inner4 {Unmarked(Marks.Injected)} drop",
            $"ip6 daddr @inner6 {Unmarked(Marks.Injected)} drop",
        ];
        // Who forges an inner source out there must not be routed into a tunnel by it.
        _chains["forward"] = ["type filter hook forward priority -301; policy accept;", $"oifname \"{Marks.DevicePrefix}*\" drop"];
    }
}
