using PersonalVpn.Tunnel.Protocol;

namespace PersonalVpn.Kernel.Lab.Suites;

/// <summary>
/// Resumption tickets at a real server: good once, for their owner, in their time. Every other use is refused, logged with its cause, and
/// disturbs nobody: a session of alice's that stands beside goes on, and she can still log in by her key.
/// </summary>
[Collection(KernelTun.Name)]
public sealed class TicketTests(KernelTunLab lab) : TicketSuite(lab)
{
    private string Authorized => $"{Lab.State}/gw/authorized_keys/alice";

    [Fact]
    public async Task A_ticket_logs_in_once_and_brings_the_same_addresses()
    {
        await StartAsync();
        ProtocolClient first = await ProtocolClient.LogInAsync(Lab, "alice");
        ConfigMessage config = (await first.OpenAsync())!;
        Assert.NotEmpty(first.Tickets);
        await first.DisposeAsync();

        await using ProtocolClient second = await ProtocolClient.ConnectAsync(Lab, "alice");
        Assert.True(await second.ResumeAsync(first.Tickets[0]));
        ConfigMessage again = (await second.OpenAsync())!;
        Assert.Equal((config.AddressV4, config.AddressV6), (again.AddressV4, again.AddressV6));
        Assert.NotEmpty(second.Tickets);
        Assert.DoesNotContain(second.Tickets, t => first.Tickets.Any(f => f.Secret.AsSpan().SequenceEqual(t.Secret) || f.Sealed.AsSpan().SequenceEqual(t.Sealed)));

        await IsRefusedAsync("alice", first.Tickets[0], "used before");
        Assert.True(await second.IsAliveAsync(), "the session that the ticket had opened is gone");
        Assert.Single(await SessionsAsync());
    }

