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

/// <summary>Tickets and leases: good once, for their owner, for a time; addresses that wait.</summary>
public sealed class ResumeTests : IDisposable
{
    private static readonly byte[] ServerNonce = [.. Enumerable.Repeat((byte)1, 32)], ClientNonce = [.. Enumerable.Repeat((byte)2, 32)], Certificate = [.. Enumerable.Repeat((byte)3, 32)];

    private readonly string _directory = Directory.CreateTempSubdirectory("pvpn-lease-").FullName;

    private string LeasePath => Path.Combine(_directory, "sub", "leases");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void A_ticket_is_good_once_for_its_user_with_its_secret()
    {
        using SessionRegistry registry = Registry(out _);
        Lease lease = registry.Begin("alice", AuthorizedKeyLines.PublicKey, 1);
        IReadOnlyList<ResumptionTicket> tickets = registry.Issue(lease);
        Assert.Equal(2, tickets.Count);
        Assert.Null(registry.Redeem(Attempt(tickets[0], "bob"), out string refusal));
        Assert.Equal("of another user (alice)", refusal);
        Assert.Null(registry.Redeem(Attempt(tickets[0] with { Secret = new byte[32] }, "alice"), out refusal));
        Assert.Equal("proof wrong", refusal);
        Assert.Same(lease, registry.Redeem(Attempt(tickets[0], "alice"), out _));
        Assert.Null(registry.Redeem(Attempt(tickets[0], "alice"), out refusal));
        Assert.Equal("used before", refusal);
        Assert.Same(lease, registry.Redeem(Attempt(tickets[1], "alice"), out _));
    }

