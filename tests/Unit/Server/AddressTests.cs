using Microsoft.Extensions.Logging.Abstractions;
using PersonalVpn.Packets;
using PersonalVpn.Server;
using PersonalVpn.Server.Configuration;
using PersonalVpn.Server.Resume;
using PersonalVpn.Server.Sessions;
using PersonalVpn.Tunnel.Protocol;
using PersonalVpn.Unit.Support;
using PersonalVpn.UserAuth;
using Xunit;

namespace PersonalVpn.Unit.ServerTests;

/// <summary>One inner address, one session.</summary>
public sealed class AddressTests : IDisposable
{
    private static readonly IpAddr[] None = [];

    private SessionRegistry? _registry;

    public void Dispose() => _registry?.Dispose();

    [Theory]
    [InlineData("10.77.0.0/30", 1)]
    [InlineData("10.77.0.0/29", 5)]
    [InlineData("10.77.0.0/24", 253)]
    [InlineData("fd77::/126", 2)] // IPv6 has no broadcast
    [InlineData("fd77::/120", 254)]
    public void A_pool_gives_every_address_once(string prefix, int count)
    {
        var pool = new AddressPool(IpPrefix.Parse(prefix));
        IpAddr network = pool.Prefix.Address;
        IpAddr[] given = [.. Enumerable.Range(0, count).Select(i => pool.Take($"user{i}", null, None)!.Value)];
        Assert.Equal(count, given.Distinct().Count());
        Assert.All(given, a => Assert.True(pool.Prefix.Contains(a)));
        Assert.DoesNotContain(network, given);
        Assert.DoesNotContain(pool.ServerAddress, given);
        if (!network.IsV6) Assert.DoesNotContain(Last(pool.Prefix), given);
        Assert.Null(pool.Take("late", null, None));
        pool.Release(given[0]);
        Assert.Equal(given[0], pool.Take("late", null, None));
    }

    [Fact]
    public void A_user_gets_the_same_address_again()
    {
        var pool = new AddressPool(IpPrefix.Parse("10.77.0.0/16"));
        IpAddr first = pool.Take("alice", null, None)!.Value;
        IpAddr second = pool.Take("alice", null, None)!.Value;
        Assert.NotEqual(first, second);
        pool.Release(first);
        pool.Release(second);
        Assert.Equal(second, pool.Take("alice", null, None));
        // By name, so that it is the same after a restart, too.
        Assert.Equal(first, new AddressPool(IpPrefix.Parse("10.77.0.0/16")).Take("alice", null, None));
    }

    [Fact]
    public void Addresses_to_avoid()
    {
        var pool = new AddressPool(IpPrefix.Parse("10.77.0.0/29"));
        IpAddr[] all = [.. Enumerable.Range(2, 5).Select(i => IpAddr.Parse($"10.77.0.{i}"))];
        foreach (IpAddr only in all)
        {
            Assert.Equal(only, pool.Take("alice", null, [.. all.Where(a => a != only)]));
            pool.Release(only);
        }
        Assert.Null(pool.Take("alice", null, all));
    }

    [Theory]
    [InlineData("10.77.0.9", true)]
    [InlineData("10.77.0.254", true)]
    [InlineData("10.77.0.0", false)] // the network
    [InlineData("10.77.0.255", false)] // broadcast
    [InlineData("10.77.0.1", false)] // the server
    [InlineData("10.78.0.9", false)]
    [InlineData("fd77::9", false)]
    public void An_address_fixed_by_the_key(string wanted, bool given)
    {
        var pool = new AddressPool(IpPrefix.Parse("10.77.0.0/24"));
        IpAddr address = IpAddr.Parse(wanted);
        Assert.Equal(given ? address : null, pool.Take("alice", address, None));
        Assert.Null(pool.Take("bob", address, None));
        Assert.Null(pool.Take("carol", address, [address]));
    }

    [Fact]
    public void An_enormous_pool_is_no_trouble()
    {
        var pool = new AddressPool(IpPrefix.Parse("fd00::/8"));
        Assert.Equal(1000, Enumerable.Range(0, 1000).Select(i => pool.Take($"u{i}", null, None)).Distinct().Count());
    }

    // ---- sessions ----

    [Fact]
    public void An_address_names_its_session()
    {
        SessionRegistry registry = Registry(out ServerConfig config, "AddressPool6 fd77::/64");
        Session alice = Session(config, 1, "alice"), bob = Session(config, 2, "bob");
        registry.Assign(alice, None);
        registry.Assign(bob, None);
        foreach (Session s in new[] { alice, bob })
        {
            Assert.Same(s, registry.Find(s.AddressV4!.Value));
            Assert.Same(s, registry.Find(s.AddressV6!.Value));
        }
        Assert.Null(registry.Find(registry.ServerV4));
        Assert.Equal([alice, bob], registry.All.OrderBy(s => s.Id));
        IpAddr was = alice.AddressV4!.Value;
        registry.Remove(alice);
        Assert.Null(registry.Find(was));
        Assert.Null(alice.AddressV4);
        registry.Remove(alice);
        Assert.Equal([bob], registry.All);
    }

