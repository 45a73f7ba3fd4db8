using PersonalVpn.Packets;

namespace PersonalVpn.Load;

/// <summary>Keeps every active session's connection full.</summary>
internal static class Sender
{
    public static void Run(LoadSession[] active, string kind, IpAddr to, CancellationToken stop)
    {
        byte[][] batches = [.. active.Select(s => Frames.Batch(kind, s.Address, to))];
        try
        {
            while (!stop.IsCancellationRequested)
            {
                bool any = false;
                for (int i = 0; i < active.Length; i++) any |= active[i].TrySend(batches[i]);
                if (!any) Thread.Sleep(0);
            }
        }
        catch (IOException e)
        {
            Console.Error.WriteLine($"sender: {e.Message}");
        }
    }
}
