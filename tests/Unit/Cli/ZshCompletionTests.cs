using System.Diagnostics;
using PersonalVpn.Unit.Docs;
using PersonalVpn.Unit.UserAuthTests;
using Xunit;

namespace PersonalVpn.Unit.CliTests;

/// <summary>Completion by a real zsh: a shell on a pseudo-terminal that keys are sent to.</summary>
public sealed class ZshCompletionTests : IDisposable
{
    private readonly TempDirectory _home = new();

    public void Dispose() => _home.Dispose();

    [Fact]
    public void In_zsh()
    {
        Directory.CreateDirectory(_home[".config/pvpn"]);
        _home.Write(".config/pvpn/config", "Host office other *.lab\n");
        _home.Write(".config/pvpn/known_hosts", "gateway.example.org ssh-rsa AAAA\n");
        (string Keys, string Line)[] typed =
        [
            ("pvpn of\t", "pvpn office"), ("pvpn alice@ga\t", "pvpn alice@gateway.example.org"), ("pvpn sta\t", "pvpn status"), ("pvpn status --w\t", "pvpn status --watch"),
            ("pvpn down --a\t", "pvpn down --all"), ("pvpn -o Strict\tac\t", "pvpn -o StrictHostKeyChecking=accept-new"), ("pvpn office def\t", "pvpn office default"),
        ];
        // A line is shown as the shell ran it by the function that stands for pvpn.
        string script = $$"""
            zmodload zsh/zpty
            zpty z env HOME={{_home.Root}} TERM=dumb zsh -f -i
            zpty -w z "PS1='>'; fpath=({{Repository.PathOf("Scripts/completion")}} \$fpath); autoload -Uz compinit; compinit -u -D; setopt noautolist; pvpn() { print -r -- \"ran:pvpn \$*:\" }; echo set\"up\""
            wait_for() {
                local part; integer i
                for ((i = 0; i < 200; i++)) { while zpty -r -t z part; do seen+=$part; done; [[ $seen == *$1* ]] && return; sleep 0.05 }
            }
            wait_for setup
            {{string.Join('\n', typed.Select(t => $"zpty -n -w z $'{t.Keys.Replace("\t", "\\t", StringComparison.Ordinal)}'; sleep 0.4; zpty -n -w z $'\\n'; wait_for 'ran:{t.Line}'"))}}
            print -r -- "$seen"
            zpty -d z
            """;
        using Process zsh = Process.Start(new ProcessStartInfo("zsh", ["-f", "-c", script]) { RedirectStandardOutput = true })!;
        string output = zsh.StandardOutput.ReadToEnd();
        zsh.WaitForExit();
        Assert.All(typed, t => Assert.Contains($"ran:{t.Line}:", output.Replace(" :", ":", StringComparison.Ordinal), StringComparison.Ordinal));
    }
}
