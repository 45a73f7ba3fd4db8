using System.Globalization;
using System.Runtime.InteropServices;
using PersonalVpn.Linux.Abi;
using PersonalVpn.Packets;

namespace PersonalVpn.Linux;

/// <content>Policy routing rules.</content>
public sealed partial class RouteNetlink
{
    /// <summary>Adds a rule; idempotent: exactly the same rule at the same priority is not added twice.</summary>
    /// <param name="rule">It comes behind those of its priority.</param>
    /// <param name="twice">Add it whatever there is: the kernel takes a rule without source for the same as one with, and does not
    /// compare the targets of gotos.</param>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public void AddRule(RuleSpec rule, bool twice = false)
    {
        ArgumentNullException.ThrowIfNull(rule);
        Span<byte> buffer = stackalloc byte[RequestBytes];
        NetlinkWriter writer = new(
            buffer, RtnetlinkH.RTM_NEWRULE,
            (ushort)(NetlinkH.NLM_F_REQUEST | NetlinkH.NLM_F_ACK | NetlinkH.NLM_F_CREATE | (twice ? 0 : NetlinkH.NLM_F_EXCL)));
        WriteRule(ref writer, rule);
        Acknowledge(writer.Finish(), $"add rule {Name(rule)}", Errno.EEXIST);
    }

    /// <summary>
    /// Deletes the first rule that has all that is said (what is null matches anything); idempotent. Rules of another
    /// <see cref="RuleSpec.Protocol"/> are never touched.
    /// </summary>
    /// <returns>False: there was none.</returns>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public bool DeleteRule(RuleSpec rule)
    {
        ArgumentNullException.ThrowIfNull(rule);
        Span<byte> buffer = stackalloc byte[RequestBytes];
        NetlinkWriter writer = new(buffer, RtnetlinkH.RTM_DELRULE, NetlinkH.NLM_F_REQUEST | NetlinkH.NLM_F_ACK);
        WriteRule(ref writer, rule);
        return Acknowledge(writer.Finish(), $"delete rule {Name(rule)}", Errno.ENOENT);
    }

    /// <summary>Rules of a family in their order.</summary>
    /// <exception cref="LinuxException">The dump failed.</exception>
    public IReadOnlyList<RuleSpec> ListRules(bool v6)
    {
        List<RuleSpec> all = [];
        Span<byte> buffer = stackalloc byte[RequestBytes];
        NetlinkWriter writer = new(buffer, RtnetlinkH.RTM_GETRULE, NetlinkH.NLM_F_REQUEST | NetlinkH.NLM_F_DUMP);
        writer.Add(new FibRuleHdr { family = Family(v6) });
        Dump(writer.Finish(), "list rules", RtnetlinkH.RTM_NEWRULE, body => AddIfAny(all, ParseRule(body)), all.Clear);
        return all;
    }

