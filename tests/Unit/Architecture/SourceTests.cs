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
    public void No_merge_is_half_done()
    {
        foreach (string file in Code([.. Sources, ".md", ".conf", ".service", ".yml"]))
            Assert.False(MergeMarker().IsMatch(File.ReadAllText(file)), $"{Relative(file)}: conflict markers");
    }

    /// <summary>An error that needs nothing done is one of a named type, and a comment says why.</summary>
    [Fact]
    public void No_error_is_swallowed()
    {
        foreach (string file in Code(".cs").Where(f => Path.GetFileName(f) != "SourceTests.cs"))
            Assert.True(Swallowed(File.ReadAllText(file)) is null, $"{Relative(file)}: {Swallowed(File.ReadAllText(file))} says nothing of the error");
    }

    [Theory]
    [InlineData("try { } catch { }", true)]
    [InlineData("catch { /* never mind */ }", true)]
    [InlineData("catch (Exception) { /* never mind */ }", true)]
    [InlineData("catch (IOException) { }", true)]
    [InlineData("catch (Exception e) when (e is { HResult: (1) })\n{\n}", true)]
    [InlineData("catch (IOException) { /* it is closed already */ }", false)]
    [InlineData("catch (Exception e) when (e is IOException) { Log(e); }", false)]
    [InlineData("catch { throw; }", false)]
    public void A_swallowed_error_is_recognised(string code, bool swallowed) => Assert.Equal(swallowed, Swallowed(code) is not null);

    private static string? Swallowed(string code)
    {
        Match match = EmptyCatch().Match(code);
        if (!match.Success) match = EmptyCatchOfAll().Match(Comments().Replace(code, ""));
        return match.Success ? match.Value : null;
    }

    [Fact]
    public void Namespaces_are_the_projects()
    {
        foreach (string directory in new[] { "Forwarder/Packets", "Forwarder/Linux", "Forwarder/Tunnel", "Forwarder/Daemon", "Forwarder/Cli", "Server", "UserAuth" })
            foreach (string file in Tree.Files(Repository.PathOf(directory), "*.cs"))
                Assert.True(Regex.IsMatch(File.ReadAllText(file), $@"^namespace PersonalVpn\.{Path.GetFileName(directory)}(\.\w+)*;", RegexOptions.Multiline),
                    $"{Relative(file)}: not in PersonalVpn.{Path.GetFileName(directory)}");
    }

    /// <summary>The class library would take a bare name from the working directory, which may be anybody's.</summary>
    [Fact]
    public void A_program_is_started_by_its_path()
    {
        foreach (string directory in new[] { "Forwarder", "Server", "UserAuth" })
            foreach (string file in Tree.Files(Repository.PathOf(directory), "*.cs"))
                foreach (Match start in Started().Matches(Comments().Replace(File.ReadAllText(file), "")))
                    Assert.True(start.Groups[1].Value is "ProgramFile.OfSystem" or "file" or "InPath" or "path" or "Environment.ProcessPath", $"{Relative(file)}: {start.Value}");
    }

    private static IEnumerable<string> Code(params string[] extensions) => Tree.Files().Where(f => extensions.Contains(Path.GetExtension(f)));

    private static string Relative(string file) => Path.GetRelativePath(Repository.Root, file);

    [GeneratedRegex(@"\b(TODO|FIXME|XXX|HACK)\b|NotImplementedException")]
    private static partial Regex Undone();

    // A filter may hold parentheses of its own; what counts is a body without a statement.
    [GeneratedRegex(@"\bcatch\s*(\([^()]*\)\s*)?(when\s*\((?>[^()]+|(?<open>\()|(?<-open>\)))*(?(open)(?!))\)\s*)?\{\s*\}")]
    private static partial Regex EmptyCatch();

    [GeneratedRegex(@"\bcatch\s*(\(Exception( \w+)?\)\s*)?\{\s*\}")]
    private static partial Regex EmptyCatchOfAll();

    [GeneratedRegex(@"new ProcessStartInfo\W*([\w.]*)|ProcessStartInfo \w+ = new\(|Process\.Start\(""")]
    private static partial Regex Started();

    [GeneratedRegex(@"^(<{7}|>{7})( |$)", RegexOptions.Multiline)]
    private static partial Regex MergeMarker();

    [GeneratedRegex(@"//[^\n]*|/\*.*?\*/", RegexOptions.Singleline)]
    private static partial Regex Comments();
}
