using System.Net;
using System.Net.Sockets;

namespace PersonalVpn.Linux;

/// <summary>In which order, and how far apart in time, the addresses of one name are tried (RFC 8305, "Happy Eyeballs").</summary>
public static class AddressOrder
{
    /// <summary>Between the beginnings of two attempts (the RFC's Connection Attempt Delay); one that fails starts the next at once.</summary>
    public static TimeSpan AttemptDelay { get; } = TimeSpan.FromMilliseconds(250);

    /// <summary>
    /// IPv4 and IPv6 in turns, beginning with the family of the first; within a family in the order given, which is the resolver's
    /// (RFC 6724). What comes twice is left out. So a family that goes nowhere costs one delay, not one for each of its addresses.
    /// </summary>
    public static IReadOnlyList<IPEndPoint> Interleave(IEnumerable<IPEndPoint> places)
    {
        List<IPEndPoint> all = [.. places.Distinct()];
        if (all.Count == 0) return all;
        AddressFamily preferred = all[0].AddressFamily;
        var first = new Queue<IPEndPoint>(all.Where(p => p.AddressFamily == preferred));
        var second = new Queue<IPEndPoint>(all.Where(p => p.AddressFamily != preferred));
        var order = new List<IPEndPoint>(all.Count);
        while (first.Count > 0 || second.Count > 0)
        {
            if (first.TryDequeue(out IPEndPoint? a)) order.Add(a);
            if (second.TryDequeue(out IPEndPoint? b)) order.Add(b);
        }
        return order;
    }
}
