using System.Net;
using PersonalVpn.Server.Sessions;
using Xunit;

namespace PersonalVpn.Unit.ServerTests;

/// <summary>MaxStartups: who gives way.</summary>
public sealed class StartupsTests
{
    private static readonly IPAddress Attacker = IPAddress.Parse("192.0.2.1"), Honest = IPAddress.Parse("192.0.2.2");
    private readonly List<long> _gone = [];

    [Fact]
    public void Who_holds_many_open_makes_room_for_others()
    {
        var startups = new Startups(full: 4, from: 4, rate: 100);
        for (int i = 0; i < 4; i++) Assert.True(Enter(startups, i, Attacker, now: i));
        Assert.True(Enter(startups, 10, Honest, now: Startups.Patience));
        Assert.Equal([0], _gone);
        Assert.Equal(4, startups.Count);
    }

    [Fact]
    public void A_login_that_may_just_take_its_time_is_not_ended()
    {
        var startups = new Startups(full: 2, from: 2, rate: 100);
        Enter(startups, 1, Attacker, now: 0);
        Enter(startups, 2, Attacker, now: 0);
        Assert.False(Enter(startups, 3, Honest, now: Startups.Patience - 1));
        Assert.Empty(_gone);
        Assert.Equal(2, startups.Count);
    }

    [Fact]
    public void A_source_that_has_the_most_makes_room_for_itself_at_no_cost_to_others()
    {
        var startups = new Startups(full: 3, from: 3, rate: 100);
        Enter(startups, 1, Honest, now: 0);
        Enter(startups, 2, Attacker, now: 1);
        Enter(startups, 3, Attacker, now: 2);
        Assert.True(Enter(startups, 4, Attacker, now: Startups.Patience * 2));
        Assert.Equal([2], _gone);
    }

    [Fact]
    public void Who_is_not_logging_in_at_all_goes_first_and_at_once()
    {
        var startups = new Startups(full: 3, from: 3, rate: 100);
        for (int i = 0; i < 3; i++) Enter(startups, i, Attacker, now: i);
        startups.Demote(2);
        startups.Demote(1);
        startups.Demote(7); // has ended meanwhile
        Assert.True(Enter(startups, 10, Attacker, now: 3));
        Assert.True(Enter(startups, 11, Attacker, now: 4));
        Assert.Equal([1, 2], _gone);
        Assert.False(Enter(startups, 12, Attacker, now: 5));
        startups.Leave(10);
        Assert.True(Enter(startups, 13, Honest, now: 6));
    }

    [Fact]
    public void Addresses_of_one_ipv6_network_are_one_source()
    {
        var startups = new Startups(full: 3, from: 3, rate: 100);
        Enter(startups, 1, Honest, now: 0);
        Enter(startups, 2, IPAddress.Parse("2001:db8::1"), now: 1);
        Enter(startups, 3, IPAddress.Parse("2001:db8::2"), now: 2);
        Assert.True(Enter(startups, 4, Honest.MapToIPv6(), now: Startups.Patience * 2));
        Assert.Equal([1], _gone);
    }

    [Fact]
    public void Who_has_logged_in_does_not_count()
    {
        var startups = new Startups(full: 1, from: 1, rate: 100);
        Enter(startups, 1, Honest, now: 0);
        startups.Leave(1);
        startups.Leave(1);
        Assert.True(Enter(startups, 2, Honest, now: 0));
        Assert.Equal(1, startups.Count);
    }

    [Fact]
    public void Between_start_and_full_some_newcomers_are_refused()
    {
        var startups = new Startups(full: 1000, from: 1, rate: 30);
        int refused = Enumerable.Range(0, 400).Count(i => !Enter(startups, i, Honest, now: 0));
        Assert.InRange(refused, 40, 360);
    }

    private bool Enter(Startups startups, long id, IPAddress from, long now) => startups.TryEnter(id, from, now, () => _gone.Add(id));
}
