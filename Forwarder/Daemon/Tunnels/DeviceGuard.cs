using System.Globalization;
using System.Text;
using PersonalVpn.Linux;
using PersonalVpn.Packets;

namespace PersonalVpn.Daemon.Tunnels;

/// <summary>
/// What holds a device that has a reader while the packet filter's table is not there: `nft flush ruleset`, which every reload of
/// Debian's nftables.service does, takes the table, and then whoever binds to the device would send into the tunnel, and its reader
/// could write for any socket of the host. So the device itself, by classic BPF programs of tc(8) that go with it and with nothing else:
/// <code>
/// egress    marked Fast → pass            only our filter sets that, and clears it from what has it already
/// ingress   TCP, whole, no first SYN, no IPv4 options or IPv6 extension headers, for the tunnel's INNER → pass
///           all else → drop
/// </code>
/// </summary>
internal static class DeviceGuard
{
    private const uint Pass = 0, Drop = 2; // TC_ACT_OK, TC_ACT_SHOT
    private const uint Mark = 0xfffff014; // SKF_AD_OFF + SKF_AD_MARK
    private const uint FragmentBits = 0x3fff, FirstSynBits = 0x12, Syn = 0x02;

    // linux/bpf_common.h
    private const ushort LoadWord = 0x20, LoadHalf = 0x28, LoadByte = 0x30, LoadLength = 0x80, And = 0x54, Equal = 0x15, AtLeast = 0x35, Return = 0x06;

    private readonly record struct Step(ushort Code, uint Value, int IfNot = 0, int If = 0)
    {
        public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Code} {If} {IfNot} {Value}");
    }

    /// <summary>Null when this host's kernel and tc can guard a device, otherwise tc's complaint; then no device gets a reader.</summary>
    public static string? Try()
    {
        // A device of this moment alone; the name begins as ours do, so the packet filter covers it.
        using TunDevice probe = TunDevice.Open(Marks.DevicePrefix + "-try%d", new TunOptions());
        return Set(probe.Name, []);
    }

    /// <summary>Guards a device, anew if it has a guard; null on success, otherwise tc's complaint.</summary>
    public static string? Set(string device, IEnumerable<IpAddr> inner) => SystemCommand.Run("tc", Commands(device, inner), "-batch", "-");

    /// <summary>What tc is told: pure.</summary>
    public static string Commands(string device, IEnumerable<IpAddr> inner)
    {
        string text = Text($"qdisc replace dev {device} clsact\n");
        text += Filter(device, "egress", [new(LoadWord, Mark), new(And, Marks.Mask), new(Equal, Marks.Fast, 1), new(Return, Pass), new(Return, Drop)]);
        return text + Filter(device, "ingress", [.. inner.OrderBy(a => a.IsV6).SelectMany(Arrival), new(Return, Drop)]);
    }

    // A load beyond the packet's end would end the program with 0, which passes: lengths come first.
    private static IEnumerable<Step> Arrival(IpAddr inner)
    {
        var steps = new List<Step> { new(LoadLength, 0), new(AtLeast, inner.IsV6 ? 60u : 40u) };
        void Check(ushort load, uint at, uint value, uint mask = 0)
        {
            steps.Add(new(load, at));
            if (mask != 0) steps.Add(new(And, mask));
            steps.Add(new(Equal, value));
        }
        if (inner.IsV6)
        {
            Check(LoadByte, 0, 0x60, mask: 0xf0);
            Check(LoadByte, 6, IpProtocol.Tcp);
            for (int word = 0; word < 4; word++) Check(LoadWord, 24 + (4 * (uint)word), (uint)(inner.Value >> (96 - (32 * word))));
        }
        else
        {
            Check(LoadByte, 0, 0x45);
            Check(LoadByte, 9, IpProtocol.Tcp);
            Check(LoadHalf, 6, 0, mask: FragmentBits);
            Check(LoadWord, 16, (uint)inner.Value);
        }
        steps.Add(new(LoadByte, inner.IsV6 ? 53u : 33u));
        steps.Add(new(And, FirstSynBits));
        steps.Add(new(Equal, Syn, 1)); // a first SYN falls to the next instruction, which leaves
        steps.Add(new(Return, Drop));
        steps.Add(new(Return, Pass));
        // Whatever fits not: past the end of this address's part.
        return steps.Select((s, i) => s.Code is Equal or AtLeast && s.IfNot == 0 ? s with { IfNot = steps.Count - 1 - i } : s);
    }

    private static string Filter(string device, string way, IReadOnlyList<Step> program)
    {
        var code = new StringBuilder(program.Count.ToString(CultureInfo.InvariantCulture));
        foreach (Step step in program) code.Append(',').Append(step);
        return Text($"filter replace dev {device} {way} protocol all prio 1 handle 1 bpf direct-action bytecode \"{code}\"\n");
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
