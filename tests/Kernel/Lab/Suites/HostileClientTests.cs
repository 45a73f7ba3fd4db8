using PersonalVpn.Tunnel.Protocol;

namespace PersonalVpn.Kernel.Lab.Suites;

/// <summary>What a user who may log in can do to the server and to others by the way logins are begun, cut off and repeated.</summary>
[Collection(KernelTun.Name)]
public sealed class HostileClientTests(KernelTunLab lab) : TicketSuite(lab)
{
    [Fact]
    public async Task Logins_that_are_cut_off_hold_no_address()
    {
        // Three addresses for users.
        await StartAsync("AddressPool 10.77.0.0/29", "TicketLifetime 1");
        for (int i = 0; i < 40; i++)
        {
            ProtocolClient owner = await ProtocolClient.LogInAsync(Lab, "alice");
            ConfigMessage? config = await owner.OpenAsync();
            await owner.DisposeAsync();
            Assert.True(config is not null, $"no address left after {i} logins that were cut off: {owner.Refusal?.Text}");
            ProtocolClient cut = await ProtocolClient.ConnectAsync(Lab, "alice");
            await cut.SendAsync(cut.ResumeFrame(owner.Tickets[0]));
            await Task.Delay(i % 3);
            await cut.DisposeAsync();
        }
        await using ProtocolClient witness = await WitnessAsync();
    }

    [Fact]
    public async Task A_flood_to_its_addresses_does_not_keep_a_session_from_coming_back()
    {
        await StartAsync();
        ProtocolClient client = await ProtocolClient.LogInAsync(Lab, "alice");
        ConfigMessage config = (await client.OpenAsync())!;
        await using LabProcess flood = LabProcess.Start(Lab, "flood", "inner", "ping", "-n", "-q", "-f", "-l", "64", "-s", "8", config.AddressV4.ToString()!);
        for (int i = 0; i < 150; i++)
        {
            await client.DisposeAsync();
            ProtocolClient next = await ProtocolClient.ConnectAsync(Lab, "alice");
            Assert.True(await next.ResumeAsync(client.Tickets[^1]));
            await next.SendAsync(new OpenMessage([], []).Encode());
            byte type;
            byte[] body;
            do (type, body) = await next.ReceiveAsync();
            while (type == (byte)FrameType.Packet);
            Assert.True(type == ProtocolClient.Config, $"resumption {i}: {(type == ProtocolClient.Close ? CloseMessage.Decode(body).Text : type.ToString())}");
            Assert.Equal(config.AddressV4, ConfigMessage.Decode(body).AddressV4);
            client = next;
        }
        await client.DisposeAsync();
        Assert.DoesNotContain("Exception", Lab.Server!.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_asks_for_addresses_without_end_is_thrown_out()
    {
        await StartAsync();
        await using ProtocolClient witness = await WitnessAsync();
        await using ProtocolClient client = await ProtocolClient.LogInAsync(Lab, "alice");
        byte[] open = new OpenMessage([], []).Encode();
        await client.SendAsync([.. Enumerable.Repeat(open, 200).SelectMany(o => o)]);
        IReadOnlyList<byte> answers = await client.EndAsync();
        Assert.InRange(answers.Count(a => a == ProtocolClient.Config), 1, 18);
        Assert.Equal(ProtocolClient.Close, answers[^1]);
        Assert.True(await witness.IsAliveAsync());
    }
}
