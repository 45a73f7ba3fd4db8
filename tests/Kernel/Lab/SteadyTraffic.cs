using System.Text.RegularExpressions;

namespace PersonalVpn.Kernel.Lab;

/// <summary>
/// A user's TCP connection, UDP socket and ping to each of some addresses, the same ones from beginning to end (tools/steady.py): what
/// survives with a tunnel, and what would be seen in clear without one.
/// </summary>
public sealed partial class SteadyTraffic : IAsyncDisposable
{
    private readonly string[] _addresses;
    private readonly LabProcess _sockets;
    private readonly LabProcess[] _pings;

    private SteadyTraffic(string[] addresses, LabProcess sockets, LabProcess[] pings) => (_addresses, _sockets, _pings) = (addresses, sockets, pings);

    /// <summary>Starts it, and returns when every socket has had an answer.</summary>
    public static async Task<SteadyTraffic> StartAsync(LabFixture lab, string user, params string[] addresses)
    {
        var traffic = new SteadyTraffic(addresses, LabProcess.Start(lab, "steady", user, ["steady.py", .. addresses]),
            [.. addresses.Select(a => LabProcess.Start(lab, "ping", user, "ping", "-n", "-i", "0.2", a))]);
        await traffic.FlowsAsync(10);
        return traffic;
    }

    /// <summary>Waits until every socket has had two more answers.</summary>
    public async Task FlowsAsync(double seconds)
    {
        Dictionary<string, int> before = Answers();
        DateTime end = DateTime.UtcNow.AddSeconds(seconds);
        while (Answers() is var now && now.Any(a => a.Value < before[a.Key] + 2))
        {
            Assert.True(DateTime.UtcNow < end, $"no answer within {seconds} s: {string.Join(", ", now.Where(a => a.Value < before[a.Key] + 2).Select(a => a.Key))}\n{Events()}");
            await Task.Delay(50);
        }
    }

    /// <summary>Answers so far, over all sockets.</summary>
    public int Total => Answers().Values.Sum();

    /// <summary>Fails when a connection broke, or when the other side ever saw another address or port than the first.</summary>
    public void AreTheSameSockets()
    {
        Assert.DoesNotContain("broken", _sockets.Output, StringComparison.Ordinal);
        Assert.True(SeenFrom().Count(_sockets.Output) == 2 * _addresses.Length, Events());
    }

    /// <summary>Ends it.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (LabProcess ping in _pings) await ping.DisposeAsync();
        await _sockets.DisposeAsync();
    }

    private Dictionary<string, int> Answers()
    {
        string[] lines = _sockets.Output.Split('\n');
        var answers = new Dictionary<string, int>();
        for (int i = 0; i < _addresses.Length; i++)
        {
            string a = _addresses[i];
            foreach (string kind in new[] { "tcp", "udp" })
                answers[$"{kind} {a}"] = lines.Count(l => l.StartsWith($"{kind} {a} ", StringComparison.Ordinal) && char.IsAsciiDigit(l[^1]) && l.Split(' ').Length == 3);
            answers[$"ping {a}"] = Echo().Count(_pings[i].Output);
        }
        return answers;
    }

    // What happened besides the answers.
    private string Events() => string.Join('\n', _sockets.Output.Split('\n').Where(l => l.Split(' ').Length > 3)
        .Concat(_pings.SelectMany(p => (p.Output + p.Error).Split('\n').Where(l => l.Length > 0 && !Echo().IsMatch(l)).TakeLast(3))));

    [GeneratedRegex("bytes from .* time=")]
    private static partial Regex Echo();

    [GeneratedRegex(" seen from ")]
    private static partial Regex SeenFrom();
}