    [Fact]
    public void Asking_again_gives_other_addresses_and_takes_the_first_back()
    {
        SessionRegistry registry = Registry(out ServerConfig config, "AddressPool6 fd77::/64");
        Session alice = Session(config, 1, "alice");
        registry.Assign(alice, None);
        IpAddr first = alice.AddressV4!.Value;
        registry.Assign(alice, [first]);
        Assert.NotEqual(first, alice.AddressV4);
        Assert.Null(registry.Find(first));
        Assert.Single(registry.All);
    }

    [Fact]
    public void A_used_up_pool_says_so_and_leaves_others_alone()
    {
        SessionRegistry registry = Registry(out ServerConfig config, "AddressPool 10.77.0.0/30");
        Session alice = Session(config, 1, "alice"), bob = Session(config, 2, "bob");
        registry.Assign(alice, None);
        SessionRefusedException e = Assert.Throws<SessionRefusedException>(() => registry.Assign(bob, None));
        Assert.Equal(CloseReason.NoAddress, e.Reason);
        Assert.Contains("10.77.0.0/30 is used up", e.Message, StringComparison.Ordinal);
        Assert.Same(alice, registry.Find(alice.AddressV4!.Value));
        registry.Remove(bob);
        registry.Remove(alice);
        registry.Assign(Session(config, 3, "bob"), None);
    }

    [Fact]
    public void A_fixed_address_that_is_taken()
    {
        SessionRegistry registry = Registry(out ServerConfig config);
        Session one = Session(config, 1, "alice", "address=\"10.77.0.9\""), two = Session(config, 2, "alice", "address=\"10.77.0.9\"");
        registry.Assign(one, None);
        SessionRefusedException e = Assert.Throws<SessionRefusedException>(() => registry.Assign(two, None));
        Assert.Equal(CloseReason.NoAddress, e.Reason);
        Assert.Contains("10.77.0.9", e.Message, StringComparison.Ordinal);
        Assert.Same(one, registry.Find(IpAddr.Parse("10.77.0.9")));
    }

    [Fact]
    public void As_many_sessions_as_configured()
    {
        SessionRegistry registry = Registry(out ServerConfig config, "MaxSessions 3", "MaxSessionsPerUser 2");
        registry.Assign(Session(config, 1, "alice"), None);
        Session second = Session(config, 2, "alice");
        registry.Assign(second, None);
        Assert.Equal(CloseReason.TooManySessions, Assert.Throws<SessionRefusedException>(() => registry.Assign(Session(config, 3, "alice"), None)).Reason);
        registry.Assign(second, [second.AddressV4!.Value]); // its own repetition does not count
        registry.Assign(Session(config, 4, "bob"), None);
        SessionRefusedException e = Assert.Throws<SessionRefusedException>(() => registry.Assign(Session(config, 5, "carol"), None));
        Assert.Contains("maximum of 3 sessions", e.Message, StringComparison.Ordinal);
        registry.Remove(second);
        registry.Assign(Session(config, 6, "alice"), None);
    }

    [Fact]
    public void Users_of_other_pools()
    {
        SessionRegistry registry = Registry(out ServerConfig config, "Match User bob", "AddressPool 10.5.0.0/24");
        Session alice = Session(config, 1, "alice"), bob = Session(config, 2, "bob");
        registry.Assign(alice, None);
        registry.Assign(bob, None);
        Assert.True(IpPrefix.Parse("10.77.0.0/16").Contains(alice.AddressV4!.Value));
        Assert.True(IpPrefix.Parse("10.5.0.0/24").Contains(bob.AddressV4!.Value));
        Assert.Equal(["10.5.0.1", "10.77.0.1"], registry.Pools.Select(p => p.Server.ToString()).Order(StringComparer.Ordinal));
    }

    private static IpAddr Last(IpPrefix prefix) => new(prefix.Address.Value + (UInt128.One << (32 - prefix.Length)) - 1, false);

    private SessionRegistry Registry(out ServerConfig config, params string[] lines)
    {
        config = new ServerConfigReader().Build(ConfigText.Lines(lines));
        return _registry = new SessionRegistry(config, LeaseBook.InMemory(new byte[32], NullLogger.Instance), []);
    }

    // The registry looks at names, policies and addresses alone: no connection is needed.
    private Session Session(ServerConfig config, long id, string user, string options = "")
    {
        AuthorizedKeyOptions parsed = AuthorizedKeyOptions.None;
        if (options.Length > 0) Assert.True(AuthorizedKeyLines.TryOptions(options, out parsed, out string error), error);
        return new Session(id, user, "192.0.2.1:1", UserPolicy.For(config, user, parsed), null!, null!) { Lease = _registry!.Begin(user, AuthorizedKeyLines.PublicKey, id) };
    }
}
