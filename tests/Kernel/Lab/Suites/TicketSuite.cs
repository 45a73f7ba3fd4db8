namespace PersonalVpn.Kernel.Lab.Suites;

/// <summary>What the classes about tickets share: a server with a lease file of their own, and what a refusal is.</summary>
public abstract class TicketSuite(KernelTunLab lab) : LabTests(lab)
{
    /// <summary>The server's lease file.</summary>
    protected string Leases => $"{Lab.State}/gw/ticket-leases";

    protected Task StartAsync(params string[] lines) => Lab.StartServerAsync([$"LeaseFile {Leases}", .. lines]);

    // Somebody else's session, which nothing here may disturb.
    protected async Task<ProtocolClient> WitnessAsync()
    {
        ProtocolClient witness = await ProtocolClient.LogInAsync(Lab, "carol");
        Assert.NotNull(await witness.OpenAsync());
        return witness;
    }

    protected async Task IsGoodAsync(Ticket ticket)
    {
        await using ProtocolClient client = await ProtocolClient.ConnectAsync(Lab, "alice");
        Assert.True(await client.ResumeAsync(ticket));
        Assert.NotNull(await client.OpenAsync());
    }

    // Refused, logged, and on the same connection the user's key is still taken.
    protected async Task IsRefusedAsync(string user, Ticket ticket, string cause, bool byKey = true)
    {
        await using ProtocolClient client = await ProtocolClient.ConnectAsync(Lab, user);
        Assert.False(await client.ResumeAsync(ticket), $"taken though {cause}");
        Assert.Null(client.Refusal);
        await IsLoggedAsync(user, cause);
        if (byKey) Assert.True(await client.AuthenticateAsync(Lab), "the key was not taken after the ticket was refused");
    }

    protected Task IsLoggedAsync(string user, string cause) =>
        EventuallyAsync(() => Task.FromResult(Lab.Server!.Error.Split('\n').Any(l => l.Contains("ticket refused", StringComparison.Ordinal) &&
            l.Contains($"'{user}'", StringComparison.Ordinal) && l.Contains("10.99.1.2", StringComparison.Ordinal) && l.Contains(cause, StringComparison.Ordinal))), $"the log says that {user}'s ticket was refused: {cause}");

    protected async Task<string[]> SessionsAsync()
    {
        CommandResult result = (await Lab.RunAsync("gw", "pvpn-server", "sessions", "--config", $"{Lab.State}/gw/server.conf", "--json")).Succeeded();
        using var json = System.Text.Json.JsonDocument.Parse(result.Output);
        return [.. json.RootElement.EnumerateArray().Select(s => s.GetProperty("user").GetString()!)];
    }
}
