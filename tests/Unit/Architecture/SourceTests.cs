using System.Text.RegularExpressions;
using PersonalVpn.Unit.Docs;
using Xunit;

namespace PersonalVpn.Unit.Architecture;

/// <summary>Habits that a comment alone would not keep.</summary>
public sealed partial class SourceTests
{
    private const int MaxLines = 450;

    private static readonly string[] Sources = [".cs", ".sh", ".py", ".c", ".csproj", ".props"];

    [Fact]
    public void Files_stay_small_enough_to_read()
    {
        string[] tooLong = [.. Code(Sources).Where(f => File.ReadLines(f).Count() > MaxLines).Select(Relative)];
        Assert.True(tooLong.Length == 0, $"more than {MaxLines} lines: {string.Join(", ", tooLong)}");
    }

    /// <summary>What is not done is an issue, not a comment.</summary>
    [Fact]
    public void Nothing_is_left_undone()
    {
        foreach (string file in Code(Sources).Where(f => Path.GetFileName(f) != "SourceTests.cs"))
        {
            Match match = Undone().Match(File.ReadAllText(file));
            Assert.False(match.Success, $"{Relative(file)}: {match.Value}");
        }
    }

    [Fact]
    public void No_error_is_swallowed()
    {
        foreach (string file in Code(".cs").Where(f => Path.GetFileName(f) != "SourceTests.cs"))
        {
            Match match = EmptyCatch().Match(Comments().Replace(File.ReadAllText(file), ""));
            Assert.False(match.Success, $"{Relative(file)}: {match.Value} says nothing of the error");
        }
    }

    [Theory]
    [InlineData("try { } catch { }")]
    [InlineData("catch (IOException) { /* never mind */ }")]
    [InlineData("catch (Exception e) when (e is { HResult: (1) })\n{\n    // nothing\n}")]
    public void An_empty_catch_is_recognised(string code) => Assert.Matches(EmptyCatch(), Comments().Replace(code, ""));

    [Fact]
    public void Namespaces_are_the_projects()
    {
        foreach (string directory in new[] { "Forwarder/Packets", "Forwarder/Linux", "Forwarder/Tunnel", "Forwarder/Daemon", "Forwarder/Cli", "Server", "UserAuth" })
            foreach (string file in Tree.Files(Repository.PathOf(directory), "*.cs"))
                Assert.True(Regex.IsMatch(File.ReadAllText(file), $@"^namespace PersonalVpn\.{Path.GetFileName(directory)}(\.\w+)*;", RegexOptions.Multiline),
                    $"{Relative(file)}: not in PersonalVpn.{Path.GetFileName(directory)}");
    }

    private static IEnumerable<string> Code(params string[] extensions) => Tree.Files().Where(f => extensions.Contains(Path.GetExtension(f)));

    private static string Relative(string file) => Path.GetRelativePath(Repository.Root, file);

    [GeneratedRegex(@"\b(TODO|FIXME|XXX|HACK)\b|NotImplementedException")]
    private static partial Regex Undone();

    // A filter may hold parentheses of its own; what counts is a body without a statement.
    [GeneratedRegex(@"\bcatch\s*(\([^()]*\)\s*)?(when\s*\((?>[^()]+|(?<open>\()|(?<-open>\)))*(?(open)(?!))\)\s*)?\{\s*\}")]
    private static partial Regex EmptyCatch();

    [GeneratedRegex(@"//[^\n]*|/\*.*?\*/", RegexOptions.Singleline)]
    private static partial Regex Comments();
}
