using System.Text.RegularExpressions;
using System.Xml.Linq;
using PersonalVpn.Unit.Docs;
using Xunit;

namespace PersonalVpn.Unit.Architecture;

/// <summary>
/// Who may know whom. References point inward:
/// <code>
///   Daemon   Cli   Server          never each other
///      \      |      /
///       Tunnel     UserAuth        UserAuth knows nobody
///         |
///       Linux                      the only unsafe code
///         |
///       Packets                    knows nobody
/// </code>
/// </summary>
public sealed class ReferenceTests
{
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Packets"] = [],
        ["UserAuth"] = [],
        ["Linux"] = ["Packets"],
        ["Tunnel"] = ["Packets", "Linux"],
        ["Daemon"] = ["Packets", "Linux", "Tunnel", "UserAuth"],
        ["Cli"] = ["Packets", "Linux", "Tunnel", "UserAuth"],
        ["Server"] = ["Packets", "Linux", "Tunnel", "UserAuth"],
    };

    private static readonly Dictionary<string, string> Projects = Tree.Files(pattern: "*.csproj")
        .Where(p => !Path.GetRelativePath(Repository.Root, p).StartsWith("tests/", StringComparison.Ordinal))
        .ToDictionary(p => Name(Path.GetFileName(p)));

    [Fact]
    public void Every_project_has_its_place() => Assert.Equal(Allowed.Keys.Order(StringComparer.Ordinal), Projects.Keys.Order(StringComparer.Ordinal));

    [Fact]
    public void References_point_inward()
    {
        foreach ((string name, string path) in Projects)
            foreach (XElement reference in XDocument.Load(path).Descendants("ProjectReference"))
            {
                string other = Name(Path.GetFileName((string)reference.Attribute("Include")!));
                Assert.True(Allowed[name].Contains(other), $"{name} may not reference {other}");
            }
    }

    [Fact]
    public void Friends_are_tests_alone()
    {
        foreach (string path in Projects.Values)
            foreach (XElement friend in XDocument.Load(path).Descendants("InternalsVisibleTo"))
                Assert.Matches("^PersonalVpn\\.(Unit|Kernel|Bench)$", (string)friend.Attribute("Include")!);
    }

    [Fact]
    public void Unsafe_code_and_native_calls_are_in_linux_alone()
    {
        foreach ((string name, string path) in Projects)
        {
            bool allowed = XDocument.Load(path).Descendants("AllowUnsafeBlocks").Any(e => (bool)e);
            Assert.True(allowed == (name == "Linux"), $"{name}: AllowUnsafeBlocks is {allowed}");
            if (name == "Linux") continue;
            foreach (string file in Tree.Files(Path.GetDirectoryName(path)!, "*.cs"))
                Assert.False(Regex.IsMatch(File.ReadAllText(file), @"\[\s*(LibraryImport|DllImport)\b"), $"{file}: native calls belong into Forwarder/Linux");
        }
        Assert.DoesNotContain("<AllowUnsafeBlocks", Repository.Read("Directory.Build.props"), StringComparison.Ordinal);
    }

    [Fact]
    public void Packets_do_no_io()
    {
        foreach (string file in Tree.Files(Repository.PathOf("Forwarder/Packets"), "*.cs"))
            Assert.False(Regex.IsMatch(File.ReadAllText(file), @"\busing System\.(IO|Threading)\b|\bnew Socket\(|\bFile\.|\bConsole\."), $"{file}: no I/O here");
    }

    private static string Name(string file) => Path.GetFileNameWithoutExtension(file).Replace("PersonalVpn.", "", StringComparison.Ordinal);
}
