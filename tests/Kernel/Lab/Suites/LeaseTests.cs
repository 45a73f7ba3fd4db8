using System.Net;
using PersonalVpn.Tunnel.Protocol;

namespace PersonalVpn.Kernel.Lab.Suites;

/// <summary>What a server knows of tickets after a restart, and what the file that it knows it from may hold.</summary>
[Collection(KernelTun.Name)]
public sealed class LeaseTests(KernelTunLab lab) : TicketSuite(lab)
{
    [Fact]
    public async Task After_a_kill_and_a_restart_a_used_one_is_used_and_a_fresh_one_is_good()
    {
        await StartAsync();
        ProtocolClient first = await ProtocolClient.LogInAsync(Lab, "alice");
        IPAddress? address = Address(await first.OpenAsync());
        await first.DisposeAsync();
        ProtocolClient second = await ProtocolClient.ConnectAsync(Lab, "alice");
        Assert.True(await second.ResumeAsync(first.Tickets[0]));
        await second.OpenAsync();
        Lab.Server!.Signal("KILL");
        await second.DisposeAsync();
        await StartAsync();
        await IsRefusedAsync("alice", first.Tickets[0], "used before", byKey: false);
        await using ProtocolClient third = await ProtocolClient.ConnectAsync(Lab, "alice");
        Assert.True(await third.ResumeAsync(second.Tickets[0]));
        Assert.Equal(address, Address(await third.OpenAsync()));
    }

    [Fact]
    public async Task After_a_restart_without_its_file_and_with_nonsense_in_it_the_server_starts_and_refuses()
    {
        await StartAsync();
        ProtocolClient first = await ProtocolClient.LogInAsync(Lab, "alice");
        await first.OpenAsync();
        await first.DisposeAsync();
        await Lab.StopServerAsync();
        foreach (byte[] content in new byte[][] { [], [0, 0xff, 0x0a, (byte)'{'], "{\"id\":null}\n[]\n\"x\"\n{}\nnull\n{\"id\":\"x\",\"tickets\":[null]}\n"u8.ToArray(), new byte[1 << 20] })
        {
            await File.WriteAllBytesAsync(Leases, content);
            await StartAsync();
            await IsRefusedAsync("alice", first.Tickets[0], "expired");
            await Lab.StopServerAsync();
        }
    }

    [Fact]
    public async Task Neither_log_nor_lease_file_hold_a_ticket_or_a_secret_and_the_file_is_the_servers_own()
    {
        await StartAsync("LogLevel debug");
        var tickets = new List<Ticket>();
        ProtocolClient client = await ProtocolClient.LogInAsync(Lab, "alice");
        for (int i = 0; i < 3; i++)
        {
            await client.OpenAsync();
            tickets.AddRange(client.Tickets);
            await client.DisposeAsync();
            ProtocolClient next = await ProtocolClient.ConnectAsync(Lab, "alice");
            Assert.True(await next.ResumeAsync(client.Tickets[0]));
            client = next;
        }
        await client.DisposeAsync();
        await IsRefusedAsync("alice", tickets[0], "used before", byKey: false);
        LabProcess server = Lab.Server!;
        await Lab.StopServerAsync();
        Assert.Contains("ticket refused", server.Error, StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Leases));
        byte[] file = await File.ReadAllBytesAsync(Leases);
        Assert.True(file.AsSpan().IndexOf("alice"u8) >= 0, "the file does not even hold the user's name");
        foreach (byte[] secret in tickets.SelectMany(t => new[] { t.Secret, t.Sealed, t.Sealed[13..] }))
        {
            foreach (string text in new[] { Convert.ToBase64String(secret)[..40], Convert.ToHexStringLower(secret)[..40], Convert.ToHexString(secret)[..40] })
            {
                Assert.DoesNotContain(text, System.Text.Encoding.Latin1.GetString(file), StringComparison.Ordinal);
                Assert.DoesNotContain(text, server.Error, StringComparison.Ordinal);
            }
            Assert.True(file.AsSpan().IndexOf(secret.AsSpan(0, 16)) < 0, "the lease file holds raw bytes of a ticket");
        }
    }

    private static IPAddress? Address(ConfigMessage? config) => config?.AddressV4 is { } a ? IPAddress.Parse(a.ToString()) : null;
}
