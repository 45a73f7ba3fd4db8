using System.CommandLine;
using System.Diagnostics;
using PersonalVpn.Cli;
using PersonalVpn.Cli.Commands;
using PersonalVpn.Cli.Config;
using PersonalVpn.Unit.Docs;
using PersonalVpn.Unit.UserAuthTests;
using Xunit;

namespace PersonalVpn.Unit.CliTests;

/// <summary>Completion by a real bash, and the lists of both shells against the code.</summary>
public sealed class CompletionTests : IDisposable
{
    private readonly TempDirectory _home = new();

    public CompletionTests()
    {
        Directory.CreateDirectory(_home[".config/pvpn/conf.d"]);
        _home.Write(".config/pvpn/config", "Host office *.lab !old\n  User x\nHost = other\nInclude conf.d/*\n");
        _home.Write(".config/pvpn/conf.d/more", "host included\n");
        _home.Write(".config/pvpn/known_hosts", "gateway.example.org,192.0.2.1 ssh-rsa AAAA\n[far.example.org]:8443 ssh-rsa AAAA\n|1|hashed ssh-rsa AAAA\n# comment\n");
    }

    public void Dispose() => _home.Dispose();

    [Theory]
    [InlineData("pvpn o", "office other")]
    [InlineData("pvpn ", "192.0.2.1 check down far.example.org:8443 gateway.example.org included office other status")]
    [InlineData("pvpn s", "status")]
    [InlineData("pvpn alice@of", "office")] // readline replaces what follows the @
    [InlineData("pvpn far.example.org:8", "8443")] // and the :
    [InlineData("pvpn -v -p 443 in", "included")]
    [InlineData("pvpn office d", "default")]
    [InlineData("pvpn --", "--help --version")]
    [InlineData("pvpn status --", "--help --json --watch")]
    [InlineData("pvpn down --a", "--all")]
    [InlineData("pvpn -o Str", "StrictHostKeyChecking=")]
    [InlineData("pvpn -o StrictHostKeyChecking=a", "accept-new ask")]
    [InlineData("pvpn -o IdentitiesOnly=", "no yes")]
    [InlineData("pvpn -R ", "192.0.2.1 far.example.org:8443 gateway.example.org")]
    [InlineData("pvpn -R far.example.org:8", "8443")]
    [InlineData("pvpn -F ~/.config/pvpn/conf.d/more i", "included")]
    public void In_bash(string typed, string expected) => Assert.Equal(expected, string.Join(' ', Complete(typed).Order(StringComparer.Ordinal)));

    /// <summary>Root's status has everybody's tunnels, under the names that their owners gave them.</summary>
    [Fact]
    public void A_name_of_somebody_elses_choice_is_not_run()
    {
        string trap = _home["run"];
        Directory.CreateDirectory(_home["bin"]);
        _home.Write("bin/pvpn", $$"""
            #!/bin/sh
            echo '[{"gateway":"$(touch${IFS}{{trap}})","user":"b"},{"gateway":"`touch${IFS}{{trap}}`"},{"gateway":"a;b"},{"gateway":"[fd00::1]:443"},{"gateway":"gw2"}]'
            """, (UnixFileMode)0b111_101_101);
        File.AppendAllText(_home[".config/pvpn/known_hosts"], $"$(touch${{IFS}}{trap}) ssh-rsa AAAA\n");
        File.AppendAllText(_home[".config/pvpn/conf.d/more"], $"Host $(touch${{IFS}}{trap})\n");
        Assert.Contains("gw2", Complete("pvpn down "));
        Assert.DoesNotContain(Complete("pvpn down ").Concat(Complete("pvpn ")).Concat(Complete("pvpn -J ")), w => w.IndexOfAny(['$', '`', ';']) >= 0);
        Assert.False(File.Exists(trap));
    }

    [Fact]
    public void Bash_completes_the_command_itself() => Assert.Contains("true", Complete("pvpn office -- tru"));

    [Theory]
    [InlineData("pvpn.bash")]
    [InlineData("_pvpn")]
    public void Both_shells_know_every_option_subcommand_and_keyword(string file)
    {
        string text = Repository.Read("Scripts/completion/" + file);
        RootCommand root = CommandLine.Build([]);
        Assert.Equal(root.Subcommands.Select(c => c.Name).Order(StringComparer.Ordinal), Subcommands.All.Order(StringComparer.Ordinal));
        foreach (Command command in root.Subcommands.Prepend<Command>(root))
        {
            if (command != root) Assert.Contains(command.Name, text, StringComparison.Ordinal);
            foreach (Option option in command.Options) Assert.Contains(option.Name, text, StringComparison.Ordinal);
        }
        foreach (string keyword in ClientConfig.OptionKeywords) Assert.Contains(keyword, text, StringComparison.Ordinal);
    }

    private string[] Complete(string typed)
    {
        string script = $$"""
            . {{Repository.PathOf("Scripts/completion/pvpn.bash")}}
            compopt() { :; }
            COMP_LINE=$1 COMP_POINT=${#1}
            _pvpn
            printf '%s\n' "${COMPREPLY[@]}"
            """;
        var start = new ProcessStartInfo("bash", ["--norc", "-c", script, "bash", typed.Replace("~", _home.Root, StringComparison.Ordinal)]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["HOME"] = _home.Root;
        start.Environment["PATH"] = _home["bin"] + ":" + Environment.GetEnvironmentVariable("PATH");
        using Process bash = Process.Start(start)!;
        string output = bash.StandardOutput.ReadToEnd(), error = bash.StandardError.ReadToEnd();
        bash.WaitForExit();
        Assert.Equal("", error);
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }
}
