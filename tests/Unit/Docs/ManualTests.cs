using System.CommandLine;
using System.Reflection;
using System.Text.RegularExpressions;
using PersonalVpn.Cli.Config;
using PersonalVpn.Daemon;
using PersonalVpn.Daemon.Tunnels;
using PersonalVpn.Server.Configuration;
using PersonalVpn.Server.Sessions;
using PersonalVpn.Tunnel.Configuration;
using Xunit;

namespace PersonalVpn.Unit.Docs;

/// <summary>
/// The manual pages and the programs know the same keywords and options. The lists of keywords are private to the readers, so they
/// are reached by name, which a renaming breaks loudly.
/// </summary>
public sealed partial class ManualTests
{
    /// <summary>Manual page, program, reader, and the keywords the reader does not take as a line of its own.</summary>
    public static TheoryData<string, string, string, string> Pages => new()
    {
        { "forwarder.conf.5", "pvpnd", "PersonalVpn.Daemon.ForwarderConfig", "Keywords" },
        { "pvpn_server_config.5", "pvpn-server", "PersonalVpn.Server.Configuration.ServerConfigReader", "GlobalKeywords" },
        { "pvpn_config.5", "pvpn", "PersonalVpn.Cli.Config.ClientConfig", "Keywords" },
    };

    [Theory]
    [MemberData(nameof(Pages))]
    public void Keywords_of_the_page_are_those_of_the_reader(string page, string program, string reader, string field) =>
        Assert.Equal(KeywordsOf(program, reader, field).Order(StringComparer.Ordinal), Documented(page).Order(StringComparer.Ordinal));

    [Fact]
    public void Pvpnd_knows_every_documented_keyword() =>
        Assert.All(Documented("forwarder.conf.5"), k => AssertKnown(k, () => ReadForwarder($"{k} x")));

    [Fact]
    public void Pvpn_server_knows_every_documented_keyword() =>
        Assert.All(Documented("pvpn_server_config.5"), k => AssertKnown(k, () => ReadServer($"{k} x")));

    [Fact]
    public void Keywords_of_a_Match_block_are_named_on_the_page()
    {
        string text = Repository.Read("docs/man/pvpn_server_config.5");
        string list = text[text.IndexOf("Allowed in a block:", StringComparison.Ordinal)..];
        list = list[..list.IndexOf("Of several", StringComparison.Ordinal)];
        Assert.Equal(KeywordsOf("pvpn-server", "PersonalVpn.Server.Configuration.ServerConfigReader", "MatchKeywords").Order(StringComparer.Ordinal),
            BoldWord().Matches(list).Select(m => m.Groups[1].Value).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Example_configurations_are_read_with_and_without_their_comments()
    {
        foreach (bool all in new[] { false, true })
        {
            ReadForwarder(Example("forwarder.conf", all));
            ReadServer(Example("server.conf", all));
            ReadClient(Example("pvpn.conf", all));
        }
    }

    [Theory]
    [InlineData("pvpn.1", "pvpn", "PersonalVpn.Cli.CommandLine")]
    [InlineData("pvpn-server.8", "pvpn-server", "PersonalVpn.Server.Program")]
    public void Options_and_subcommands_are_on_the_page(string page, string program, string type)
    {
        MethodInfo build = TypeOf(program, type).GetMethod("Build", BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic)!;
        var root = (Command)build.Invoke(null, build.GetParameters().Length == 0 ? null : [Array.Empty<string>()])!;
        string text = Repository.Read($"docs/man/{page}").Replace("\\-", "-", StringComparison.Ordinal);
        foreach (Command command in root.Subcommands.Prepend(root))
        {
            if (command != root) Assert.Contains(command.Name, text, StringComparison.Ordinal);
            foreach (Option option in command.Options) Assert.Contains(option.Name, text, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Reasons_for_drops_are_on_the_page()
    {
        string page = Repository.Read("docs/man/pvpn.1"), protocol = Repository.Read("docs/protocol.md");
        foreach (string name in Enum.GetNames<DropReason>().Where(n => n != "None"))
            Assert.Contains(Camel(name), page, StringComparison.Ordinal);
        foreach (string name in Enum.GetNames<SessionDrop>().Where(n => n != "None"))
            Assert.Contains($"`{Camel(name)}`", protocol, StringComparison.Ordinal);
    }

    private static string Camel(string name) => char.ToLowerInvariant(name[0]) + name[1..];

    private static Type TypeOf(string program, string name) => Assembly.Load(program).GetType(name, throwOnError: true)!;

    private static string[] KeywordsOf(string program, string type, string field) =>
        (string[])TypeOf(program, type).GetField(field, BindingFlags.Static | BindingFlags.NonPublic)!.GetValue(null)!;

    private static string[] Documented(string page)
    {
        string text = Repository.Read($"docs/man/{page}");
        text = text[text.IndexOf(".SH KEYWORDS", StringComparison.Ordinal)..];
        return [.. Keyword().Matches(text).Select(m => m.Groups[1].Value)];
    }

    // All the examples a file shows: "#Keyword value" counts as a line when asked for; prose begins with "# ".
    private static string Example(string file, bool all)
    {
        string text = Repository.Read($"Scripts/examples/{file}");
        return all ? CommentedLine().Replace(text, "") : text;
    }

    private static void AssertKnown(string keyword, Action read)
    {
        if (Record.Exception(read) is { } e) Assert.DoesNotContain("unknown keyword", e.Message, StringComparison.Ordinal);
        else Assert.NotEmpty(keyword);
    }

    private static void ReadForwarder(string text) => ForwarderConfig.Build(KeywordFile.Parse("test", text));

    private static void ReadServer(string text) => new ServerConfigReader().Build(KeywordFile.Parse("test", text));

    private static void ReadClient(string text)
    {
        string file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, text);
            ClientConfig.Load("/nonexistent", "office", [], file);
        }
        finally { File.Delete(file); }
    }

    // .TP, then the keyword in bold, then \~ before its value.
    [GeneratedRegex(@"^\.TP\n\.B[IR] ([A-Za-z0-9]+)\\~", RegexOptions.Multiline)]
    private static partial Regex Keyword();

    [GeneratedRegex(@"^\.BR? ([A-Za-z]+)", RegexOptions.Multiline)]
    private static partial Regex BoldWord();

    [GeneratedRegex(@"^#(?=[A-Z ] *[A-Za-z]+[0-9]* [^ ]+( [^ ]+)?$)", RegexOptions.Multiline)]
    private static partial Regex CommentedLine();
}
