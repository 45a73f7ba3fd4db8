namespace PersonalVpn.Kernel.Lab.Suites;

/// <summary>A way that breaks: the tunnel stays closed meanwhile, and comes back with the same addresses and the same connections in it.</summary>
public abstract class SurvivalTests(LabFixture lab) : LabTests(lab)
{
    [Fact]
    public async Task The_gateway_is_killed_and_comes_back()
    {
        await using Survivor alice = await Survivor.StartAsync(Lab);
        Lab.Server!.Signal("KILL");
        await alice.IsReconnectingAsync();
        await alice.BobIsNotAffectedAsync();
        await Task.Delay(1000);
        await Lab.StartServerAsync(Survivor.Alive);
        await alice.IsBackAsync();
        await alice.BobIsNotAffectedAsync();
        await alice.EndsCleanlyAsync();
    }

    [Fact]
    public async Task The_gateway_is_restarted_in_order_twice()
    {
        await using Survivor alice = await Survivor.StartAsync(Lab);
        for (int i = 0; i < 2; i++)
        {
            await Lab.StopServerAsync();
            await alice.IsReconnectingAsync();
            await Lab.StartServerAsync(Survivor.Alive);
            await alice.IsBackAsync();
        }
        await alice.EndsCleanlyAsync();
    }

    [Fact]
    public async Task The_hosts_address_changes()
    {
        await using Survivor alice = await Survivor.StartAsync(Lab);
        await alice.Wire.ChangeAddressAsync("10.99.1.3");
        await alice.IsReconnectingOrBackAsync();
        await alice.IsBackAsync();
        await alice.BobIsNotAffectedAsync();
        await alice.EndsCleanlyAsync();
    }

    [Fact]
    public async Task The_link_goes_down_and_comes_back_and_that_is_noticed_at_once()
    {
        await using Survivor alice = await Survivor.StartAsync(Lab);
        await alice.Wire.DownAsync();
        await alice.IsReconnectingAsync();
        // Long enough for tries several seconds apart: the return of the link must not wait for the next one.
        await Task.Delay(8000);
        await alice.Wire.UpAsync();
        await alice.IsBackAsync(4);
        await alice.BobIsNotAffectedAsync();
        await alice.EndsCleanlyAsync();
    }

    [Fact]
    public async Task Nothing_passes_any_more_and_nobody_is_told()
    {
        await using Survivor alice = await Survivor.StartAsync(Lab);
        await alice.Wire.SilenceAsync("wire");
        await alice.IsReconnectingAsync();
        await Task.Delay(2000); // the server notices, too
        await alice.Wire.EndSilenceAsync("wire");
        await alice.IsBackAsync();
        await alice.EndsCleanlyAsync();
    }

    [Fact]
    public async Task A_silence_that_the_client_alone_notices_is_no_second_session()
    {
        // The server's own patience is long: it believes the old session alive when the new one comes.
        await using Survivor alice = await Survivor.StartAsync(Lab);
        await Lab.StartServerAsync("ClientAliveInterval 60", "MaxSessionsPerUser 1");
        await alice.IsReconnectingOrBackAsync();
        await alice.IsBackAsync();
        await alice.Wire.SilenceAsync("wire");
        await alice.IsReconnectingAsync();
        await alice.Wire.EndSilenceAsync("wire");
        await alice.IsBackAsync();
        await alice.EndsCleanlyAsync();
    }

    [Fact]
    public async Task The_host_sleeps_longer_than_the_gateway_waits()
    {
        await using Survivor alice = await Survivor.StartAsync(Lab);
        alice.Tunnel.Process.Signal("STOP");
        await Task.Delay(6000);
        alice.Tunnel.Process.Signal("CONT");
        await alice.IsReconnectingOrBackAsync();
        await alice.IsBackAsync();
        await alice.EndsCleanlyAsync();
    }
}
