using System.Diagnostics;
using System.Text;
using PersonalVpn.Kernel.Support;
using PersonalVpn.Tunnel.Protocol;

namespace PersonalVpn.Kernel.Lab.Suites;

/// <summary>A server behind a firewall registers with a gateway and is reached through it: end to end, by whom it is meant for.</summary>
[Collection(KernelTun.Name)]
public sealed class RegisterTests(KernelTunLab lab) : LabTests(lab), IAsyncLifetime, IDisposable
{
    private static readonly string[] Allow = ["AllowRegister office lab-2", "AllowRelay office:443"];

    private HiddenServer _hidden = null!;

    async Task IAsyncLifetime.InitializeAsync()
    {
        await base.InitializeAsync();
        foreach (string user in new[] { "alice", "bob" })
            (await Lab.RunAsync(user, "sh", "-c", "mkdir -p .config/pvpn && printf 'StrictHostKeyChecking accept-new\\nUserKnownHostsFile ~/.config/pvpn/office_hosts\\n' >.config/pvpn/config")).Succeeded();
        _hidden = new HiddenServer(Lab);
        _hidden.Permit("inner", "restrict,register=\"office,lab-2\" ");
    }

    async Task IAsyncLifetime.DisposeAsync()
    {
        _hidden.Dispose();
        foreach (string user in new[] { "alice", "bob" }) (await Lab.RunAsync(user, "rm", "-rf", ".config")).Succeeded();
        await base.DisposeAsync();
    }

    public void Dispose() => _hidden.Dispose();

    [Fact]
    public async Task It_carries_everything_for_two_users_and_the_gateway_reads_nothing()
    {
        await Lab.StartServerAsync(Allow);
        _hidden.Start();
        _hidden.Wait("registered as 'office' at 10.98.50.1, user inner");
        await Lab.Server!.ErrorLineContainingAsync("user inner from 10.98.50.2");
        // The firewall is one: from the gateway nobody gets in, and there is no other way to the network behind.
        Assert.Equal(28, (await Lab.RunAsync("gw", "curl", "-sk", "-m", "1", $"https://{HiddenServer.Address}:7443/")).ExitCode);
        Assert.NotEqual(0, (await Lab.RunAsync("alice", "talk.py", "tcp", HiddenServer.Far, "no way there", "--timeout", "0.5")).ExitCode);

        const string Marker = "a marker for the ends alone, of 48 characters...";
        string pcap = Path.Combine(Lab.State, "log", "hidden.pcap");
        await using LabProcess inside = LabProcess.Start(Lab, "tcpdump", "gw", "tcpdump", "-i", "hidden", "-n", "-U", "-s", "0", "-Z", "root", "-w", pcap);
        await inside.ErrorLineContainingAsync("listening on");
        await using WireTap tap = await WireTap.StartAsync(Lab);
        await using LabProcess alice = Chain("alice", "office"), bob = Chain("bob", "office");
        Assert.Contains(" through 10.99.1.1", await alice.ErrorLineAsync("pvpn: connected", 30), StringComparison.Ordinal);
        await bob.ErrorLineAsync("pvpn: connected", 30);
        foreach (string user in new[] { "alice", "bob" })
        {
            Assert.Contains(Marker, await TalkAsync(user, "tcp", HiddenServer.Far, Marker), StringComparison.Ordinal);
            Assert.Contains(Marker, await TalkAsync(user, "udp", HiddenServer.Far, Marker), StringComparison.Ordinal);
            (await Lab.RunAsync(user, "ping", "-c", "1", "-W", "5", HiddenServer.Far)).Succeeded();
        }
        Assert.NotEqual(0, (await Lab.RunAsync("carol", "talk.py", "tcp", HiddenServer.Far, "not carol", "--timeout", "0.5")).ExitCode);

        string here = (await Lab.RunAsync("gw", "pvpn-server", "sessions", "--config", $"{Lab.State}/gw/server.conf")).Succeeded().Output;
        Assert.Contains(" as office ", here, StringComparison.Ordinal);
        Assert.Equal(2, here.Split('\n').Count(l => l.Contains(" to office:443 ", StringComparison.Ordinal)));
        string there = _hidden.Ask("sessions");
        Assert.Contains("(through 10.98.50.1)", there, StringComparison.Ordinal);
        Assert.Contains("alice", there, StringComparison.Ordinal);
        Assert.Contains("bob", there, StringComparison.Ordinal);
        Assert.True(ProcessMemory.Holds(Lab.Server!.Id, Encoding.Unicode.GetBytes("is relayed to")), "the search finds nothing at all");
        Assert.False(ProcessMemory.Holds(Lab.Server!.Id, Encoding.UTF8.GetBytes(Marker)), "the gateway's memory holds what they sent");

        alice.Signal("TERM");
        await alice.ExitAsync();
        // One goes, the other stays.
        await TalkAsync("bob", "tcp", HiddenServer.Far, "still there");
        bob.Signal("TERM");
        await bob.ExitAsync();
        IReadOnlyList<WirePacket> seen = await tap.StopAsync();
        Assert.Empty(TlsWitness.Complaints(seen, LabFixture.Gateway));
        inside.Signal("INT");
        await inside.ExitAsync();
        IReadOnlyList<WirePacket> between = PcapFile.Read(pcap);
        Assert.NotEmpty(between);
        Assert.False(TlsWitness.Contains([.. seen, .. between], Marker), "the marker is readable on a wire");
        Assert.All(between.Where(p => p.Protocol == 6 && p.TcpFlags == 2), p => Assert.Equal(HiddenServer.Address, p.Source.ToString())); // it connects, nobody to it
        await EventuallyAsync(async () => !(await Lab.RunAsync("gw", "pvpn-server", "sessions", "--config", $"{Lab.State}/gw/server.conf")).Output.Contains(" to office", StringComparison.Ordinal), "the relays' end");
    }

