using System.Text;
using PersonalVpn.Unit.Support;
using PersonalVpn.Unit.UserAuthTests;
using Xunit;

namespace PersonalVpn.Unit.CliTests;

/// <summary>
/// What people get wrong, and what pvpn says: nothing on stdout, one line on stderr with the cure, 2 for wrong usage and 255 for the
/// rest. The golden file holds every word. (What needs a forwarder or a gateway is among the kernel tests.)
/// </summary>
public sealed class WrongInputTests : IDisposable
{
    private readonly TempDirectory _home = new();

    public WrongInputTests() => Directory.CreateDirectory(_home[".config/pvpn"]);

    public void Dispose() => _home.Dispose();

    [Fact]
    public void Thirty_and_more()
    {
        var text = new StringBuilder();
        _home.Write("plain", "");
        string[][] commandLines =
        [
            [], ["--nonsense", "gw"], ["--versoin"], ["-x", "gw"], ["gw", "--", ""], ["gw", "--"], ["stauts"], ["donw"],
            ["status", "--jsno"], ["status", "gw"], ["check"], ["check", "192.0.2.1:99999"], ["check", "nowhere.invalid"], ["down", "gw", "--all"],
            ["-p"], ["-p", "99999", "gw"], ["gw:0"], ["gw:https"], ["@gw"], ["[2001:db8::1"],
            ["gw", "10.0.0.1/8"], ["gw", "10.0.0.0/33"], ["gw", "intranet"],
            ["-i", "/nonexistent", "gw"], ["-F", "/nonexistent", "gw"], ["-F", "/etc", "gw"], ["-J", "gw", "gw"], ["-J", "192.0.2.1", "stauts"],
            ["-o", "Prot=1", "gw"], ["-o", "Foo=bar", "gw"], ["-o", "Port=x", "gw"], ["-o", "", "gw"], ["-o", "Host=x", "gw"], ["-o", "StrictHostKeyChecking=maybe", "gw"],
            ["-o", "IdentityFile=/k/%x", "gw"], ["-o", "UserKnownHostsFile=\"/a", "gw"],
            ["-o", "Proxy=http://u:p@proxy:3128", "gw"], ["-o", "Proxy=ftp://proxy:21", "gw"], ["-o", "Proxy=http://u@proxy:3128", "gw"], ["-o", "ProxyCommand=", "gw"],
            ["-o", "ProxyCommand=nc %h %x", "gw"], ["-o", "Proxy=http://u@proxy:1", "-o", "ProxyPasswordFile=/nonexistent", "gw"], ["-o", "HostName=a@b", "gw"],
            ["-f", "gw", "--", "true"], ["gw", "--", "no-such-command"], ["gw", "--", "/no/such/command"], ["gw", "--", "/etc/passwd"], ["gw", "--", "/etc"],
            ["-o", "ForwarderSocket=/nonexistent/s", "gw"], ["-o", $"ForwarderSocket={_home["plain"]}", "status"],
        ];
        foreach (string[] arguments in commandLines) Run(text, arguments);

        foreach (string config in new[]
        {
            "Prot 443", "Host", "Host gw\n  Port many", "Include", "Include config", "User \"alice", "IdentityFile /a b",
            "Route 10.0.0.1/8", "ConnectTimeout soon", "ServerAliveCountMax 0", "IdentitiesOnly maybe", "HostName %n", "IdentityAgent ${NO_SUCH_VARIABLE}/a",
        })
        {
            _home.Write(".config/pvpn/config", config + "\n");
            text.Append("# ").Append(config.Replace("\n", "\\n", StringComparison.Ordinal)).Append('\n');
            Run(text, ["-G", "gw"]);
        }
        string file = _home.Write(".config/pvpn/config", "User alice\n");
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherWrite | UnixFileMode.OtherRead);
        text.Append("# mode 606\n");
        Run(text, ["gw"]);
        Golden.Check("wrong-input.golden.txt", text.ToString());
    }

    private void Run(StringBuilder text, string[] arguments)
    {
        (int code, string output, string error) = ProgramRun.Run("pvpn", _home.Root, arguments);
        string line = string.Join(' ', arguments.Select(a => a.Length == 0 ? "''" : a));
        Assert.True(output.Length == 0, $"pvpn {line}: {output}");
        Assert.True(code is 2 or 255, $"pvpn {line}: exit status {code}");
        Assert.True(error.StartsWith("pvpn: ", StringComparison.Ordinal) && error.Count(c => c == '\n') == 1, $"pvpn {line}: {error}");
        text.Append(($"$ pvpn {line}\n[{code}] {error}").Replace(_home.Root, "HOME", StringComparison.Ordinal).Replace($"chown {Linux.FileOwner.CurrentUid} ", "chown UID ", StringComparison.Ordinal));
    }
}
