using System.Security.Cryptography;

namespace PersonalVpn.Kernel.Lab.Suites;

/// <summary>A user's private key stays in the user's process: the daemons' memory is searched for it, byte by byte.</summary>
[Collection(KernelRaw.Name)]
public sealed class SecretTests(KernelRawLab lab) : LabTests(lab)
{
    [Fact]
    public async Task Neither_daemon_holds_the_users_private_key()
    {
        using var key = RSA.Create();
        key.ImportFromPem(await PemAsync(Path.Combine(Lab.State, "home", "alice", ".ssh", "id_rsa")));
        byte[] prime = key.ExportParameters(true).P!;
        using var host = ECDsa.Create();
        host.ImportFromPem(await File.ReadAllTextAsync(Path.Combine(Lab.State, "gw", "host_key.pem")));

        await using LabTunnel tunnel = await Lab.ConnectAsync("alice");
        await TalkAsync("alice", "tcp", LabFixture.Hidden4, "hello");

        // The witness first: what must be in the server's memory is found there.
        Assert.True(ProcessMemory.HoldsNumber(Lab.Server!.Id, host.ExportParameters(true).D!), "the search does not even find the server's own key");
        Assert.False(ProcessMemory.HoldsNumber(Lab.Forwarder!.Id, prime), "pvpnd holds the user's private key");
        Assert.False(ProcessMemory.HoldsNumber(Lab.Server!.Id, prime), "pvpn-server holds the user's private key");
        await tunnel.DisposeAsync();
    }

    // The lab's keys are in OpenSSH's own format; ssh-keygen turns a copy into one that can be read here.
    private async Task<string> PemAsync(string path)
    {
        string copy = Path.Combine(Lab.State, "home", "secret-test-key");
        try
        {
            (await Lab.RunAsync("host", "sh", "-c", $"install -m 600 {path} {copy} && ssh-keygen -q -p -m PKCS8 -P '' -N '' -f {copy}")).Succeeded();
            return await File.ReadAllTextAsync(copy);
        }
        finally
        {
            File.Delete(copy);
        }
    }
}
