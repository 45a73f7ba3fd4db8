using System.Diagnostics;
using PersonalVpn.Linux;
using PersonalVpn.Packets;
using PersonalVpn.UserAuth;

namespace PersonalVpn.Load;

/// <summary>What a user feels who does little: PING, an echo through the inner network, a login.</summary>
internal static class Probe
{
    public static async Task RunAsync(LoadSession session, Settings settings, IUserIdentity key, EventLoop loop, IpAddr to)
    {
        await Task.Delay(500);
        var pings = new List<double>();
        var echoes = new List<double>();
        var logins = new List<double>();
        int lost = 0;
        for (int i = 0; i < settings.Probes; i++)
        {
            pings.Add(Stopwatch.GetElapsedTime(0, await session.PingAsync()).TotalMilliseconds);
            long echo = await session.EchoAsync(to);
            if (echo < 0) lost++;
            else echoes.Add(Stopwatch.GetElapsedTime(0, echo).TotalMilliseconds);
            if (i % 20 == 0)
            {
                long began = Stopwatch.GetTimestamp();
                using LoadSession other = await LoadSession.OpenAsync(settings, key, loop);
                logins.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
            }
            await Task.Delay(5);
        }
        Console.WriteLine($"probe: ping {Report.Quantiles(pings)} ms; echo {Report.Quantiles(echoes)} ms, {lost} lost of {settings.Probes}; login {Report.Quantiles(logins)} ms");
    }
}