    [Fact]
    public async Task A_large_transfer_arrives_whole()
    {
        await Lab.StartServerAsync(Allow);
        _hidden.Start();
        _hidden.Wait("registered as 'office'");
        await using LabProcess alice = Chain("alice", "office");
        await alice.ErrorLineAsync("pvpn: connected", 30);
        CommandResult sum = (await Lab.RunAsync(60, "alice", "sh", "-c", $"/usr/bin/python3 -c \"import socket,hashlib; s=socket.create_connection(('{HiddenServer.Far}',7009)); s.sendall(b'100000000\\n'); h=hashlib.sha256(); n=0\nwhile d:=s.recv(65536): h.update(d); n+=len(d)\nprint(n,h.hexdigest())\"")).Succeeded();
        byte[] pattern = [.. Enumerable.Range(0, 100_000_000).Select(i => (byte)i)];
        Assert.Equal($"100000000 {Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(pattern))}", sum.Output.Trim());
    }

    [Fact]
    public async Task Which_key_may_register_which_name()
    {
        await Lab.StartServerAsync(Allow);
        _hidden.Permit("inner", "");
        _hidden.Start();
        int at = _hidden.Wait("not registered as 'office' at 10.98.50.1: the gateway says: this key of user inner may not register the name 'office'");
        await Lab.Server!.ErrorLineContainingAsync("user inner from 10.98.50.2");
        await Lab.Server.ErrorLineContainingAsync("may not register the name 'office'");
        _hidden.Permit("inner", "register=\"another\" ");
        await Task.Delay(5000); // a few tries more, and not one line more
        Assert.DoesNotContain("not registered", _hidden.Log[at..], StringComparison.Ordinal);
        _hidden.Permit("inner", "register=\"office\" ");
        at = _hidden.Wait("registered as 'office' at", at, 30_000);
        // The key alone, which may lie in a user's own home, gives no name.
        await Lab.StartServerAsync("AllowRelay office:443");
        at = _hidden.Wait("this key of user inner may not register the name 'office'", at, 30_000);
        await Lab.StartServerAsync(Allow);
        at = _hidden.Wait("registered as 'office' at", at, 30_000);
        _hidden.Kill();
        File.Delete(Path.Combine(Lab.State, "gw", "authorized_keys", "inner"));
        _hidden.Start();
        _hidden.Wait("permission denied for user inner; its administrator must list this server's key", at);
        _hidden.Kill();
        File.WriteAllText(_hidden.KnownHosts, "");
        at = _hidden.Log.Length;
        _hidden.Start();
        _hidden.Wait("its key is not known: SHA256:", at);
        Assert.Contains($"(RegisterKnownHosts): {HiddenServer.Gateway} ecdsa-sha2-nistp256 AAAA", _hidden.Log[at..], StringComparison.Ordinal);
        File.WriteAllText(_hidden.KnownHosts, $"{HiddenServer.Gateway} {_hidden.PublicKey}\n");
        _hidden.Wait("ITS KEY HAS CHANGED", at, 30_000);
    }

