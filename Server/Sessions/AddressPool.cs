using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using PersonalVpn.Packets;

namespace PersonalVpn.Server.Sessions;

/// <summary>
/// Inner addresses of one block, one per session. A user gets the same one again when it is free: the last one had, else the one
/// that the name hashes to, else the next. The network's own, the broadcast and the first host address (the server's) are never
/// given. Not thread-safe: the registry's lock guards it.
/// </summary>
internal sealed class AddressPool
{
    // A block may have 2^64 addresses and more; probing stays within the first 2^30.
    private const long MaxUsable = 1L << 30;

    private readonly HashSet<IpAddr> _taken = [];
    private readonly Dictionary<string, IpAddr> _last = new(StringComparer.Ordinal);
    private readonly long _usable;

    public AddressPool(IpPrefix prefix)
    {
        Prefix = prefix;
        int hostBits = prefix.Address.Bits - prefix.Length;
        _usable = Math.Min(MaxUsable, (hostBits >= 40 ? long.MaxValue : 1L << hostBits) - (prefix.IsV6 ? 2 : 3));
    }

    public IpPrefix Prefix { get; }

    /// <summary>The server's own address in this block: source of the errors it sends to users.</summary>
    public IpAddr ServerAddress => At(-1);

    /// <summary>Takes an address for a user, or null when none is free.</summary>
    /// <param name="user">The user's name on this server.</param>
    /// <param name="wanted">An address fixed by the key, or null.</param>
    /// <param name="avoid">Addresses the client cannot use.</param>
    public IpAddr? Take(string user, IpAddr? wanted, IReadOnlyCollection<IpAddr> avoid)
    {
        if (wanted is { } fixedOne) return IsGivable(fixedOne) && Try(fixedOne, user, avoid) ? fixedOne : null;
        if (_last.TryGetValue(user, out IpAddr last) && Try(last, user, avoid)) return last;
        if (_taken.Count >= _usable) return null;
        long start = (long)(BinaryPrimitives.ReadUInt64BigEndian(SHA256.HashData(Encoding.UTF8.GetBytes(user))) % (ulong)_usable);
        long probes = Math.Min(_usable, _taken.Count + avoid.Count + 1L);
        for (long i = 0; i < probes; i++)
        {
            IpAddr candidate = At((start + i) % _usable);
            if (Try(candidate, user, avoid)) return candidate;
        }
        return null;
    }

    /// <summary>Takes this very address, for a user who had it before; false when it is taken or none of this pool.</summary>
    public bool Reserve(IpAddr address, string user) => IsGivable(address) && Try(address, user, []);

    /// <summary>Gives an address back; the user's next session prefers it.</summary>
    public void Release(IpAddr address) => _taken.Remove(address);

    // Not the network's own address (IPv6: the routers' anycast address, RFC 4291 2.6.1), nor the broadcast, nor the server's.
    private bool IsGivable(IpAddr address) =>
        Prefix.Contains(address) && address != Prefix.Address && address != ServerAddress &&
        (Prefix.IsV6 || address.V4 != Prefix.Address.V4 + ((1L << (32 - Prefix.Length)) - 1));

    private bool Try(IpAddr address, string user, IReadOnlyCollection<IpAddr> avoid)
    {
        if (avoid.Contains(address) || !_taken.Add(address)) return false;
        if (_last.Count < 100_000 || _last.ContainsKey(user)) _last[user] = address;
        return true;
    }

    // Index 0 is the second host address; -1 the first, the server's.
    private IpAddr At(long index) => new(Prefix.Address.Value + (UInt128)(index + 2), Prefix.IsV6);
}
