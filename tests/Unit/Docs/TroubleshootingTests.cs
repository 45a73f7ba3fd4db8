using System.Text;
using System.Text.RegularExpressions;
using PersonalVpn.Unit.Architecture;
using Xunit;

namespace PersonalVpn.Unit.Docs;

/// <summary>
/// What the programs say to people is in docs/troubleshooting.md. Of each message in the sources the longest piece without a value in
/// it is looked for, so the table may show values as it likes.
/// </summary>
public sealed partial class TroubleshootingTests
{
    private const int ShortestTelling = 12;

    // Where messages are made: the type that carries it, or the call that says it.
    private static readonly string[] Makers =
    [
        "new UserError(", "new RequestException(", "new SessionRefusedException(", "new ServerReply(", ".Close(CloseReason.", "return Fail(",
        "new InvalidOperationException(", "new ConfigurationException(", "new RegisterFailedException(",
    ];

    [Theory]
    [InlineData("Forwarder/Cli")]
    [InlineData("Forwarder/Daemon")]
    [InlineData("Server")]
    public void Every_message_is_in_the_table(string directory)
    {
        string table = Repository.Read("docs/troubleshooting.md");
        var missing = new List<string>();
        foreach (string file in Tree.Files(Repository.PathOf(directory), "*.cs"))
        {
            foreach (string message in Messages(File.ReadAllText(file)).Where(m => !table.Contains(m, StringComparison.Ordinal)))
                missing.Add($"{Path.GetRelativePath(Repository.Root, file)}: {message}");
        }
        Assert.True(missing.Count == 0, $"docs/troubleshooting.md lacks:\n{string.Join('\n', missing.Distinct())}");
    }

    [Theory]
    [InlineData("throw new UserError($\"the key of {host} is not known ({(a ? \"x\" : \"y\")}); do it\", 2);", "is not known (")]
    [InlineData("new UserError(a ? \"the first of two messages\" : $\"{x} is the second of them\")", "the first of two messages|is the second of them")]
    [InlineData("new UserError(\"one literal \" +\n \"and its other half\")", "one literal and its other half")]
    [InlineData("new UserError(e.Message); Say(\"not a message of an error\")", "")]
    public void Messages_are_found_in_a_source(string source, string expected) => Assert.Equal(expected, string.Join('|', Messages(source)));

    private static IEnumerable<string> Messages(string source)
    {
        // Halves of one literal that stand on two lines are one.
        source = Joined().Replace(source, "");
        foreach (string maker in Makers)
            for (int at = source.IndexOf(maker, StringComparison.Ordinal); at >= 0; at = source.IndexOf(maker, at + 1, StringComparison.Ordinal))
                foreach (string message in Literals(source, at + maker.Length)) yield return message;
    }

    // The longest piece of each literal up to the parenthesis that closes the call.
    private static IEnumerable<string> Literals(string source, int at)
    {
        for (int depth = 1; depth > 0 && at < source.Length; at++)
        {
            if (source[at] == '(') depth++;
            else if (source[at] == ')') depth--;
            else if (source[at] == '"')
            {
                (string[] pieces, at) = Literal(source, at + 1, interpolated: source[at - 1] == '$');
                string longest = pieces.MaxBy(p => p.Length)!.Trim();
                if (longest.Length >= ShortestTelling) yield return longest;
            }
        }
    }

    private static (string[] Pieces, int End) Literal(string source, int at, bool interpolated)
    {
        var pieces = new List<string>();
        var piece = new StringBuilder();
        for (; source[at] != '"'; at++)
        {
            if (source[at] == '\\') piece.Append(source[++at]);
            else if (interpolated && source[at] == '{')
            {
                pieces.Add(piece.ToString());
                piece.Clear();
                at = HoleEnd(source, at);
            }
            else piece.Append(source[at]);
        }
        return ([.. pieces, piece.ToString()], at);
    }

    // A hole may hold literals, and those holes of their own.
    private static int HoleEnd(string source, int at)
    {
        for (int depth = 0; ; at++)
        {
            if (source[at] == '{') depth++;
            else if (source[at] == '}' && --depth == 0) return at;
            else if (source[at] == '"') at = Literal(source, at + 1, source[at - 1] == '$').End;
        }
    }

    [GeneratedRegex("""(?<!\\)"\s*\+\s*\$?"(?=[^"])""")]
    private static partial Regex Joined();
}