    [Fact]
    public async Task A_servers_key_opens_nothing_and_a_name_has_one_user()
    {
        await Lab.StartServerAsync(Allow);
        _hidden.Start();
        _hidden.Wait("registered as 'office'");
        string key = Path.Combine(Lab.State, "hidden", "key.pem");
        using (RawLogin open = await RawLogin.OpenAsync(Lab, "inner", key))
            Assert.Contains("opens neither tunnels nor relays", await open.RefusedAsync(new OpenMessage([], []).Encode(), FrameType.Config), StringComparison.Ordinal);
        using (RawLogin relay = await RawLogin.OpenAsync(Lab, "inner", key))
            Assert.Contains("opens neither tunnels nor relays", await relay.RefusedAsync(new RelayMessage("office", 443).Encode(), FrameType.Relayed), StringComparison.Ordinal);
        _hidden.Permit("other", "register=\"office\" ");
        using (RawLogin other = await RawLogin.OpenAsync(Lab, "other", key))
            Assert.Contains("the name 'office' is registered by another user", await other.RefusedAsync(new RegisterMessage("office").Encode(), FrameType.Registered), StringComparison.Ordinal);
        await Lab.Server!.ErrorLineContainingAsync("is registered by another user");
        // The same user takes it over; the first one hears of it and comes back.
        int at = _hidden.Log.Length;
        using (RawLogin again = await RawLogin.OpenAsync(Lab, "inner", key))
        {
            await again.AskAsync(new RegisterMessage("OFFICE").Encode(), FrameType.Registered);
            _hidden.Wait("the gateway says: the name 'office' was registered anew from 10.99.1.2", at);
            _hidden.Wait("registered as 'office' at", _hidden.Wait("trying again", at));
            Assert.Contains("registered anew", (await Assert.ThrowsAsync<PeerClosedException>(() => again.NextAsync(FrameType.Incoming))).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_token_is_good_once_for_a_while_and_for_whom_it_was_made()
    {
        await Lab.StartServerAsync(Allow);
        string key = Path.Combine(Lab.State, "hidden", "key.pem"), alices = $"{Lab.State}/home/alice/.ssh/id_rsa";
        using RawLogin server = await RawLogin.OpenAsync(Lab, "inner", key);
        await server.AskAsync(new RegisterMessage("office").Encode(), FrameType.Registered);
        const string Refusal = "there is no call for this token";

        // One that was never given.
        await RefusedAsync("inner", key, new byte[16]);

        // Another user's hands: refused, and used up.
        byte[] token = await CallAsync();
        await RefusedAsync("alice", alices, token);
        await RefusedAsync("inner", key, token);

        // Late.
        token = await CallAsync();
        await Task.Delay(11_000);
        await RefusedAsync("inner", key, token);

        // Twice; and the first time joins the two.
        using RawLogin caller = await RawLogin.OpenAsync(Lab, "alice", alices);
        await caller.Control.SendAsync(new RelayMessage("Office.", 443).Encode(), default);
        token = await server.NextAsync(FrameType.Incoming);
        using RawLogin taker = await RawLogin.OpenAsync(Lab, "inner", key);
        await taker.AskAsync(CallMessage.Encode(FrameType.Accept, token), FrameType.Relayed);
        await caller.NextAsync(FrameType.Relayed);
        await taker.Control.SendAsync(new CloseMessage(CloseReason.Normal, "from the far end").Encode(), default);
        Assert.Equal("from the far end", (await Assert.ThrowsAsync<PeerClosedException>(() => caller.NextAsync(FrameType.Open))).Message);
        await RefusedAsync("inner", key, token);
        Assert.Contains(Refusal, await Lab.Server!.ErrorLineContainingAsync("user alice from 10.99.1.2:"), StringComparison.Ordinal);

        async Task<byte[]> CallAsync()
        {
            RawLogin asks = await RawLogin.OpenAsync(Lab, "alice", alices);
            await asks.Control.SendAsync(new RelayMessage("office", 443).Encode(), default);
            _ = asks.NextAsync(FrameType.Relayed).ContinueWith(t =>
            {
                Assert.NotNull(t.Exception);
                asks.Dispose();
            }, TaskScheduler.Default);
            return await server.NextAsync(FrameType.Incoming);
        }

        async Task RefusedAsync(string user, string file, byte[] shown)
        {
            using RawLogin taker = await RawLogin.OpenAsync(Lab, user, file);
            Assert.Contains(Refusal, await taker.RefusedAsync(CallMessage.Encode(FrameType.Accept, shown), FrameType.Relayed), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Who_may_ask_for_it()
    {
        string hosts = Path.Combine(Lab.State, "gw", "authorized_keys", "alice"), line = await File.ReadAllTextAsync(hosts);
        await Lab.StartServerAsync("AllowRegister office", "AllowRelay 0.0.0.0/0:443", "AllowRelay office.example.org:443");
        _hidden.Start();
        _hidden.Wait("registered as 'office'");
        Assert.Contains("relaying to office port 443 is not permitted for user alice", await RefusedAsync("office"), StringComparison.Ordinal);
        _hidden.Kill();

        await Lab.StartServerAsync([.. Allow, "AllowRelay lab-2:443"]);
        // Not there, and not looked for anywhere else: not even the hosts file is asked.
        string file = $"/etc/netns/{Lab.Prefix}gw/hosts";
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        await File.WriteAllTextAsync(file, "10.99.2.2 office lab-2\n");
        try
        {
            await Lab.StartServerAsync([.. Allow, "AllowRelay lab-2:443"]);
            Assert.Contains("no server is registered as 'office' at this gateway now", await RefusedAsync("office"), StringComparison.Ordinal);
            Assert.Contains("no server is registered as 'office' at this gateway now", await RefusedAsync("OFFICE."), StringComparison.Ordinal);
            // The witness: a name that is not reserved is looked up, and leads to the web server there.
            await Lab.StartServerAsync("AllowRegister lab-2", "AllowRelay office:80");
            Assert.Contains("no TLS 1.3 handshake", await RefusedAsync("office:80"), StringComparison.Ordinal);
            await Lab.StartServerAsync([.. Allow, "AllowRelay lab-2:443"]);
        }
        finally
        {
            Directory.Delete(Path.GetDirectoryName(file)!, recursive: true);
        }
        _hidden.Start();
        _hidden.Wait("registered as 'office'", _hidden.Log.LastIndexOf("ready", StringComparison.Ordinal));
        Assert.Contains("no server is registered as 'lab-2'", await RefusedAsync("lab-2"), StringComparison.Ordinal);
        Assert.Contains("relaying to office port 444 is not permitted", await RefusedAsync("office:444"), StringComparison.Ordinal);
        try
        {
            foreach (string option in new[] { "no-relay ", "restrict ", "relay=\"office:444\" " })
            {
                await File.WriteAllTextAsync(hosts, option + line);
                Assert.Contains("not permitted for user alice", await RefusedAsync("office"), StringComparison.Ordinal);
            }
            await File.WriteAllTextAsync(hosts, "relay=\"office:443\" " + line);
            // Nobody without a login: not at the gateway, not at the server behind it.
            CommandResult stranger = await Lab.RunAsync("alice", "pvpn", "-J", $"mallory@{LabFixture.Gateway}", "alice@office");
            Assert.Contains("mallory@10.99.1.1: permission denied", stranger.ErrorLines[^1], StringComparison.Ordinal);
            stranger = await Lab.RunAsync("alice", "pvpn", "-J", $"alice@{LabFixture.Gateway}", "mallory@office");
            Assert.Contains("mallory@office: permission denied", stranger.ErrorLines[^1], StringComparison.Ordinal);
            await using LabProcess alice = Chain("alice", "office");
            await alice.ErrorLineAsync("pvpn: connected", 30);
        }
        finally
        {
            await File.WriteAllTextAsync(hosts, line);
        }
    }

    [Fact]
    public async Task It_comes_back_by_itself()
    {
        await Lab.StartServerAsync(Allow);
        _hidden.Start();
        int at = _hidden.Wait("registered as 'office'");
        await WorksAsync();

        // The gateway is stopped, then killed.
        await Lab.StartServerAsync(Allow);
        at = _hidden.Wait("registered as 'office' at", _hidden.Wait("not registered as 'office'", at));
        await WorksAsync();
        Lab.Server!.Signal("KILL");
        await Lab.StartServerAsync(Allow);
        at = _hidden.Wait("registered as 'office' at", _hidden.Wait("not registered as 'office'", at), 20_000);
        await WorksAsync();

        // The server is killed without a word to the gateway, and starts again while that still believes in the old one.
        Shell.Run($"ip -n {_hidden.Namespace} link set out down");
        _hidden.Kill();
        Shell.Run($"ip -n {_hidden.Namespace} link set out up");
        _hidden.Start();
        at = _hidden.Wait("registered as 'office' at", at);
        await WorksAsync();

        // A reload begins and ends registrations; the others do not notice.
        _hidden.Write($"Register inner@{HiddenServer.Gateway} office", $"Register inner@{HiddenServer.Gateway} lab-2");
        _hidden.Signal("HUP");
        at = _hidden.Wait("registered as 'lab-2' at", at);
        Assert.DoesNotContain("'office'", _hidden.Log[_hidden.Log.LastIndexOf("reloaded", StringComparison.Ordinal)..], StringComparison.Ordinal);
        _hidden.Write($"Register inner@{HiddenServer.Gateway} lab-2");
        _hidden.Signal("HUP");
        await EventuallyAsync(async () => !(await SessionsAsync()).Contains(" as office", StringComparison.Ordinal), "office is given up");
        Assert.Contains(" as lab-2", await SessionsAsync(), StringComparison.Ordinal);
        Assert.Contains("no server is registered as 'office'", await RefusedAsync("office"), StringComparison.Ordinal);

        // Disconnected by the administrator, it is back after a second; stopped, it is gone.
        (await Lab.RunAsync("gw", "pvpn-server", "disconnect", "inner", "--config", $"{Lab.State}/gw/server.conf")).Succeeded();
        _hidden.Wait("registered as 'lab-2' at", _hidden.Wait("the gateway says: disconnected by the administrator", at));
        _hidden.Signal("TERM");
        await EventuallyAsync(async () => !(await SessionsAsync()).Contains(" as ", StringComparison.Ordinal), "the registration ends with the server");
    }

    [Fact]
    public async Task A_gateway_that_falls_silent_is_given_up_and_found_again()
    {
        await Lab.StartServerAsync(Allow);
        _hidden.Start($"Register inner@{HiddenServer.Gateway} office", "ClientAliveInterval 1", "ClientAliveCountMax 2");
        int at = _hidden.Wait("registered as 'office'");
        var watch = Stopwatch.StartNew();
        Lab.Server!.Signal("STOP");
        at = _hidden.Wait("not registered as 'office'", at);
        Assert.InRange(watch.Elapsed.TotalSeconds, 1.5, 6);
        Lab.Server.Signal("CONT");
        _hidden.Wait("registered as 'office' at", at, 30_000);
        await WorksAsync();
    }

    [Fact]
    public async Task Callers_who_say_nonsense_or_leave_cost_nobody_anything()
    {
        await Lab.StartServerAsync([.. Allow, "MaxSessionsPerUser 40"]);
        _hidden.Start();
        int at = _hidden.Wait("registered as 'office'");
        await WorksAsync();
        await using LabProcess bob = Chain("bob", "office");
        await bob.ErrorLineAsync("pvpn: connected", 30);
        await Task.Delay(500);
        (int here, int there) = (Sockets(Lab.Server!.Id), Sockets(_hidden.Pid));
        string key = $"{Lab.State}/home/alice/.ssh/id_rsa";
        for (int round = 0; round < 5; round++)
        {
            List<RawLogin> callers = [];
            for (int i = 0; i < 12; i++)
            {
                RawLogin caller = await RawLogin.OpenAsync(Lab, "alice", key);
                callers.Add(caller);
                await caller.Control.SendAsync(new RelayMessage("office", 443).Encode(), default);
                // A third leaves before the answer, a third after it, a third says what is no TLS to the server behind.
                if (i % 3 == 0) continue;
                await caller.NextAsync(FrameType.Relayed);
                if (i % 3 == 1) await caller.Control.SendAsync(Encoding.ASCII.GetBytes("GET / HTTP/1.1\r\n\r\n"), default);
            }
            callers.ForEach(c => c.Dispose());
        }
        await TalkAsync("bob", "tcp", HiddenServer.Far, "bob is not disturbed");
        await EventuallyAsync(async () => (await SessionsAsync()).Split('\n').Count(l => l.Contains(" to office", StringComparison.Ordinal)) == 1, "the relays' ends", 15);
        await EventuallyAsync(() => Task.FromResult(Sockets(Lab.Server!.Id) <= here && Sockets(_hidden.Pid) <= there), "no socket is left open", 15);
        Assert.DoesNotContain("not registered", _hidden.Log[at..], StringComparison.Ordinal);
        await WorksAsync();

        // The server dies under a relay: the relay ends, the name is free.
        _hidden.Kill();
        await EventuallyAsync(async () => !(await SessionsAsync()).Contains("office", StringComparison.Ordinal), "the relay and the registration end");
    }

    private static int Sockets(int pid) => Directory.GetFileSystemEntries($"/proc/{pid}/fd").Count(f => new FileInfo(f).LinkTarget?.StartsWith("socket:", StringComparison.Ordinal) == true);

    private async Task WorksAsync()
    {
        await using LabProcess alice = Chain("alice", "office");
        await alice.ErrorLineAsync("pvpn: connected", 30);
        await TalkAsync("alice", "tcp", HiddenServer.Far, "works");
        alice.Signal("TERM");
        await alice.ExitAsync();
    }

    private LabProcess Chain(string user, string name) => LabProcess.Start(Lab, $"office-{user}", user, "pvpn", "-J", $"{user}@{LabFixture.Gateway}", $"{user}@{name}");

    private async Task<string> SessionsAsync() => (await Lab.RunAsync("gw", "pvpn-server", "sessions", "--config", $"{Lab.State}/gw/server.conf")).Output;

    private async Task<string> RefusedAsync(string name)
    {
        CommandResult result = await Lab.RunAsync("alice", "pvpn", "-J", $"alice@{LabFixture.Gateway}", $"alice@{name}");
        Assert.Equal(255, result.ExitCode);
        return result.ErrorLines[^1];
    }
}