    [Fact]
    public void Every_bit_of_a_ticket_counts_and_another_servers_is_not_ours()
    {
        using SessionRegistry registry = Registry(out _);
        ResumptionTicket ticket = registry.Issue(registry.Begin("alice", AuthorizedKeyLines.PublicKey, 1))[0];
        for (int bit = 0; bit < ticket.Sealed.Length * 8; bit++)
        {
            byte[] bent = [.. ticket.Sealed];
            bent[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.Null(registry.Redeem(Attempt(ticket with { Sealed = bent }, "alice"), out string refusal));
            Assert.Equal("not ours", refusal);
        }
        foreach (byte[] wrong in new[] { [], new byte[1], ticket.Sealed[..^1], [.. ticket.Sealed, 0] })
            Assert.Null(registry.Redeem(Attempt(ticket with { Sealed = wrong }, "alice"), out _));
        using var other = new SessionRegistry(new ServerConfig(), LeaseBook.InMemory([.. Enumerable.Repeat((byte)7, 32)], NullLogger.Instance), []);
        Assert.Null(other.Redeem(Attempt(ticket, "alice"), out string why));
        Assert.Equal("not ours", why);
    }

    [Fact]
    public void A_proof_fits_one_connection_and_one_server()
    {
        byte[] secret = new byte[32];
        byte[] proof = ResumptionTicket.Prove(secret, 2, ServerNonce, ClientNonce, Certificate, "alice");
        Assert.Equal(32, proof.Length);
        Assert.NotEqual(proof, ResumptionTicket.Prove(secret, 3, ServerNonce, ClientNonce, Certificate, "alice"));
        Assert.NotEqual(proof, ResumptionTicket.Prove(secret, 2, ClientNonce, ServerNonce, Certificate, "alice"));
        Assert.NotEqual(proof, ResumptionTicket.Prove(secret, 2, ServerNonce, ClientNonce, ServerNonce, "alice"));
        Assert.NotEqual(proof, ResumptionTicket.Prove(secret, 2, ServerNonce, ClientNonce, Certificate, "alicf"));
        Assert.NotEqual(proof, ResumptionTicket.Prove(ServerNonce, 2, ServerNonce, ClientNonce, Certificate, "alice"));
    }

    [Fact]
    public void A_lost_session_keeps_its_addresses_and_gets_them_back()
    {
        using SessionRegistry registry = Registry(out ServerConfig config, "AddressPool6 fd77::/64");
        Session first = Open(registry, config, 1, "alice");
        (IpAddr? v4, IpAddr? v6) = (first.AddressV4, first.AddressV6);
        ResumptionTicket ticket = registry.Issue(first.Lease)[0];
        registry.Remove(first);
        Assert.Null(registry.Find(v4!.Value));
        for (int i = 2; i < 20; i++) Assert.NotEqual(v4, Open(registry, config, i, i % 2 == 0 ? "alice" : "bob").AddressV4);

        Lease lease = registry.Redeem(Attempt(ticket, "alice"), out _)!;
        Assert.True(registry.TakeOver(lease, 50));
        Session again = New(config, 50, "alice", lease);
        registry.Assign(again, []);
        Assert.Equal((v4, v6), (again.AddressV4, again.AddressV6));
        Assert.Same(again, registry.Find(v4.Value));
    }

    [Fact]
    public void A_session_that_said_goodbye_leaves_nothing_to_resume()
    {
        using SessionRegistry registry = Registry(out ServerConfig config);
        Session session = Open(registry, config, 1, "alice");
        ResumptionTicket ticket = registry.Issue(session.Lease)[0];
        registry.Abandon(session.Lease, 1, over: true);
        Assert.Null(registry.Redeem(Attempt(ticket, "alice"), out string refusal));
        Assert.Equal("expired", refusal);
    }

    [Fact]
    public void A_disconnected_users_lost_sessions_are_not_come_back_to()
    {
        using SessionRegistry registry = Registry(out ServerConfig config);
        Session alice = Open(registry, config, 1, "alice"), bob = Open(registry, config, 2, "bob");
        ResumptionTicket hers = registry.Issue(alice.Lease)[0], his = registry.Issue(bob.Lease)[0];
        registry.Remove(alice);
        registry.Remove(bob);
        Assert.Equal(1, registry.ForgetLost("alice"));
        Assert.Null(registry.Redeem(Attempt(hers, "alice"), out string refusal));
        Assert.Equal("expired", refusal);
        Assert.NotNull(registry.Redeem(Attempt(his, "bob"), out _));
    }

    [Fact]
    public void After_its_time_a_ticket_is_expired_and_the_address_free()
    {
        using SessionRegistry registry = Registry(out ServerConfig config, "TicketLifetime 10", "AddressPool 10.77.0.0/30");
        Session session = Open(registry, config, 1, "alice");
        ResumptionTicket ticket = registry.Issue(session.Lease)[0];
        registry.Remove(session);
        session.Lease.EndedAt = DateTimeOffset.UtcNow.AddSeconds(-11);
        Assert.Null(registry.Redeem(Attempt(ticket, "alice"), out string refusal));
        Assert.Equal("expired", refusal);
        registry.ForgetExpired();
        Assert.NotNull(Open(registry, config, 2, "bob").AddressV4);
    }

    [Fact]
    public void With_lifetime_zero_there_are_no_tickets_and_addresses_go_back_at_once()
    {
        using SessionRegistry registry = Registry(out ServerConfig config, "TicketLifetime 0", "AddressPool 10.77.0.0/30");
        Session session = Open(registry, config, 1, "alice");
        Assert.Empty(registry.Issue(session.Lease));
        registry.Remove(session);
        Assert.NotNull(Open(registry, config, 2, "bob").AddressV4);
    }

    [Fact]
    public void A_waiting_address_gives_way_to_who_would_have_none_and_to_the_key_that_names_it()
    {
        using SessionRegistry registry = Registry(out ServerConfig config, "AddressPool 10.77.0.0/30");
        registry.Remove(Open(registry, config, 1, "alice"));
        Session bob = Open(registry, config, 2, "bob");
        Assert.NotNull(bob.AddressV4);
        registry.Remove(bob);
        Assert.Equal("10.77.0.2", Open(registry, config, 3, "bob", "address=\"10.77.0.2\"").AddressV4.ToString());
    }

    [Fact]
    public void A_fixed_address_that_waits_for_another_user_is_not_given()
    {
        using SessionRegistry registry = Registry(out ServerConfig config);
        registry.Remove(Open(registry, config, 1, "alice", "address=\"10.77.0.9\""));
        Assert.Throws<SessionRefusedException>(() => Open(registry, config, 2, "bob", "address=\"10.77.0.9\""));
        Assert.Equal("10.77.0.9", Open(registry, config, 3, "alice", "address=\"10.77.0.9\"").AddressV4.ToString());
    }

    [Fact]
    public void A_policy_that_gives_another_address_today_is_followed()
    {
        using SessionRegistry registry = Registry(out ServerConfig config);
        Session session = Open(registry, config, 1, "alice");
        IpAddr was = session.AddressV4!.Value;
        registry.Remove(session);
        Assert.True(registry.TakeOver(session.Lease, 2));
        Session again = New(config, 2, "alice", session.Lease, "address=\"10.77.0.9\"");
        registry.Assign(again, []);
        Assert.Equal("10.77.0.9", again.AddressV4.ToString());
        Assert.NotEqual(was, again.AddressV4);
    }

    [Fact]
    public void One_users_lost_sessions_are_counted_and_the_oldest_goes()
    {
        using SessionRegistry registry = Registry(out ServerConfig config);
        var tickets = new List<ResumptionTicket>();
        for (int i = 1; i <= 40; i++)
        {
            Session session = Open(registry, config, i, "alice");
            tickets.Add(registry.Issue(session.Lease)[0]);
            registry.Remove(session);
        }
        Assert.Null(registry.Redeem(Attempt(tickets[0], "alice"), out string refusal));
        Assert.Equal("expired", refusal);
        Assert.NotNull(registry.Redeem(Attempt(tickets[^1], "alice"), out _));
    }

    [Fact]
    public void A_restart_knows_leases_and_which_tickets_were_used()
    {
        ResumptionTicket used, unused, closed;
        IpAddr address;
        using (SessionRegistry before = Registry(out ServerConfig config, Kept()))
        {
            Session alice = Open(before, config, 1, "alice"), bob = Open(before, config, 2, "bob");
            IReadOnlyList<ResumptionTicket> tickets = before.Issue(alice.Lease);
            (used, unused, closed) = (tickets[0], tickets[1], before.Issue(bob.Lease)[0]);
            address = alice.AddressV4!.Value;
            Assert.NotNull(before.Redeem(Attempt(used, "alice"), out _));
            before.Abandon(bob.Lease, 2, over: true);
        }
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(LeasePath));
        string text = File.ReadAllText(LeasePath);
        Assert.DoesNotContain(Convert.ToHexString(unused.Secret), text, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain(Convert.ToBase64String(unused.Sealed), text, StringComparison.Ordinal);

        using SessionRegistry after = Registry(out ServerConfig same, Kept());
        Assert.NotEqual(address, Open(after, same, 10, "alice").AddressV4);
        Assert.Null(after.Redeem(Attempt(used, "alice"), out string refusal));
        Assert.Equal("used before", refusal);
        Assert.Null(after.Redeem(Attempt(closed, "bob"), out refusal));
        Assert.Equal("expired", refusal);
        Lease lease = after.Redeem(Attempt(unused, "alice"), out _)!;
        Assert.True(after.TakeOver(lease, 11));
        Session again = New(same, 11, "alice", lease);
        after.Assign(again, []);
        Assert.Equal(address, again.AddressV4);
    }

    [Fact]
    public void A_file_that_was_cut_short_or_garbled_loses_only_that()
    {
        ResumptionTicket ticket;
        using (SessionRegistry before = Registry(out ServerConfig config, Kept())) ticket = before.Issue(Open(before, config, 1, "alice").Lease)[0];
        File.AppendAllText(LeasePath, "{\"id\":\"xx\",\"user\":\"eve\",\"key\":\"nonsense\"}\n{}\nnull\n\0\0\n{\"id\":\"00112233");
        using SessionRegistry after = Registry(out _, Kept());
        Assert.NotNull(after.Redeem(Attempt(ticket, "alice"), out _));
    }

    [Fact]
    public void The_journal_is_cut_when_it_has_grown_long()
    {
        using SessionRegistry registry = Registry(out ServerConfig config, Kept());
        Session session = Open(registry, config, 1, "alice");
        for (int i = 0; i < 5000; i++) registry.Issue(session.Lease);
        Assert.True(new FileInfo(LeasePath).Length < 2_000_000, $"{new FileInfo(LeasePath).Length} bytes");
    }

    [Fact]
    public void A_file_that_others_may_read_or_a_second_server_has_is_not_used()
    {
        using (Registry(out _, Kept())) Assert.False(Opens(out _));
        File.SetUnixFileMode(LeasePath, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        Assert.False(Opens(out string said));
        Assert.Contains("chmod 600", said, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_written_down_after_the_end_goes_nowhere()
    {
        SessionRegistry registry = Registry(out ServerConfig config, Kept());
        Session session = Open(registry, config, 1, "alice");
        registry.Dispose();
        // The timer's last round, and a connection that ends after it: neither may throw.
        registry.Touch();
        registry.Remove(session);
    }

    // True when a server gets the file.
    private bool Opens(out string said)
    {
        var log = new Lines();
        using LeaseFile file = LeaseFile.Open(LeasePath, log, out _);
        said = string.Join('\n', log.All);
        return log.All.Count == 0;
    }

    private static ResumeAttempt Attempt(ResumptionTicket ticket, string user)
    {
        byte[] Prove(byte[] secret) => ResumptionTicket.Prove(secret, 2, ServerNonce, ClientNonce, Certificate, user);
        return new ResumeAttempt(user, new ResumeMessage(ticket.Sealed, Prove(ticket.Secret)), Prove);
    }

    private static string Kept() => "# kept";

    private SessionRegistry Registry(out ServerConfig config, params string[] lines)
    {
        bool kept = lines is ["# kept"];
        config = new ServerConfigReader().Build(ConfigText.Lines(kept ? [] : lines));
        IReadOnlyList<Lease> former = [];
        LeaseFile file = kept ? LeaseFile.Open(LeasePath, NullLogger.Instance, out former) : LeaseFile.None(NullLogger.Instance);
        return new SessionRegistry(config, new LeaseBook(new TicketSealer(new byte[32]), file), former);
    }

    private static Session New(ServerConfig config, long id, string user, Lease lease, string options = "")
    {
        AuthorizedKeyOptions parsed = AuthorizedKeyOptions.None;
        if (options.Length > 0) Assert.True(AuthorizedKeyLines.TryOptions(options, out parsed, out string error), error);
        return new Session(id, user, "192.0.2.1:1", UserPolicy.For(config, user, parsed), null!, null!) { Lease = lease };
    }

    private static Session Open(SessionRegistry registry, ServerConfig config, long id, string user, string options = "")
    {
        Session session = New(config, id, user, registry.Begin(user, AuthorizedKeyLines.PublicKey, id), options);
        registry.Assign(session, []);
        return session;
    }

    private sealed class Lines : Microsoft.Extensions.Logging.ILogger
    {
        public List<string> All { get; } = [];

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(Microsoft.Extensions.Logging.LogLevel logLevel) => true;

        public void Log<TState>(Microsoft.Extensions.Logging.LogLevel logLevel, Microsoft.Extensions.Logging.EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            All.Add(formatter(state, exception));
    }
}
