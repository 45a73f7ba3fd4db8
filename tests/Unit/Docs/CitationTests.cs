using System.Text.RegularExpressions;
using Xunit;

namespace PersonalVpn.Unit.Docs;

/// <summary>What the documents cite exists: lines of code, tests, files. A citation that went astray is moved by Scripts/cite.py.</summary>
public sealed partial class CitationTests
{
    [Fact]
    public void Cited_lines_hold_the_cited_word()
    {
        var wrong = new List<string>();
        int count = 0;
        foreach (string document in Repository.Documents)
        {
            foreach (Match m in Citation().Matches(Repository.Read(document)))
            {
                count++;
                string path = m.Groups[1].Value, word = m.Groups[3].Value;
                string[] lines = File.Exists(Repository.PathOf(path)) ? File.ReadAllLines(Repository.PathOf(path)) : [];
                int line = int.Parse(m.Groups[2].Value, System.Globalization.CultureInfo.InvariantCulture);
                if (line < 1 || line > lines.Length || !Regex.IsMatch(lines[line - 1], $@"(?<!\w){Regex.Escape(word)}(?!\w)"))
                    wrong.Add($"{document}: {path}:{line} does not hold '{word}'");
            }
        }
        Assert.True(wrong.Count == 0, "run Scripts/cite.py and look at what it did:\n" + string.Join('\n', wrong));
        Assert.True(count > 50, $"only {count} citations found: has their form changed?");
    }

    [Fact]
    public void Every_file_and_line_is_cited_with_a_word()
    {
        foreach (string document in Repository.Documents)
        {
            string text = Repository.Read(document);
            Assert.Equal((document, Citation().Count(text)), (document, FileAndLine().Count(text)));
        }
    }

    [Fact]
    public void Cited_tests_exist()
    {
        Dictionary<string, string> sources = Directory.GetFiles(Repository.PathOf("tests"), "*Tests.cs", SearchOption.AllDirectories)
            .ToDictionary(f => Path.GetFileNameWithoutExtension(f), File.ReadAllText);
        int count = 0;
        foreach (string document in Repository.Documents)
        {
            foreach (Match m in TestName().Matches(Repository.Read(document)))
            {
                count++;
                Assert.True(sources.TryGetValue(m.Groups[1].Value, out string? source) && source.Contains($" {m.Groups[2].Value}(", StringComparison.Ordinal),
                    $"{document} cites the test {m.Value}, which is not there");
            }
        }
        Assert.True(count > 30, $"only {count} tests cited: has their form changed?");
    }

    [Fact]
    public void Documents_that_documents_and_code_name_exist()
    {
        IEnumerable<string> sources = new[] { "Forwarder", "Server", "UserAuth" }
            .SelectMany(d => Directory.GetFiles(Repository.PathOf(d), "*.cs", SearchOption.AllDirectories));
        foreach (string file in Repository.Documents.Select(Repository.PathOf).Concat(sources))
            foreach (Match m in DocumentName().Matches(File.ReadAllText(file)))
                Assert.True(File.Exists(Repository.PathOf(m.Value)), $"{Path.GetRelativePath(Repository.Root, file)} names {m.Value}, which is not there");
    }

    [GeneratedRegex(@"`([\w./-]+\.cs):(\d+)` `([^`]+)`")]
    private static partial Regex Citation();

    [GeneratedRegex(@"\w\.cs:\d+")]
    private static partial Regex FileAndLine();

    [GeneratedRegex(@"`(\w+Tests)\.(\w+)`")]
    private static partial Regex TestName();

    [GeneratedRegex(@"docs/[\w-]+\.md")]
    private static partial Regex DocumentName();
}