    [Fact]
    public async Task All_at_once_one_wins()
    {
        await StartAsync();
        ProtocolClient owner = await ProtocolClient.LogInAsync(Lab, "alice");
        await owner.OpenAsync();
        await owner.DisposeAsync();
        ProtocolClient[] racers = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => ProtocolClient.ConnectAsync(Lab, "alice")));
        bool[] won = await Task.WhenAll(racers.Select(r => r.ResumeAsync(owner.Tickets[0])));
        Assert.Equal(1, won.Count(w => w));
        foreach (ProtocolClient racer in racers) await racer.DisposeAsync();
    }

    [Fact]
    public async Task A_session_that_the_server_believes_alive_is_taken_over()
    {
        await StartAsync("MaxSessionsPerUser 1", "ClientAliveInterval 600");
        await using ProtocolClient old = await ProtocolClient.LogInAsync(Lab, "alice");
        ConfigMessage config = (await old.OpenAsync())!;
        await using ProtocolClient young = await ProtocolClient.ConnectAsync(Lab, "alice");
        Assert.True(await young.ResumeAsync(old.Tickets[0]));
        ConfigMessage again = (await young.OpenAsync())!;
        Assert.Equal(config.AddressV4, again.AddressV4);
        Assert.Equal([ProtocolClient.Close], await old.EndAsync());
        Assert.True(await young.IsAliveAsync());
        Assert.Single(await SessionsAsync());
        // What the old one was given counts for nothing any more but to resume once more, by whoever holds it.
        await young.DisposeAsync();
        await using ProtocolClient third = await ProtocolClient.ConnectAsync(Lab, "alice");
        Assert.True(await third.ResumeAsync(young.Tickets[0]));
        Assert.Equal(config.AddressV4, (await third.OpenAsync())!.AddressV4);
    }

    [Fact]
    public async Task What_a_stalled_connection_sent_takes_nothing_from_the_one_that_came_after_it()
    {
        await StartAsync();
        ProtocolClient owner = await ProtocolClient.LogInAsync(Lab, "alice");
        ConfigMessage config = (await owner.OpenAsync())!;
        await owner.DisposeAsync();
        await using ProtocolClient stalled = await ProtocolClient.ConnectAsync(Lab, "alice");
        Assert.True(await stalled.ResumeAsync(owner.Tickets[0]));
        await using ProtocolClient next = await ProtocolClient.ConnectAsync(Lab, "alice");
        Assert.True(await next.ResumeAsync(owner.Tickets[1]));
        Assert.Equal(config.AddressV4, (await next.OpenAsync())!.AddressV4);
        Assert.Null(await stalled.OpenAsync());
        Assert.Equal(CloseReason.Resumed, stalled.Refusal?.Reason);
        await stalled.DisposeAsync();
        await EventuallyAsync(async () => (await SessionsAsync()).Length == 1, "one session");
        await using LabProcess ping = LabProcess.Start(Lab, "ping", "inner", "ping", "-n", "-c", "1", "-W", "1", config.AddressV4.ToString()!);
        Assert.Equal((byte)FrameType.Packet, (await next.ReceiveAsync()).Type);
    }

    [Fact]
    public async Task An_expired_one()
    {
        await StartAsync("TicketLifetime 1");
        await using ProtocolClient witness = await WitnessAsync();
        ProtocolClient owner = await ProtocolClient.LogInAsync(Lab, "alice");
        await owner.OpenAsync();
        await Task.Delay(2000); // its session lives
        Assert.True(await owner.IsAliveAsync());
        await owner.DisposeAsync();
        await Task.Delay(2500);
        await IsRefusedAsync("alice", owner.Tickets[0], "expired");
        Assert.True(await witness.IsAliveAsync());
    }

    [Fact]
    public async Task Without_a_lifetime_there_are_none()
    {
        await StartAsync("TicketLifetime 0");
        await using ProtocolClient owner = await ProtocolClient.LogInAsync(Lab, "alice");
        Assert.Empty(owner.Tickets);
        Assert.NotNull(await owner.OpenAsync());
    }

    [Fact]
    public async Task After_a_clean_end_they_are_void()
    {
        await StartAsync();
        ProtocolClient owner = await ProtocolClient.LogInAsync(Lab, "alice");
        await owner.OpenAsync();
        await owner.CloseAsync();
        foreach (Ticket ticket in owner.Tickets) await IsRefusedAsync("alice", ticket, "expired");
    }

    [Fact]
    public async Task After_the_administrator_ended_the_session_they_are_void()
    {
        await StartAsync();
        await using ProtocolClient owner = await ProtocolClient.LogInAsync(Lab, "alice");
        await owner.OpenAsync();
        (await Lab.RunAsync("gw", "pvpn-server", "disconnect", "--config", $"{Lab.State}/gw/server.conf", "alice")).Succeeded();
        await owner.EndAsync();
        foreach (Ticket ticket in owner.Tickets) await IsRefusedAsync("alice", ticket, "expired");
    }

    [Fact]
    public async Task Another_users_name_with_all_that_the_owner_had()
    {
        await StartAsync();
        await using ProtocolClient witness = await WitnessAsync();
        await using ProtocolClient owner = await ProtocolClient.LogInAsync(Lab, "alice");
        await owner.OpenAsync();
        await IsRefusedAsync("bob", owner.Tickets[0], "of another user");
        Assert.True(await owner.IsAliveAsync(), "the session of the ticket's owner was disturbed");
        Assert.True(await witness.IsAliveAsync());
        await owner.DisposeAsync();
        await IsGoodAsync(owner.Tickets[0]);
    }

    [Fact]
    public async Task The_secret_of_another_one()
    {
        await StartAsync();
        await using ProtocolClient owner = await ProtocolClient.LogInAsync(Lab, "alice");
        await using ProtocolClient bob = await ProtocolClient.LogInAsync(Lab, "bob");
        await owner.OpenAsync();
        await IsRefusedAsync("alice", owner.Tickets[0] with { Secret = bob.Tickets[0].Secret }, "proof wrong");
        await IsRefusedAsync("alice", owner.Tickets[0] with { Secret = new byte[32] }, "proof wrong");
        Assert.True(await owner.IsAliveAsync());
        await owner.DisposeAsync();
        await IsGoodAsync(owner.Tickets[0]); // a thief without the secret does not use it up
    }

    [Fact]
    public async Task Any_bit_of_it_that_is_another()
    {
        await StartAsync();
        ProtocolClient owner = await ProtocolClient.LogInAsync(Lab, "alice");
        await owner.OpenAsync();
        await owner.DisposeAsync();
        byte[] ticket = owner.Tickets[0].Sealed;
        // The cause of each is the same, so every fifth byte will do; its refusals are counted like any others.
        for (int at = 0; at < ticket.Length; at += 5)
        {
            byte[] flipped = [.. ticket];
            flipped[at] ^= (byte)(1 << (at % 8));
            await IsRefusedAsync("alice", owner.Tickets[0] with { Sealed = flipped }, "not ours", byKey: false);
        }
        await IsGoodAsync(owner.Tickets[0]);
    }

    [Fact]
    public async Task One_of_another_server()
    {
        await StartAsync();
        string state = $"{Lab.State}/gw/other";
        await File.WriteAllLinesAsync(state + ".conf",
        [
            "Port 8443", $"HostKey {state}.pem", $"AuthorizedKeysFile {Lab.State}/gw/authorized_keys/%u", "AddressPool 10.79.0.0/16", $"ControlSocket {state}.sock",
            "Route 10.99.2.0/24", $"LeaseFile {state}.leases",
        ]);
        await using LabProcess other = LabProcess.Start(Lab, "other-server", "gw", "pvpn-server", "--config", state + ".conf");
        await other.ErrorLineAsync("pvpn-server: ready");
        await using ProtocolClient elsewhere = await ProtocolClient.LogInAsync(Lab, "alice", 8443);
        await elsewhere.OpenAsync();
        await IsRefusedAsync("alice", elsewhere.Tickets[0], "not ours");
    }

    [Fact]
    public async Task A_recorded_RESUME_on_another_connection()
    {
        await StartAsync();
        await using ProtocolClient owner = await ProtocolClient.LogInAsync(Lab, "alice");
        await owner.OpenAsync();
        // Recorded and never used: the ticket is fresh, the proof belongs to other nonces.
        await using ProtocolClient recorded = await ProtocolClient.ConnectAsync(Lab, "alice");
        byte[] frame = recorded.ResumeFrame(owner.Tickets[0]);
        await using ProtocolClient replay = await ProtocolClient.ConnectAsync(Lab, "alice");
        await replay.SendAsync(frame);
        Assert.False(await replay.AnswerAsync());
        await IsLoggedAsync("alice", "proof wrong");
        Assert.True(await owner.IsAliveAsync());
        // Recorded and used.
        await recorded.SendAsync(frame);
        Assert.True(await recorded.AnswerAsync());
        await using ProtocolClient again = await ProtocolClient.ConnectAsync(Lab, "alice");
        await again.SendAsync(frame);
        Assert.False(await again.AnswerAsync());
    }

    [Theory]
    [InlineData(0, 32)]
    [InlineData(1, 32)]
    [InlineData(93, 32)]
    [InlineData(1024, 32)]
    [InlineData(1025, 32)]
    [InlineData(16000, 32)]
    [InlineData(93, 31)]
    [InlineData(93, 33)]
    [InlineData(93, 0)]
    public async Task Garbage_of_any_size(int ticket, int proof)
    {
        await StartAsync();
        await using ProtocolClient witness = await WitnessAsync();
        await using ProtocolClient client = await ProtocolClient.ConnectAsync(Lab, "alice");
        byte[] body = new byte[2 + ticket + proof];
        Random.Shared.NextBytes(body);
        (body[0], body[1]) = ((byte)(ticket >> 8), (byte)ticket);
        await client.SendAsync(ProtocolClient.Frame(ProtocolClient.Resume, body));
        Assert.False(await client.AnswerAsync());
        Assert.True(await witness.IsAliveAsync());
        Assert.False(Lab.Server!.HasExited);
        await using ProtocolClient byKey = await ProtocolClient.LogInAsync(Lab, "alice");
    }

    [Fact]
    public async Task In_a_state_where_it_has_no_place()
    {
        await StartAsync();
        await using ProtocolClient owner = await ProtocolClient.LogInAsync(Lab, "alice");
        await owner.OpenAsync();
        foreach (bool opened in new[] { false, true })
        {
            await using ProtocolClient late = await ProtocolClient.LogInAsync(Lab, "alice");
            if (opened) await late.OpenAsync();
            await late.SendAsync(late.ResumeFrame(owner.Tickets[0]));
            Assert.Contains(ProtocolClient.Close, await late.EndAsync());
        }
        Assert.True(await owner.IsAliveAsync());
        // The server's own frame, from a client.
        await using ProtocolClient reversed = await ProtocolClient.ConnectAsync(Lab, "alice");
        await reversed.SendAsync(ProtocolClient.Frame(ProtocolClient.TicketFrame, [0]));
        Assert.False(await reversed.AnswerAsync());
    }

    [Fact]
    public async Task Tries_with_tickets_are_counted_like_any_others()
    {
        await StartAsync();
        await using ProtocolClient client = await ProtocolClient.ConnectAsync(Lab, "alice");
        var nonsense = new Ticket(new byte[93], new byte[32]);
        int tries = 0;
        while (client.Refusal is null && tries < 20)
        {
            Assert.False(await client.ResumeAsync(nonsense));
            tries++;
        }
        Assert.InRange(tries, ProtocolConstants.MaxAuthTries, ProtocolConstants.MaxAuthTries + 1);
        Assert.Equal(CloseReason.AuthenticationFailed, client.Refusal!.Reason);
    }

    [Theory]
    [InlineData("")]
    [InlineData("from=\"192.0.2.0/24\" ")]
    [InlineData("expiry-time=\"20200101\" ")]
    public async Task The_key_is_not_good_any_more(string options)
    {
        await StartAsync();
        ProtocolClient owner = await ProtocolClient.LogInAsync(Lab, "alice");
        await owner.OpenAsync();
        await owner.DisposeAsync();
        string line = await File.ReadAllTextAsync(Authorized);
        try
        {
            await File.WriteAllTextAsync(Authorized, options.Length > 0 ? options + line : "");
            await IsRefusedAsync("alice", owner.Tickets[0], "key no longer", byKey: false);
        }
        finally
        {
            await File.WriteAllTextAsync(Authorized, line);
        }
    }

    [Fact]
    public async Task What_the_key_may_is_what_its_line_says_now()
    {
        await StartAsync($"AllowRelay {LabFixture.Inner4}:7007");
        ProtocolClient owner = await ProtocolClient.LogInAsync(Lab, "alice");
        await owner.OpenAsync();
        await owner.DisposeAsync();
        string line = await File.ReadAllTextAsync(Authorized);
        try
        {
            await File.WriteAllTextAsync(Authorized, "no-relay,permit=\"10.99.3.0/24\" " + line);
            await using ProtocolClient second = await ProtocolClient.ConnectAsync(Lab, "alice");
            Assert.True(await second.ResumeAsync(owner.Tickets[0]));
            Assert.Null(await second.OpenAsync("10.99.2.0/24"));
            Assert.Equal(CloseReason.NotPermitted, second.Refusal?.Reason);
            await second.DisposeAsync();
            await using ProtocolClient third = await ProtocolClient.ConnectAsync(Lab, "alice");
            Assert.True(await third.ResumeAsync(second.Tickets[0]));
            Assert.False(await third.RelayAsync(LabFixture.Inner4, 7007));
            Assert.Equal(CloseReason.NotPermitted, third.Refusal?.Reason);
        }
        finally
        {
            await File.WriteAllTextAsync(Authorized, line);
        }
    }

    [Fact]
    public async Task A_ticket_does_not_relay_where_its_owner_may_not()
    {
        await StartAsync($"AllowRelay {LabFixture.Inner4}:7007");
        ProtocolClient owner = await ProtocolClient.LogInAsync(Lab, "alice");
        Assert.True(await owner.RelayAsync(LabFixture.Inner4, 7007));
        await owner.DisposeAsync();
        Ticket ticket = owner.Tickets[0];
        foreach ((string host, int port) in new[] { ("127.0.0.1", 7007), ("169.254.169.254", 80), (LabFixture.Inner4, 22), (LabFixture.Gateway, 443) })
        {
            await using ProtocolClient thief = await ProtocolClient.ConnectAsync(Lab, "alice");
            Assert.True(await thief.ResumeAsync(ticket));
            Assert.False(await thief.RelayAsync(host, (ushort)port));
            Assert.Equal(CloseReason.NotPermitted, thief.Refusal?.Reason);
            ticket = thief.Tickets[0];
        }
        await using ProtocolClient good = await ProtocolClient.ConnectAsync(Lab, "alice");
        Assert.True(await good.ResumeAsync(ticket));
        Assert.True(await good.RelayAsync(LabFixture.Inner4, 7007));
        await using ProtocolClient twice = await ProtocolClient.ConnectAsync(Lab, "alice");
        Assert.False(await twice.ResumeAsync(ticket));
        Assert.Single(await SessionsAsync());
    }
}
