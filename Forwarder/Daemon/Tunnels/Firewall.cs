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

    /// <summary>Puts the chains in place, empty of addresses; whatever a crash left of them is replaced.</summary>
    public static void Install(ushort queue)
    {
        Remove();
        foreach ((string program, _) in Families)
            Restore(program, string.Create(CultureInfo.InvariantCulture, $"""
                *raw
                :PVPN-OUT - [0:0]
                :PVPN-IN - [0:0]
                -A PVPN-OUT -p tcp -j NFQUEUE --queue-num {queue}
                -A PVPN-OUT -j NFQUEUE --queue-num {queue + 1}
                -I OUTPUT 1 -o {Marks.DevicePrefix}+ -j PVPN-OUT
                -I PREROUTING 1 -j PVPN-IN
                COMMIT

                """));
    }

    /// <summary>Guards exactly these inner addresses: the chain is replaced in one commit.</summary>
    public static void Guard(IEnumerable<IpAddr> addresses)
    {
        var all = addresses.ToList();
        foreach ((string program, bool v6) in Families)
        {
            var text = new StringBuilder("*raw\n:PVPN-IN - [0:0]\n");
            foreach (IpAddr a in all.Where(a => a.IsV6 == v6))
                text.Append(CultureInfo.InvariantCulture, $"-A PVPN-IN -d {a} -m mark ! --mark 0x{Marks.Injected:x}/0x{Marks.Mask:x} -j DROP\n");
            Restore(program, text.Append("COMMIT\n").ToString());
        }
    }

    /// <summary>True when both chains are still hooked in, in both families.</summary>
    public static bool IsInPlace() => Families.All(f =>
        Run(f.Program, null, "-t", "raw", "-C", "OUTPUT", "-o", Marks.DevicePrefix + "+", "-j", "PVPN-OUT") is null &&
        Run(f.Program, null, "-t", "raw", "-C", "PREROUTING", "-j", "PVPN-IN") is null);

    /// <summary>Removes everything of ours; what is not there is no error.</summary>
    public static void Remove()
    {
        foreach ((string program, _) in Families)
        {
            while (Run(program, null, "-t", "raw", "-D", "OUTPUT", "-o", Marks.DevicePrefix + "+", "-j", "PVPN-OUT") is null) { }
            while (Run(program, null, "-t", "raw", "-D", "PREROUTING", "-j", "PVPN-IN") is null) { }
            foreach (string chain in new[] { "PVPN-OUT", "PVPN-IN" })
            {
                Run(program, null, "-t", "raw", "-F", chain);
                Run(program, null, "-t", "raw", "-X", chain);
            }
        }
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