    /// <summary>Deletes every rule of a maker, both families: what a crash left.</summary>
    /// <returns>How many were deleted.</returns>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public int FlushRules(byte protocol = RouteProtocol.PersonalVpn)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(protocol, (byte)5, nameof(protocol)); // the system's own makers
        int deleted = 0;
        foreach (bool v6 in (ReadOnlySpan<bool>)[false, true])
            foreach (RuleSpec rule in ListRules(v6))
                if (rule.Protocol == protocol && DeleteRule(rule)) deleted++;
        return deleted;
    }

    private static void WriteRule(ref NetlinkWriter writer, RuleSpec rule)
    {
        if ((rule.From is IpPrefix from && from.IsV6 != rule.V6) || (rule.To is IpPrefix to && to.IsV6 != rule.V6))
            throw new ArgumentException("a rule's addresses are of its own family", nameof(rule));
        writer.Add(new FibRuleHdr
        {
            family = Family(rule.V6),
            src_len = (byte)(rule.From?.Length ?? 0),
            dst_len = (byte)(rule.To?.Length ?? 0),
            table = (byte)(rule.Table < 256 ? rule.Table : RtnetlinkH.RT_TABLE_UNSPEC),
            action = (byte)rule.Action,
            flags = rule.Invert ? FibRulesH.FIB_RULE_INVERT : 0,
        });
        writer.Attribute(FibRulesH.FRA_PRIORITY, rule.Priority);
        writer.Attribute(FibRulesH.FRA_PROTOCOL, rule.Protocol);
        if (rule.Table != 0) writer.Attribute(FibRulesH.FRA_TABLE, (uint)rule.Table);
        if (rule.From is { Length: > 0 } source) writer.Address(FibRulesH.FRA_SRC, source.Address);
        if (rule.To is { Length: > 0 } destination) writer.Address(FibRulesH.FRA_DST, destination.Address);
        if (rule.UidStart is uint first)
            writer.Attribute(FibRulesH.FRA_UID_RANGE, new FibRuleUidRange { start = first, end = rule.UidEnd ?? first });
        if (rule.FwMark is uint mark)
        {
            writer.Attribute(FibRulesH.FRA_FWMARK, mark);
            writer.Attribute(FibRulesH.FRA_FWMASK, rule.FwMask ?? uint.MaxValue);
        }

        if (rule.InInterface is string iif) writer.Text(FibRulesH.FRA_IIFNAME, iif);
        if (rule.OutInterface is string oif) writer.Text(FibRulesH.FRA_OIFNAME, oif);
        if (rule.IpProtocol is byte protocol) writer.Attribute(FibRulesH.FRA_IP_PROTO, protocol);
        if (rule.GotoPriority is uint target) writer.Attribute(FibRulesH.FRA_GOTO, target);
        if (rule.SuppressPrefixLength is int length) writer.Attribute(FibRulesH.FRA_SUPPRESS_PREFIXLEN, length);
    }

    private static string Name(RuleSpec rule) => string.Create(
        CultureInfo.InvariantCulture,
        $"{rule.Priority} {(rule.V6 ? "IPv6" : "IPv4")}{(rule.UidStart is uint uid ? $" uid {uid}" : "")} {rule.Action} {rule.Table}");

    private static RuleSpec? ParseRule(ReadOnlySpan<byte> body)
    {
        if (!NetlinkAttributes.After(body, out FibRuleHdr head, out NetlinkAttributes attributes)) return null;
        bool v6 = head.family == SocketH.AF_INET6;
        if (!v6 && head.family != SocketH.AF_INET) return null;
        RuleSpec rule = new()
        {
            V6 = v6,
            Priority = 0,
            Table = head.table,
            Action = (RuleAction)head.action,
            Invert = (head.flags & FibRulesH.FIB_RULE_INVERT) != 0,
            Protocol = 0,
        };
        while (attributes.Next(out ushort type, out ReadOnlySpan<byte> value))
        {
            switch (type)
            {
                case FibRulesH.FRA_PRIORITY: rule = rule with { Priority = Number(value) }; break;
                case FibRulesH.FRA_TABLE: rule = rule with { Table = (int)Number(value) }; break;
                case FibRulesH.FRA_PROTOCOL when value.Length >= 1: rule = rule with { Protocol = value[0] }; break;
                case FibRulesH.FRA_IP_PROTO when value.Length >= 1: rule = rule with { IpProtocol = value[0] }; break;
                case FibRulesH.FRA_SRC: rule = rule with { From = Prefix(value, head.src_len, v6) }; break;
                case FibRulesH.FRA_DST: rule = rule with { To = Prefix(value, head.dst_len, v6) }; break;
                case FibRulesH.FRA_FWMARK: rule = rule with { FwMark = Number(value) }; break;
                case FibRulesH.FRA_FWMASK: rule = rule with { FwMask = Number(value) }; break;
                case FibRulesH.FRA_IIFNAME: rule = rule with { InInterface = Text(value) }; break;
                case FibRulesH.FRA_OIFNAME: rule = rule with { OutInterface = Text(value) }; break;
                case FibRulesH.FRA_GOTO: rule = rule with { GotoPriority = Number(value) }; break;
                case FibRulesH.FRA_SUPPRESS_PREFIXLEN when Number(value) != uint.MaxValue:
                    rule = rule with { SuppressPrefixLength = (int)Number(value) };
                    break;
                case FibRulesH.FRA_UID_RANGE when MemoryMarshal.TryRead(value, out FibRuleUidRange range):
                    rule = rule with { UidStart = range.start, UidEnd = range.end };
                    break;
            }
        }

        return rule;
    }

    private static IpPrefix? Prefix(ReadOnlySpan<byte> value, int length, bool v6) =>
        value.Length == (v6 ? 16 : 4) && length <= value.Length * 8 ? new IpPrefix(IpAddr.Read(value), length) : null;
}
