using System.Globalization;
using System.Text.RegularExpressions;

namespace PersonalVpn.Kernel.Lab;

/// <summary>tcpdump on one interface of the lab, from <see cref="StartAsync(LabFixture, string)"/> to <see cref="StopAsync"/>.</summary>
public sealed partial class WireTap : IAsyncDisposable
{
    private readonly LabProcess _tcpdump;
    private readonly string _file;

    private WireTap(LabProcess tcpdump, string file)
    {
        _tcpdump = tcpdump;
        _file = file;
    }

    /// <summary>
    /// Starts to listen on the wire between the shared host and the gateway, and returns when it does.
    /// The filter is pcap-filter(7); under load filter the tunnel's own bytes out, or the machine pays for them.
    /// </summary>
    public static Task<WireTap> StartAsync(LabFixture lab, string filter = "") => StartOnAsync(lab, "host", "wire", filter);

    /// <summary>Starts to listen on the link between the gateway and the inner host.</summary>
    public static Task<WireTap> StartInnerAsync(LabFixture lab, string filter = "") => StartOnAsync(lab, "inner", "lan", filter);

    /// <summary>Stops, and says how often each text stands in what was seen, and how many bytes that was.</summary>
    public async Task<(int[] Found, long Bytes)> StopAndSearchAsync(params byte[][] texts)
    {
        await StopTcpdumpAsync();
        byte[] all = await File.ReadAllBytesAsync(_file);
        return ([.. texts.Select(t => Count(all, t))], all.LongLength);
    }

    /// <summary>Stops and returns what was seen. Fails the test when the kernel had to drop packets of the capture.</summary>
    public async Task<IReadOnlyList<WirePacket>> StopAsync()
    {
        await StopTcpdumpAsync();
        return PcapFile.Read(_file);
    }

    /// <summary>Stops and forgets.</summary>
    public async ValueTask DisposeAsync()
    {
        await _tcpdump.DisposeAsync();
        File.Delete(_file);
    }

    private static int Count(ReadOnlySpan<byte> all, ReadOnlySpan<byte> text)
    {
        int count = 0;
        for (int at; (at = all.IndexOf(text)) >= 0; all = all[(at + text.Length)..]) count++;
        return count;
    }

    private async Task StopTcpdumpAsync()
    {
        await Task.Delay(100); // what is on its way to the tap
        _tcpdump.Signal("INT");
        CommandResult result = await _tcpdump.ExitAsync();
        Match dropped = Dropped().Match(result.Error);
        Assert.True(dropped.Success, $"tcpdump said nothing about drops: {result.Error}");
        Assert.True(dropped.Groups[1].Value == "0", $"the tap missed packets: {result.Error}");
    }

    /// <summary>Starts to listen on any device of the lab.</summary>
    /// <param name="lab">The lab.</param>
    /// <param name="node">host, gw or inner; the end that a test takes down hears nothing any more, so listen at the other.</param>
    /// <param name="device">The device there.</param>
    /// <param name="filter">pcap-filter(7).</param>
    /// <param name="bytes">How much of each packet; 0 = all. Beginnings tell what is in clear, and little is kept of a long transfer.</param>
    public static async Task<WireTap> StartOnAsync(LabFixture lab, string node, string device, string filter = "", int bytes = 0)
    {
        string file = Path.Combine(lab.State, "log", $"{device}-{Guid.NewGuid():N}.pcap");
        LabProcess tcpdump = LabProcess.Start(lab, "tcpdump", node, "tcpdump", "-i", device, "-n", "-U", "--immediate-mode",
            "-B", "65536", "-s", bytes.ToString(CultureInfo.InvariantCulture), "-Z", "root", "-w", file, filter);
        var tap = new WireTap(tcpdump, file);
        try
        {
            await tcpdump.ErrorLineContainingAsync("listening on");
        }
        catch (Exception)
        {
            await tap.DisposeAsync();
            throw;
        }
        return tap;
    }

    [GeneratedRegex(@"(\d+) packets? dropped by kernel")]
    private static partial Regex Dropped();
}
