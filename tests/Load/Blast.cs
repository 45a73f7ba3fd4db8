using System.Diagnostics;
using PersonalVpn.Linux;
using PersonalVpn.Packets;

namespace PersonalVpn.Load;

/// <summary>A flood of datagrams towards inner addresses, each in turn.</summary>
internal static class Blast
{
    public static int Run(Settings settings)
    {
        IpAddr[] to = [.. settings.To.Split(',').Select(IpAddr.Parse)];
        using LinuxSocket socket = LinuxSocket.CreateUdp(to[0].IsV6);
        socket.SetSendBuffer(4 << 20);
        byte[] payload = new byte[1200 - 28];
        var watch = Stopwatch.StartNew();
        long sent = 0, refused = 0;
        while (watch.Elapsed.TotalSeconds < settings.Seconds)
        {
            if (settings.Rate > 0 && sent + refused > watch.Elapsed.TotalSeconds * settings.Rate)
            {
                Thread.Sleep(1);
                continue;
            }
            for (int i = 0; i < 16; i++)
            {
                if (socket.SendTo(payload, to[(sent + refused) % to.Length], 9) > 0) sent++;
                else refused++;
            }
        }
        Console.WriteLine($"blast: {sent / watch.Elapsed.TotalSeconds:0} packets/s, {refused} refused");
        return 0;
    }
}
