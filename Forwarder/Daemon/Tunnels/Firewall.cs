using System.Diagnostics;
using System.Globalization;
using System.Text;
using PersonalVpn.Packets;

namespace PersonalVpn.Daemon.Tunnels;

/// <summary>
/// The two chains of ours in the host's <c>raw</c> table, v4 and v6, put in place by iptables-restore (each call is one atomic commit):
/// <code>
/// OUTPUT     -o pvpn+  → PVPN-OUT: tcp → NFQUEUE n, the rest → NFQUEUE n+1   (no bypass: without a listener the kernel drops)
/// PREROUTING           → PVPN-IN:  -d INNER without our mark → DROP          (nobody but pvpnd reaches an inner address)
/// </code>
/// <c>raw</c> comes before conntrack, which would otherwise make and unmake an entry for every packet that we steal.
/// Packets that leave by another device, or arrive for another address, pass one rule.
/// </summary>
internal static class Firewall
{
    private static readonly (string Program, bool V6)[] Families = [("iptables", false), ("ip6tables", true)];
    private static readonly string[] Outbound = ["OUTPUT", "-o", Marks.DevicePrefix + "+", "-j", "PVPN-OUT"];
    private static readonly string[] Inbound = ["PREROUTING", "-j", "PVPN-IN"];

    /// <summary>
    /// Puts the chains in place with these inner addresses guarded. Our chains are replaced in one commit and a hook that a crash
    /// left is kept: at no moment is an address without its guard.
    /// </summary>
    public static void Install(ushort queue, IReadOnlyCollection<IpAddr> guarded)
    {
        foreach ((string program, bool v6) in Families)
        {
            var text = new StringBuilder("*raw\n:PVPN-OUT - [0:0]\n:PVPN-IN - [0:0]\n");
            text.Append(CultureInfo.InvariantCulture, $"-A PVPN-OUT -p tcp -j NFQUEUE --queue-num {queue}\n-A PVPN-OUT -j NFQUEUE --queue-num {queue + 1}\n");
            AppendGuards(text, guarded, v6);
            if (!IsHooked(program, Outbound)) text.Append("-I ").AppendJoin(' ', Outbound).Append('\n');
            if (!IsHooked(program, Inbound)) text.Append("-I ").AppendJoin(' ', Inbound).Append('\n');
            Restore(program, text.Append("COMMIT\n").ToString());
        }
    }

    /// <summary>Guards exactly these inner addresses: the chain is replaced in one commit.</summary>
    public static void Guard(IReadOnlyCollection<IpAddr> addresses)
    {
        foreach ((string program, bool v6) in Families)
        {
            var text = new StringBuilder("*raw\n:PVPN-IN - [0:0]\n");
            AppendGuards(text, addresses, v6);
            Restore(program, text.Append("COMMIT\n").ToString());
        }
    }

    /// <summary>True when both chains are still hooked in, in both families: a firewall reload may have flushed them.</summary>
    public static bool IsInPlace() => Families.All(f => IsHooked(f.Program, Outbound) && IsHooked(f.Program, Inbound));

    /// <summary>Removes everything of ours; what is not there is no error.</summary>
    public static void Remove()
    {
        foreach ((string program, _) in Families)
        {
            foreach (string[] hook in new[] { Outbound, Inbound })
                for (int i = 0; i < 16 && Run(program, null, ["-t", "raw", "-D", .. hook]) is null; i++) { }
            foreach (string chain in new[] { "PVPN-OUT", "PVPN-IN" })
            {
                Run(program, null, "-t", "raw", "-F", chain);
                Run(program, null, "-t", "raw", "-X", chain);
            }
        }
    }

    private static bool IsHooked(string program, string[] hook) => Run(program, null, ["-t", "raw", "-C", .. hook]) is null;

    private static void AppendGuards(StringBuilder text, IEnumerable<IpAddr> addresses, bool v6)
    {
        foreach (IpAddr a in addresses.Where(a => a.IsV6 == v6))
            text.Append(CultureInfo.InvariantCulture, $"-A PVPN-IN -d {a} -m mark ! --mark 0x{Marks.Injected:x}/0x{Marks.Mask:x} -j DROP\n");
    }

    private static void Restore(string family, string text)
    {
        if (Run(family + "-restore", text, "--noflush") is { } error)
            throw new InvalidOperationException($"{family}-restore failed: {error}; is the iptables package installed and the kernel's NFQUEUE target there?");
    }

    // Null on success, otherwise the program's complaint.
    private static string? Run(string program, string? input, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardError = true,
            RedirectStandardOutput = true,
            UseShellExecute = false,
        };
        start.Environment["PATH"] = "/usr/sbin:/usr/bin:/sbin:/bin";
        try
        {
            using Process process = Process.Start(start)!;
            Task<string> errors = process.StandardError.ReadToEndAsync(), output = process.StandardOutput.ReadToEndAsync();
            if (input is not null) process.StandardInput.Write(input);
            process.StandardInput.Close();
            if (!process.WaitForExit(10_000))
            {
                process.Kill();
                return "no answer within 10 s";
            }
            _ = output.Result;
            return process.ExitCode == 0 ? null : errors.Result.Trim().ReplaceLineEndings(" ");
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            return $"{program}: {e.Message}";
        }
    }
}
